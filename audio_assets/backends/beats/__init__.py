"""Beats: when they sound, and where in its bar each one is. Times are seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from audio_assets.audio.signal import Signal
from audio_assets.engine.declare.roles import Role

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Beats:
    """The beats of a track, none or many.

    Shape:
        - times_s: ``[beats]``, increasing
        - positions: one for each beat: 1 is the downbeat; None where the bar is not known
    """

    times_s: Float64
    positions: tuple[int | None, ...]


class BeatTracker(Protocol):
    """What plays the role `beats`."""

    name: str

    def beats(self, track: Signal) -> Beats:
        """The beats of a track."""
        ...


BEATS_ROLE = Role(
    "beats",
    {
        "embedded": "audio_assets.backends.beats.embedded:EssentiaBeats",
        "published": "audio_assets.backends.beats.published:BeatThisBeats",
    },
)
