"""Channel layouts and the down-mix to stereo.

Channels are named as in WAVE_FORMAT_EXTENSIBLE and FFmpeg: `FL` front left, `FR`, `FC` centre,
`LFE`, `BL` back left, `BR`, `BC`, `SL` side left, `SR`. The gains are those of ITU-R BS.775
for 3/2 and 3/1 to 2/0: centre and surrounds at -3 dB, a single back centre at -6 dB, LFE left out.
They are not normalised: a stereo recording stays as it is, and a loud surround mix may exceed ±1.0.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
"""float32, `[channels, n]` or `[n]`, full scale at ±1.0."""

_LAYOUTS: dict[int, tuple[str, ...]] = {
    1: ("FC",),
    2: ("FL", "FR"),
    3: ("FL", "FR", "FC"),
    4: ("FL", "FR", "BL", "BR"),
    5: ("FL", "FR", "FC", "BL", "BR"),
    6: ("FL", "FR", "FC", "LFE", "BL", "BR"),
    7: ("FL", "FR", "FC", "LFE", "BC", "SL", "SR"),
    8: ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"),
}

_HALF_POWER = math.sqrt(0.5)

_GAINS: dict[str, tuple[float, float]] = {
    "FL": (1.0, 0.0),
    "FR": (0.0, 1.0),
    "FC": (_HALF_POWER, _HALF_POWER),
    "LFE": (0.0, 0.0),
    "BL": (_HALF_POWER, 0.0),
    "BR": (0.0, _HALF_POWER),
    "BC": (0.5, 0.5),
    "SL": (_HALF_POWER, 0.0),
    "SR": (0.0, _HALF_POWER),
}


def default_layout(channels: int) -> tuple[str, ...]:
    """The layout of that many channels where a file names none, in the order of WAV and FLAC.

    Past 8 channels there is no usual one: they are called `C0`, `C1`, ….
    """
    return _LAYOUTS.get(channels) or tuple(f"C{index}" for index in range(channels))


def to_stereo(samples: Samples, layout: tuple[str, ...]) -> Samples:
    """`[channels, n]` → `[2, n]`: mono duplicated, two channels as they are, more down-mixed.

    Raises:
        ValueError: a channel of `layout` has no place in the down-mix.
    """
    if len(layout) == 1:
        return np.repeat(samples, 2, axis=0)
    if len(layout) == 2:
        return samples
    unknown = [name for name in layout if name not in _GAINS]
    if unknown:
        raise ValueError(
            f"no stereo down-mix for channel {unknown[0]} of layout {'+'.join(layout)}; "
            f"known are {', '.join(_GAINS)}: mix it to stereo first"
        )
    gains = np.array([_GAINS[name] for name in layout], dtype=np.float32)
    return gains.T @ samples
