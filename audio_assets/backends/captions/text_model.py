"""Revision of captions by a text model, which is told what was measured.

Weights: Qwen2.5-7B-Instruct, Apache 2.0. Qwen Team, "Qwen2.5 Technical Report", 2024.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from audio_assets.backends.captions.generation import answer
from audio_assets.backends.captions.prompts import REVISION, facts_in_words, revision_prompt
from audio_assets.backends.weights import Weights
from audio_assets.captions import Facts
from audio_assets.resources.accelerator import choose_accelerator

QWEN = Weights("Qwen/Qwen2.5-7B-Instruct", "a09a35458c702b33eeacc393d103063234e8bc28")


class TextModelRevision:
    """The published model, on a GPU in bfloat16 if there is one.

    Args:
        weights: the folder of installed weights.
        device: where to compute.
        model: a causal language model, and its tokenizer with a chat template, in transformers' format.

    Raises:
        MissingWeightsError: weights are neither installed nor to be had from the network.
    """

    name = "qwen2.5-instruct"
    revision = QWEN.identity
    licence = "Apache-2.0"
    weights = (QWEN,)

    def __init__(self, weights: Path, device: str = "auto", model: Weights = QWEN) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        accelerator = choose_accelerator(device)
        self._tokenizer: Any = model.call(weights, _from_pretrained(AutoTokenizer))
        dtype = getattr(torch, accelerator.dtype)
        loaded = model.call(weights, _from_pretrained(AutoModelForCausalLM), dtype=dtype)
        self._model: Any = loaded.eval().requires_grad_(False).to(accelerator.device)

    def revise(self, text: str, facts: Facts) -> str:
        """As `Reviser.revise`; the model is not asked where nothing was measured.

        Raises:
            ValueError: the model gives NaN, or an empty answer.
        """
        if not facts_in_words(facts):
            return text
        prompt = revision_prompt(text, facts)
        inputs = self._tokenizer.apply_chat_template(
            [{"role": "system", "content": REVISION}, {"role": "user", "content": prompt}],
            add_generation_prompt=True,
            return_dict=True,
            return_tensors="pt",
        )
        return answer(
            self._model,
            self._tokenizer,
            inputs,
            name=self.name,
            prompt=prompt,
            # Published settings are those of sampling, and a penalty of repetition would keep the model from
            # copying what it is to keep.
            repetition_penalty=1.0,
            temperature=None,
            top_p=None,
            top_k=None,
        )


def _from_pretrained(auto: Any) -> Callable[..., Any]:
    """`from_pretrained` of an Auto class; files that are not there are an OSError, as of other classes."""

    def load(*args: Any, **options: Any) -> Any:
        try:
            return auto.from_pretrained(*args, **options)
        except ValueError as error:
            raise OSError(str(error)) from error

    return load
