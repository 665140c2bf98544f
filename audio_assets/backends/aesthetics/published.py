"""Aesthetics from Meta Audiobox Aesthetics: windows of ten seconds, their ratings weighted by length."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from audio_assets.backends.aesthetics import SAMPLE_RATE, Aesthetics, Float32
from audio_assets.backends.weights import MissingWeightsError, Weights
from audio_assets.engine.declare.outcomes import NotApplicable
from audio_assets.resources.accelerator import choose_accelerator

AUDIOBOX = Weights("facebook/audiobox-aesthetics", "main")
"""No commit is known here to pin: a rated collection should use a copy in the weights folder."""

WINDOW_LENGTH = 10 * SAMPLE_RATE
BATCH_SIZE = 8
"""Windows that go through the network at a time."""

LEAST_LENGTH = SAMPLE_RATE // 2
SILENCE = 1e-5
"""Largest magnitude (-100 dBFS) of what is called silent."""

LOWEST, HIGHEST = 1.0, 10.0
"""Ends of the scale; the regression can step over them by a little."""


class AudioboxAesthetics:
    """The published network in float32, on a GPU if there is one.

    Args:
        weights: the folder of installed weights.
        device: where to compute.
        model: with ``model.safetensors`` and ``config.json`` of the published format.

    Raises:
        MissingWeightsError: weights are not to be had, or not of this network.
    """

    name = "audiobox-aesthetics"
    revision = AUDIOBOX.identity
    licence = "CC-BY-4.0"
    weights = (AUDIOBOX,)

    def __init__(self, weights: Path, device: str = "auto", model: Weights = AUDIOBOX) -> None:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        from audio_assets.backends.aesthetics.network import AestheticsNetwork

        folder = model.path(weights)
        self._device = choose_accelerator(device).device
        try:
            config = json.loads((folder / "config.json").read_bytes())
            network = AestheticsNetwork(load_file(folder / "model.safetensors"), config)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
            raise MissingWeightsError(
                f"{folder}: found no weights of Audiobox Aesthetics ({str(error).splitlines()[0]}); wanted "
                f"model.safetensors and config.json of {AUDIOBOX.repo}"
            ) from error
        self._network = network.to(self._device).eval().requires_grad_(False)

    def rate(self, samples: Float32) -> Aesthetics:
        """As `AestheticsJudge.rate`.

        Raises:
            ValueError: the network gave NaN.
        """
        import torch

        if not len(samples) or np.abs(samples).max() < SILENCE:
            raise NotApplicable("the track is silent")
        if len(samples) < LEAST_LENGTH:
            raise NotApplicable(f"the track is shorter than {LEAST_LENGTH / SAMPLE_RATE} s")
        starts = range(0, len(samples), WINDOW_LENGTH)
        lengths = [min(WINDOW_LENGTH, len(samples) - start) for start in starts]
        sums: dict[str, float] = {}
        for first in range(0, len(lengths), BATCH_SIZE):
            begin = first * WINDOW_LENGTH
            batch = lengths[first : first + BATCH_SIZE]
            windows = np.zeros((len(batch), WINDOW_LENGTH), np.float32)
            heard = samples[begin : begin + windows.size]
            windows.reshape(-1)[: len(heard)] = heard
            counts = torch.tensor(batch, device=self._device)
            with torch.inference_mode():
                ratings = self._network(torch.from_numpy(windows).to(self._device), counts)
            for axis, values in ratings.items():
                sums[axis] = sums.get(axis, 0.0) + float((values * counts).sum())
        means = {axis: total / len(samples) for axis, total in sums.items()}
        if not np.isfinite(list(means.values())).all():
            raise ValueError(f"{self.name} rated {means}; wanted numbers: are its weights damaged?")
        return Aesthetics(**{axis: min(max(mean, LOWEST), HIGHEST) for axis, mean in means.items()})
