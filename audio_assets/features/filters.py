"""Recursive filters, in 64 bits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from audio_assets.features.spectrogram import Float32

Float64 = NDArray[np.float64]

IMPULSE, IMPULSE_EVERY = 1e-30, 64
"""Impulses at -600 dB that are added to the input: a filter's decay in digital silence would end in
denormal numbers, which are ten times as slow."""


def filter_sections(sections: Float64, samples: Float32, state: Float64) -> tuple[Float64, Float64]:
    """Filter along the last axis by second-order sections; the filtered samples and the state after.

    Shape:
        - sections: ``[sections, 6]``
        - samples: ``[..., n]``
        - state: ``[sections, ..., 2]``, zeros at the start
    """
    from scipy.signal import sosfilt

    kept_alive = samples.astype(np.float64)
    kept_alive[..., ::IMPULSE_EVERY] += IMPULSE
    filtered, state = sosfilt(sections, kept_alive, zi=state)
    return filtered, state
