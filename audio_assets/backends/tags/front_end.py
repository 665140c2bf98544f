"""Patches of log mel bands as the published models were trained on, from 16 kHz mono.

The same numbers as Essentia's FrameCutter (the first frame centred on sample 0) and the algorithm named
after the family of models, for all frames at once: the bank of mel filters is Essentia's own, read from
`MelBands` band by band. Patches are runs of consecutive frames, and frames after the last whole patch are
left out, as in Essentia's TensorflowPredict algorithms.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import scipy
from numpy.typing import NDArray

from audio_assets.backends.tags import SAMPLE_RATE

Float32 = NDArray[np.float32]

FFT_LENGTH = 512
BLOCK_FRAMES = 4096
"""Frames that are transformed at a time, so that spectra take 20 MB whatever the length of the track."""


@dataclass(frozen=True)
class MelBank:
    """Parameters of Essentia's MelBands, in hertz; `magnitude` filters magnitudes rather than powers."""

    bands: int
    low_hz: float
    high_hz: float
    warping: str
    weighting: str
    normalisation: str
    magnitude: bool


@dataclass(frozen=True)
class FrontEnd:
    """How a family of models hears: frames in samples, patches in frames.

    A band of energy ``e`` becomes ``log(scale * e + offset)``, to the base ten if `base_ten`.
    """

    frame_length: int
    hop_length: int
    bank: MelBank
    scale: float
    offset: float
    base_ten: bool
    patch_length: int
    patch_hop: int

    @property
    def bands(self) -> int:
        """Number of mel bands."""
        return self.bank.bands

    @property
    def least_s(self) -> float:
        """Length that gives one patch."""
        return ((self.patch_length - 1) * self.hop_length - self.frame_length / 2) / SAMPLE_RATE

    def patches(self, samples: Float32) -> Float32:
        """Patches ``[N, patch_length, bands]`` of samples ``[n]``, a read-only view that overlaps itself."""
        frames = self.frames(samples)
        if len(frames) < self.patch_length:
            return np.empty((0, self.patch_length, self.bands), np.float32)
        windows = np.lib.stride_tricks.sliding_window_view(frames, self.patch_length, axis=0)
        patches: Float32 = windows[:: self.patch_hop].transpose(0, 2, 1)
        return patches

    def frames(self, samples: Float32) -> Float32:
        """Log mel bands ``[frames, bands]``; a frame is centred on every `hop_length` samples."""
        half = self.frame_length // 2
        count = -(-(len(samples) + half) // self.hop_length)
        padded = np.pad(samples, (half, self.frame_length + self.hop_length))
        cut = np.lib.stride_tricks.sliding_window_view(padded, self.frame_length)[:: self.hop_length]
        window = np.hanning(self.frame_length).astype(np.float32)
        filters = mel_filters(self.bank)
        logarithm = np.log10 if self.base_ten else np.log
        found = np.empty((count, self.bands), np.float32)
        for start in range(0, count, BLOCK_FRAMES):
            block = slice(start, min(start + BLOCK_FRAMES, count))
            spectra = np.abs(scipy.fft.rfft(cut[block] * window, FFT_LENGTH))
            energies = (spectra if self.bank.magnitude else spectra**2) @ filters
            logarithm(self.scale * energies + self.offset, out=found[block])
        return found


@cache
def mel_filters(bank: MelBank) -> Float32:
    """The filters ``[FFT_LENGTH / 2 + 1, bands]`` that Essentia's MelBands applies."""
    import essentia.standard

    bins = FFT_LENGTH // 2 + 1
    algorithm = essentia.standard.MelBands(
        inputSize=bins,
        numberBands=bank.bands,
        sampleRate=SAMPLE_RATE,
        lowFrequencyBound=bank.low_hz,
        highFrequencyBound=bank.high_hz,
        warpingFormula=bank.warping,
        weighting=bank.weighting,
        normalize=bank.normalisation,
        type="magnitude" if bank.magnitude else "power",
        log=False,
    )
    return np.stack([algorithm(unit) for unit in np.eye(bins, dtype=np.float32)]).astype(np.float32)


MUSICNN = FrontEnd(
    frame_length=512,
    hop_length=256,
    bank=MelBank(96, 0.0, 8000.0, "slaneyMel", "linear", "unit_tri", magnitude=False),
    scale=10_000.0,
    offset=1.0,
    base_ten=True,
    patch_length=128,
    patch_hop=62,
)
"""Essentia's TensorflowInputMusiCNN."""

VGGISH = FrontEnd(
    frame_length=400,
    hop_length=160,
    bank=MelBank(64, 125.0, 7500.0, "htkMel", "warping", "unit_max", magnitude=True),
    scale=1.0,
    offset=0.01,
    base_ten=False,
    patch_length=96,
    patch_hop=93,
)
"""Essentia's TensorflowInputVGGish."""
