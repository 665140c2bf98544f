"""Captions by Music Flamingo: one prompt for each kind, over the track's first twenty minutes.

The processor cuts the audio into windows of 30 s. Ghosh et al., "Music Flamingo: Scaling Music
Understanding in Audio Language Models", 2025. Weights: NVIDIA's non-commercial licence.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audio_assets.backends.captions.generation import SAMPLE_RATE, AudioLanguageModel, answer
from audio_assets.backends.weights import Weights
from audio_assets.resources.accelerator import choose_accelerator

FLAMINGO = Weights("nvidia/music-flamingo-2601-hf", "main")
"""The repository of this architecture; `nvidia/music-flamingo-hf` is of type audioflamingo3.

No commit is known here to pin: a captioned collection should use a copy in the weights folder.
"""

LONGEST_S = 1200.0


class MusicFlamingoCaptions(AudioLanguageModel):
    """The published model, on a GPU in bfloat16 if there is one.

    Args:
        weights: the folder of installed weights.
        device: where to compute.
        model: model and processor in the format of transformers.

    Raises:
        MissingWeightsError: weights are neither installed nor to be had from the network.
    """

    name = "music-flamingo"
    revision = FLAMINGO.identity
    licence = "NVIDIA-OneWay-Noncommercial"
    weights = (FLAMINGO,)
    longest_s = LONGEST_S

    def __init__(self, weights: Path, device: str = "auto", model: Weights = FLAMINGO) -> None:
        import torch
        from transformers import MusicFlamingoForConditionalGeneration, MusicFlamingoProcessor

        accelerator = choose_accelerator(device)
        self._processor: Any = model.call(weights, MusicFlamingoProcessor.from_pretrained)
        loaded = model.load(weights, MusicFlamingoForConditionalGeneration, getattr(torch, accelerator.dtype))
        self._model: Any = loaded.to(accelerator.device)

    def _answer(self, samples: NDArray[np.float32], prompt: str) -> str:
        content = [{"type": "text", "text": prompt}, {"type": "audio"}]
        text = self._processor.apply_chat_template(
            [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
        )
        inputs = self._processor(text=[text], audio=[samples], sampling_rate=SAMPLE_RATE)
        return answer(self._model, self._processor, inputs, name=self.name, prompt=prompt)
