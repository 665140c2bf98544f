"""Captions by Music Flamingo: one prompt for each kind, over the track's first twenty minutes.

The processor cuts the audio into windows of 30 s; answers are the most likely words, so that the same
track has the same caption. Ghosh et al., "Music Flamingo: Scaling Music Understanding in Audio Language
Models", 2025. Weights: NVIDIA's non-commercial licence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audio_assets.audio.signal import Signal
from audio_assets.backends.captions import Facts
from audio_assets.backends.captions.text import listed, normalise
from audio_assets.backends.captions.vocabulary import genre_words
from audio_assets.backends.weights import Weights
from audio_assets.engine.outcomes import NotApplicable
from audio_assets.resources.accelerator import choose_accelerator

FLAMINGO = Weights("nvidia/music-flamingo-2601-hf", "main")
"""The repository of this architecture; `nvidia/music-flamingo-hf` is of type audioflamingo3.

No commit is known here to pin: a captioned collection should use a copy in the weights folder.
"""

SAMPLE_RATE = 16_000
LONGEST_S = 1200
LEAST_S = 1.0
SILENCE = 1e-5
"""Largest magnitude (-100 dBFS) of what is called silent."""

MOST_WORDS = 600
"""Tokens of an answer at most."""

PROMPTS = {
    "full": "Describe this piece of music in detail: genre, tempo and key, instruments and voices, "
    "production, mood, and how it develops.",
    "technical": "Describe the tempo in BPM, the key, the metre, the harmony, the dynamics and the "
    "production of this piece of music.",
    "genre_mood": "Describe the genre, the style and the mood of this piece of music in a few sentences.",
    "instrumentation": "Name the instruments and voices of this piece of music, and say how they are played.",
    "structure": "Describe the structure of this piece of music, section by section.",
}


class MusicFlamingoCaptions:
    """The published model, on a GPU in bfloat16 if there is one.

    Args:
        weights: model and processor in the format of transformers.

    Raises:
        MissingWeightsError: weights are neither installed nor to be had from the network.
    """

    name = "music-flamingo"
    revision = FLAMINGO.identity
    licence = "NVIDIA-OneWay-Noncommercial"

    def __init__(self, weights: Weights = FLAMINGO) -> None:
        import torch
        from transformers import MusicFlamingoForConditionalGeneration, MusicFlamingoProcessor

        accelerator = choose_accelerator()
        self._processor: Any = weights.call(MusicFlamingoProcessor.from_pretrained)
        model = weights.load(MusicFlamingoForConditionalGeneration, getattr(torch, accelerator.dtype))
        self._model: Any = model.to(accelerator.device)

    def captions(self, track: Signal, facts: Facts) -> Mapping[str, str]:
        """As `Captioner.captions`; the facts are not told to the model.

        Raises:
            ValueError: the model gives NaN, or an empty answer.
        """
        samples = track.once(first_minutes)
        return {kind: self._answer(samples, prompt) for kind, prompt in PROMPTS.items()}

    def describe(self, track: Signal, facts: Facts, genres: tuple[str, ...]) -> str:
        """As `Captioner.describe`; raises as `captions` does."""
        prompt = PROMPTS["full"]
        if genres:
            named = listed([genre_words(label) for label in genres])
            prompt = f"{prompt} A classifier hears {named} in it, and may be wrong."
        return self._answer(track.once(first_minutes), prompt)

    def _answer(self, samples: NDArray[np.float32], prompt: str) -> str:
        import torch
        from transformers import LogitsProcessorList

        content = [{"type": "text", "text": prompt}, {"type": "audio"}]
        text = self._processor.apply_chat_template(
            [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
        )
        inputs = self._processor(text=[text], audio=[samples], sampling_rate=SAMPLE_RATE)
        inputs = inputs.to(self._model.device)
        # The features are float32, the weights of the published model are not.
        inputs["input_features"] = inputs["input_features"].to(self._model.dtype)
        with torch.inference_mode():
            tokens = self._model.generate(
                **inputs,
                max_new_tokens=MOST_WORDS,
                do_sample=False,
                logits_processor=LogitsProcessorList([_refuse_nan]),
            )
        answer = tokens[:, inputs["input_ids"].shape[1] :]
        (decoded,) = self._processor.batch_decode(answer, skip_special_tokens=True)
        caption = normalise(decoded)
        if not caption:
            raise ValueError(f"{self.name} gave an empty answer to {prompt!r}; wanted a text")
        return caption


def first_minutes(track: Signal) -> NDArray[np.float32]:
    """What the model hears of a track: ``[n]``, mono at 16 kHz, of the first `LONGEST_S` only.

    Raises:
        NotApplicable: it is silent or shorter than `LEAST_S`.
    """
    parts, length = [], LONGEST_S * SAMPLE_RATE
    for block in track.blocks(30.0, SAMPLE_RATE, mono=True):
        parts.append(block[0])
        length -= len(block[0])
        if length <= 0:
            break
    samples: NDArray[np.float32] = np.concatenate(parts)[: LONGEST_S * SAMPLE_RATE]
    if np.abs(samples).max() < SILENCE:
        raise NotApplicable("the track is silent, as far as it is heard")
    if len(samples) < LEAST_S * SAMPLE_RATE:
        raise NotApplicable(f"the track is shorter than {LEAST_S} s")
    return samples


def _refuse_nan(_: Any, scores: Any) -> Any:
    """Scores as they are; NaN would otherwise be decoded as some word."""
    if scores.isnan().any():
        raise ValueError(f"{MusicFlamingoCaptions.name} gives NaN; are its weights damaged?")
    return scores
