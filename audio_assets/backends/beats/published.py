"""Beats from Beat This!, a transformer that hears beats and downbeats without any model of tempo.

Foscarin, Schlüter & Widmer, "Beat this! Accurate beat tracking without DBN postprocessing" (ISMIR 2024).
Network and peak picking are the package's own. What stands before them is made here, since the package
takes it from torchaudio: the log-mel spectrogram, and chunks of 30 s.
"""

from __future__ import annotations

import inspect
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audio_assets.audio.signal import Signal
from audio_assets.backends.beats import Beats
from audio_assets.backends.weights import MissingWeightsError, WeightsFile
from audio_assets.resources.accelerator import choose_accelerator

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

FINAL0 = WeightsFile("https://cloud.cp.jku.at/public.php/dav/files/7ik4RrBKTS273gp/final0.ckpt")
"""The main model, trained on all of its authors' data but GTZAN."""

SAMPLE_RATE = 22_050
FRAME_LENGTH = 1024
HOP_LENGTH = 441
FRAME_RATE = SAMPLE_RATE / HOP_LENGTH
"""50 frames per second."""

N_MELS = 128
MEL_RANGE_HZ = (30.0, 11_000.0)
LOG_GAIN = 1000.0

CHUNK_FRAMES = 1500
BORDER_FRAMES = 6
"""Frames at either end of a chunk whose predictions are not used."""

INSTALL = "pip install --no-deps beat-this==1.1.0 rotary-embedding-torch==0.9.1"


class BeatThisBeats:
    """The published network in float32, on a GPU if there is one.

    Args:
        weights: the folder of installed weights.
        device: where to compute.
        checkpoint: as its trainer writes it, of a model of any size.

    Raises:
        ImportError: the package is not installed.
        MissingWeightsError: weights are not to be had, or not of this network.
    """

    name = "beat_this"
    revision = "final0"
    licence = "MIT"
    weights = (FINAL0,)
    packages = (("beat_this", INSTALL),)

    def __init__(self, weights: Path, device: str = "auto", checkpoint: WeightsFile = FINAL0) -> None:
        self._device = choose_accelerator(device).device
        import torch

        try:
            from beat_this.model.beat_tracker import BeatThis
            from beat_this.model.postprocessor import Postprocessor
        except ImportError as error:
            raise ImportError(
                f"beat_this: found no such package, or not all it needs ({error}); wanted: {INSTALL} "
                "(without its dependencies, because torchaudio is not needed here)"
            ) from error
        path = checkpoint.path(weights)
        try:
            read = torch.load(path, map_location="cpu", weights_only=True)
            sizes = read["hyper_parameters"]
            network: Any = BeatThis(
                **{name: sizes[name] for name in inspect.signature(BeatThis).parameters if name in sizes}
            )
            state = read["state_dict"]
            network.load_state_dict({name.removeprefix("model."): state[name] for name in state})
        except (OSError, EOFError, KeyError, TypeError, RuntimeError, pickle.UnpicklingError) as error:
            raise MissingWeightsError(
                f"{path}: found no checkpoint of Beat This! ({type(error).__name__}: "
                f"{str(error).partition(chr(10))[0]}); wanted {FINAL0.url}"
            ) from error
        self._network: Any = network.to(self._device).eval().requires_grad_(False)
        self._pick = Postprocessor(type="minimal", fps=round(FRAME_RATE))

    def beats(self, track: Signal) -> Beats:
        """As `BeatTracker.beats`. Bars may be of any length; before the first one counts backwards.

        Raises:
            ValueError: the network gave NaN.
        """
        import torch

        samples = track.mono(SAMPLE_RATE)
        if len(samples) < FRAME_LENGTH or not samples.any():
            return Beats(np.zeros(0), ())
        logits = self._logits(log_mel(samples))
        if not np.isfinite(logits).all():
            raise ValueError(f"{self.name} gave NaN; wanted numbers: are its weights damaged?")
        times_s, downbeats_s = self._pick(*torch.from_numpy(logits))
        return Beats(times_s.astype(np.float64), bar_positions(times_s, downbeats_s))

    def _logits(self, spectrum: Float32) -> Float32:
        """Of beats and downbeats, ``[2, frames]``; where chunks overlap, the earlier one's."""
        import torch

        n = len(spectrum)
        starts = [*range(-BORDER_FRAMES, n - BORDER_FRAMES, CHUNK_FRAMES - 2 * BORDER_FRAMES)]
        if len(starts) > 1:  # the last one ends with the track, and is whole
            starts[-1] = n + BORDER_FRAMES - CHUNK_FRAMES
        padded = torch.from_numpy(np.pad(spectrum, ((BORDER_FRAMES, BORDER_FRAMES), (0, 0))))
        logits = np.zeros((2, n), np.float32)
        for start in reversed(starts):
            first = start + BORDER_FRAMES
            chunk = padded[first : first + CHUNK_FRAMES].to(self._device)
            with torch.inference_mode():
                found = self._network(chunk[None])
            both = torch.stack([found["beat"][0], found["downbeat"][0]]).float().cpu().numpy()
            inner = both[:, BORDER_FRAMES:-BORDER_FRAMES]
            logits[:, first : first + inner.shape[1]] = inner
        return logits


def log_mel(samples: Float32) -> Float32:
    """The spectrogram that the network reads: ``log(1 + 1000 m)`` of the magnitudes m in mel bands.

    Frames of `FRAME_LENGTH`, Hann, centred with reflected ends, magnitudes over the square root of the
    frame length; triangular bands of height 1, evenly spaced in Slaney's mel.

    Shape:
        - samples: ``[n]`` at `SAMPLE_RATE`, n > FRAME_LENGTH / 2
        - Output: ``[1 + n // HOP_LENGTH, N_MELS]``
    """
    import torch

    spectrum = torch.stft(
        torch.from_numpy(samples.copy()),
        FRAME_LENGTH,
        HOP_LENGTH,
        window=torch.hann_window(FRAME_LENGTH),
        normalized=True,
        return_complex=True,
    )
    bands = spectrum.abs().T @ torch.from_numpy(mel_bands())
    logarithm: Float32 = torch.log1p(LOG_GAIN * bands).numpy()
    return logarithm


def mel_bands() -> Float32:
    """Triangles of height 1 in Slaney's mel, ``[FRAME_LENGTH // 2 + 1, N_MELS]``.

    That scale is linear up to 1 kHz (15 mel), above it 27 mel for each factor of 6.4.
    """
    low, high = (_mel(hz) for hz in MEL_RANGE_HZ)
    mel = np.linspace(low, high, N_MELS + 2)
    edges_hz = np.where(mel < 15, mel * 200 / 3, 1000 * 6.4 ** ((mel - 15) / 27))
    hz = np.linspace(0, SAMPLE_RATE / 2, FRAME_LENGTH // 2 + 1)[:, None]
    rising = (hz - edges_hz[:-2]) / np.diff(edges_hz)[:-1]
    falling = (edges_hz[2:] - hz) / np.diff(edges_hz)[1:]
    bands: Float32 = np.maximum(np.minimum(rising, falling), 0).astype(np.float32)
    return bands


def bar_positions(times_s: Float64, downbeats_s: Float64) -> tuple[int | None, ...]:
    """The position of each beat in its bar, counted from the downbeat before it.

    Beats before the first downbeat are the end of a bar as long as the first whole one; None if they
    are more than that, or if there is no whole bar.

    >>> bar_positions(np.arange(6.0), np.array([1.0, 4.0]))
    (3, 1, 2, 3, 1, 2)
    """
    downbeats = np.flatnonzero(np.isin(times_s, downbeats_s))
    if not downbeats.size:
        return (None,) * len(times_s)
    first = int(downbeats[0])
    length = int(downbeats[1]) - first if downbeats.size > 1 else 0
    upbeats = [length - first + beat + 1 if first < length else None for beat in range(first)]
    beats = np.arange(first, len(times_s))
    counted = beats - downbeats[np.searchsorted(downbeats, beats, side="right") - 1] + 1
    return (*upbeats, *counted.tolist())


def _mel(hz: float) -> float:
    return hz * 3 / 200 if hz < 1000 else 15 + 27 * float(np.log(hz / 1000) / np.log(6.4))
