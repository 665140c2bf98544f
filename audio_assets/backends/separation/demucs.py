"""Separation by Demucs: the hybrid transformer, fine-tuned, one network for each stem (`htdemucs_ft`).

The weights come as safetensors with their configuration as JSON, in the format of the `demucs` package
since 4.1. The older ``.th`` files are pickles, which may run any code, and are not read. The mix is scaled
to unit deviation as a whole and cut as `demucs.apply` does; the random shifts of its default are left out,
so the same mix always gives the same stems.

Rouard, Massa & Défossez, "Hybrid transformers for music source separation", ICASSP 2023.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from audio_assets.audio.downmix import Samples
from audio_assets.backends.separation import SAMPLE_RATE, STEMS, Mix
from audio_assets.backends.separation.chunked_model import apply_to_chunks, batch_size, mean_and_deviation
from audio_assets.backends.separation.overlap import separate_in_chunks
from audio_assets.backends.weights import MissingWeightsError, Weights
from audio_assets.resources.accelerator import choose_accelerator

HTDEMUCS_FT = Weights("adefossez/HTDemucs-ft", "main")
BAG = "htdemucs_ft"

OVERLAP = 0.25
"""Share of a chunk that it has in common with the next."""

NETWORKS = ("demucs.htdemucs.HTDemucs", "demucs.hdemucs.HDemucs", "demucs.demucs.Demucs")
"""Classes that a file of weights may name."""


class DemucsSeparation:
    """A bag of Demucs networks in float32, on a GPU if there is one.

    Args:
        weights: the folder of installed weights.
        device: where to compute.
        model: a folder or repository with ``<bag>.yaml`` and ``<signature>.safetensors`` of each network.

    Raises:
        MissingWeightsError: weights are neither installed nor to be had, or are not those of such a bag.
    """

    name = "htdemucs_ft"
    revision = HTDEMUCS_FT.identity
    licence = "MIT"
    weights = (HTDEMUCS_FT,)

    def __init__(
        self, weights: Path, device: str = "auto", model: Weights = HTDEMUCS_FT, bag: str = BAG
    ) -> None:
        folder = model.path(weights)
        self._device = choose_accelerator(device).device
        models, shares = load_bag(folder, bag)
        self._models = [found.to(self._device).eval().requires_grad_(False) for found in models]
        first = self._models[0]
        _check_bag(folder, first, shares)
        order = [list(first.sources).index(stem) for stem in STEMS]
        self._order = order
        self._shares = shares / shares.sum(axis=0)
        self._length = int(SAMPLE_RATE * float(first.segment))

    def separate(self, mix: Mix) -> Iterator[Samples]:
        """As `Separation.separate`; reads the mix twice."""
        mean, deviation = mean_and_deviation(mix())
        mean_, scale = np.float32(mean), np.float32(deviation + 1e-8)

        def separate(chunks: list[Samples]) -> list[Samples]:
            scaled = [(chunk - mean_) / scale for chunk in chunks]
            found = apply_to_chunks(self._stems, scaled, self._length, self._device)
            return [stems * scale + mean_ for stems in found]

        overlap = self._length - int((1 - OVERLAP) * self._length)
        return separate_in_chunks(mix(), separate, self._length, overlap, batch_size(self._device))

    def _stems(self, mix: Any) -> Any:
        """``[B, 2, n]`` to ``[B, 4, 2, n]``: each stem from the networks that have a share in it."""
        stems = 0.0
        for model, shares in zip(self._models, self._shares, strict=True):
            found = model(mix)
            stems = stems + found * found.new_tensor(shares)[:, None, None]
        return stems[:, self._order]  # type: ignore[index]


def load_bag(folder: Path, bag: str) -> tuple[list[Any], Any]:
    """The networks of a bag, and the share of each in each of its sources.

    Shape:
        - Output: models, float32 ``[models, sources]``

    Raises:
        MissingWeightsError: files are missing, or are not what they should be.
    """
    import yaml

    listing = folder / f"{bag}.yaml"
    if not listing.is_file():
        raise MissingWeightsError(
            f"{listing}: found no such file; wanted the list of the networks of {bag}, beside their "
            "safetensors: get all files of the repository"
        )
    described = yaml.safe_load(listing.read_text())
    models = [load_network(folder / f"{signature}.safetensors") for signature in described["models"]]
    weights = described.get("weights") or [[1.0] * len(models[0].sources)] * len(models)
    return models, np.array(weights, np.float32)


def load_network(path: Path) -> Any:
    """A network from a safetensors file, whose metadata name its class and arguments.

    Raises:
        MissingWeightsError: there is no such file, or it is not of a Demucs network.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise MissingWeightsError(f"{path}: found no such file; wanted a network: get the repository again")
    try:
        with safe_open(path, framework="pt") as file:
            described = file.metadata() or {}
    except SafetensorError as error:
        raise MissingWeightsError(f"{path}: found no safetensors ({error}); get the file again") from error
    name = described.get("klass")
    if name not in NETWORKS or "structure" in described:
        kind = f"a quantised {name}" if "structure" in described else name
        raise MissingWeightsError(f"{path}: found {kind}; wanted one of {', '.join(NETWORKS)}")
    from demucs.hf import load_safetensors_model

    try:
        return load_safetensors_model(path)
    except (json.JSONDecodeError, KeyError, RuntimeError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise MissingWeightsError(f"{path}: found weights that do not fit {name}: {reason}") from error


def _check_bag(folder: Path, model: Any, shares: Samples) -> None:
    found = (sorted(model.sources), model.samplerate, model.audio_channels)
    wanted = (sorted(STEMS), SAMPLE_RATE, 2)
    if found != wanted or shares.shape[1] != len(STEMS):
        raise MissingWeightsError(
            f"{folder}: found networks for {', '.join(model.sources)} at {model.samplerate} Hz with "
            f"{model.audio_channels} channels; wanted {', '.join(STEMS)} at {SAMPLE_RATE} Hz in stereo"
        )
