"""What language models that caption share: how they hear a track, and how they answer.

Answers are the most likely words, so that the same track has the same caption.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from audio_assets.audio.signal import Signal
from audio_assets.backends.captions.prompts import PROMPTS, description_prompt
from audio_assets.captions import Facts
from audio_assets.captions.text import normalise
from audio_assets.engine.declare.outcomes import NotApplicable

SAMPLE_RATE = 16_000
LEAST_S = 1.0
SILENCE = 1e-5
"""Largest magnitude (-100 dBFS) of what is called silent."""

MOST_TOKENS = 600
"""Tokens of an answer at most."""


class AudioLanguageModel:
    """Captions by a model that hears a track's beginning and answers a prompt; subclasses give `_answer`."""

    name: ClassVar[str]
    longest_s: float
    """What it hears of a track at most."""

    def captions(self, track: Signal, facts: Facts) -> Mapping[str, str]:
        """As `Captioner.captions`; the facts are not told to the model.

        Raises:
            ValueError: the model gives NaN, or an empty answer.
        """
        samples = track.once(first_minutes, self.longest_s)
        return {kind: self._answer(samples, prompt) for kind, prompt in PROMPTS.items()}

    def describe(self, track: Signal, facts: Facts, genres: tuple[str, ...]) -> str:
        """As `Captioner.describe`; raises as `captions` does."""
        return self._answer(track.once(first_minutes, self.longest_s), description_prompt(genres))

    def _answer(self, samples: NDArray[np.float32], prompt: str) -> str:
        raise NotImplementedError


def first_minutes(track: Signal, longest_s: float) -> NDArray[np.float32]:
    """What a model hears of a track: ``[n]``, mono at 16 kHz, of the first `longest_s` only.

    Raises:
        NotApplicable: it is silent or shorter than `LEAST_S`.
    """
    wanted = int(longest_s * SAMPLE_RATE)
    parts, length = [], 0
    for block in track.blocks(30.0, SAMPLE_RATE, mono=True):
        parts.append(block[0])
        length += len(block[0])
        if length >= wanted:
            break
    samples: NDArray[np.float32] = np.concatenate(parts)[:wanted]
    if np.abs(samples).max() < SILENCE:
        raise NotApplicable("the track is silent, as far as it is heard")
    if len(samples) < LEAST_S * SAMPLE_RATE:
        raise NotApplicable(f"the track is shorter than {LEAST_S} s")
    return samples


def answer(model: Any, processor: Any, inputs: Any, *, name: str, prompt: str, **options: Any) -> str:
    """What a model of transformers answers to `inputs`, one normalised line.

    `processor` decodes its tokens; `options` are those of ``generate``; `name` and `prompt` are for messages.

    Raises:
        ValueError: the model gives NaN, or an empty answer.
    """
    import torch
    from transformers import LogitsProcessorList

    inputs = inputs.to(model.device)
    if "input_features" in inputs:
        # The features are float32, the weights of published models are not.
        inputs["input_features"] = inputs["input_features"].to(model.dtype)
    with torch.inference_mode():
        tokens = model.generate(
            **inputs,
            max_new_tokens=MOST_TOKENS,
            do_sample=False,
            logits_processor=LogitsProcessorList([partial(_refuse_nan, name)]),
            **options,
        )
    new = tokens[:, inputs["input_ids"].shape[1] :]
    (decoded,) = processor.batch_decode(new, skip_special_tokens=True)
    text = normalise(decoded)
    if not text:
        raise ValueError(f"{name} gave an empty answer to {prompt!r}; wanted a text")
    return text


def _refuse_nan(name: str, _: Any, scores: Any) -> Any:
    """Scores as they are; NaN would otherwise be decoded as some word."""
    if scores.isnan().any():
        raise ValueError(f"{name} gives NaN; are its weights damaged?")
    return scores
