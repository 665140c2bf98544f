"""The constant-Q transform: one bin per semitone, C1 to B7, every 46 ms.

Each bin is the product of the signal with a Hann-windowed complex exponential of `Q` periods, so that
neighbouring semitones are resolved alike in every octave. All bins come from one FFT per frame and a
sparse kernel in the frequency domain (Brown & Puckette, "An efficient algorithm for the calculation of
a constant Q transform", 1992). At 11025 Hz the highest bin (3951 Hz) still fits, and the longest window
(0.51 s, C1) into one frame.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import scipy

from audio_assets.features.spectrogram import Float32, spectrum_blocks

SAMPLE_RATE = 11025
"""Rate of the signal the transform takes, Hz."""

FRAME_LENGTH = 8192
HOP_LENGTH = 512
"""At `SAMPLE_RATE`; the same time as 2048 samples at 44100 Hz."""

FRAME_RATE = SAMPLE_RATE / HOP_LENGTH

A4_HZ = 440.0
SEMITONES_C1_TO_A4 = 45
N_BINS = 84
Q = 1 / (2 ** (1 / 12) - 1)

KERNEL_FLOOR = 0.002
"""Kernel values below this share of a bin's largest are left out: -54 dB, and 99 % of all values."""


def constant_q(samples: Float32, a4_hz: float = A4_HZ) -> Float32:
    """Magnitudes of the constant-Q transform; a sinusoid of amplitude 1 on a semitone gives 1.

    Args:
        samples: mono signal at `SAMPLE_RATE`
        a4_hz: frequency of A4; rounded to five cents

    Shape:
        - samples: ``[n]``
        - Output: ``[frames, N_BINS]``, frame ``i`` centred on ``i / FRAME_RATE`` seconds
    """
    kernel = _kernel(round(240 * np.log2(a4_hz / A4_HZ)))
    spectra = spectrum_blocks(samples, FRAME_LENGTH, HOP_LENGTH, window=False)
    blocks = [np.abs(kernel @ spectrum.T).T for spectrum in spectra]
    return np.concatenate(blocks)


@lru_cache(maxsize=21)
def _kernel(tuning_5_cents: int) -> scipy.sparse.csr_array:
    """The conjugate spectra of the bins' windowed exponentials, ``[N_BINS, FRAME_LENGTH // 2 + 1]``."""
    semitones = np.arange(N_BINS) - SEMITONES_C1_TO_A4 + tuning_5_cents / 20
    time = np.arange(FRAME_LENGTH) - FRAME_LENGTH // 2
    rows = []
    for frequency in A4_HZ * 2 ** (semitones / 12) / SAMPLE_RATE:
        half = Q / frequency / 2
        window = np.where(np.abs(time) < half, 1 + np.cos(np.pi * time / half), 0)
        atom = window / window.sum() * np.exp(2j * np.pi * frequency * time)
        row = 2 / FRAME_LENGTH * np.fft.fft(atom)[: FRAME_LENGTH // 2 + 1].conj()
        row[np.abs(row) < KERNEL_FLOOR * np.abs(row).max()] = 0
        rows.append(row)
    return scipy.sparse.csr_array(np.array(rows).astype(np.complex64))
