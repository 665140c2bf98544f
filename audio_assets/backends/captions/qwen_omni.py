"""Captions by Qwen2.5-Omni, of which only the thinker is loaded: it hears and writes, and does not speak.

Its audio tower works in blocks of two seconds and sets no limit of its own; the published feature
extractor keeps the first 300 s, at 25 tokens a second. Xu et al., "Qwen2.5-Omni Technical Report", 2025.
Weights of the 7B model: Apache 2.0 (those of the 3B model: a research licence).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audio_assets.backends.captions.generation import SAMPLE_RATE, AudioLanguageModel, answer
from audio_assets.backends.weights import Weights
from audio_assets.resources.accelerator import choose_accelerator

QWEN_OMNI = Weights("Qwen/Qwen2.5-Omni-7B", "ae9e1690543ffd5c0221dc27f79834d0294cba00")

SYSTEM = (
    "You are Qwen, a virtual human developed by the Qwen Team, Alibaba Group, capable of perceiving auditory "
    "and visual inputs, as well as generating text and speech."
)
"""The system prompt that the model was trained with; its authors ask for this wording."""


class QwenOmniCaptions(AudioLanguageModel):
    """The published model's thinker, on a GPU in bfloat16 if there is one.

    Args:
        weights: the folder of installed weights.
        device: where to compute.
        model: the whole model and its processor in the format of transformers.

    Raises:
        MissingWeightsError: weights are neither installed nor to be had from the network.
    """

    name = "qwen2.5-omni"
    revision = QWEN_OMNI.identity
    licence = "Apache-2.0"
    weights = (QWEN_OMNI,)

    def __init__(self, weights: Path, device: str = "auto", model: Weights = QWEN_OMNI) -> None:
        import torch
        from transformers import Qwen2_5OmniThinkerForConditionalGeneration

        accelerator = choose_accelerator(device)
        self._processor: Any = model.call(weights, _processor_class().from_pretrained)
        loaded = model.load(
            weights, Qwen2_5OmniThinkerForConditionalGeneration, getattr(torch, accelerator.dtype)
        )
        self._model: Any = loaded.to(accelerator.device)
        # What the extractor would cut off need not be decoded.
        self.longest_s = self._processor.feature_extractor.n_samples / SAMPLE_RATE

    def _answer(self, samples: NDArray[np.float32], prompt: str) -> str:
        conversation = [
            {"role": "system", "content": [{"type": "text", "text": SYSTEM}]},
            {"role": "user", "content": [{"type": "text", "text": prompt}, {"type": "audio"}]},
        ]
        text = self._processor.apply_chat_template(conversation, tokenize=False, add_generation_prompt=True)
        inputs = self._processor(text=[text], audio=[samples], sampling_rate=SAMPLE_RATE, return_tensors="pt")
        tokenizer = self._processor.tokenizer
        return answer(
            self._model,
            self._processor,
            inputs,
            name=self.name,
            prompt=prompt,
            # As the thinker is cut out of the whole, what ends an answer is not in its configuration.
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )


def _processor_class() -> Any:
    """The model's processor without the parts for pictures, which need torchvision."""
    from transformers import Qwen2_5OmniProcessor
    from transformers.processing_utils import ProcessorMixin

    class AudioProcessor(Qwen2_5OmniProcessor):
        # `from_pretrained` loads the parts that this signature names.
        def __init__(self, feature_extractor: Any, tokenizer: Any, chat_template: Any = None) -> None:
            base: Any = ProcessorMixin
            base.__init__(self, feature_extractor, tokenizer, chat_template=chat_template)
            for kind in ("image", "audio", "video"):
                for name in (f"{kind}_token", f"{kind}_token_id"):
                    setattr(self, name, getattr(tokenizer, name))

    return AudioProcessor
