"""Crops of a track: where to cut it for training, and what a crop is as a signal.

A crop starts and ends on the coarsest grid that the track has: downbeats, else beats, else plain time
(`Cut`). It ends on the grid's point nearest to the wanted length and differs from that by at most a
quarter; where a gap in the grid makes that impossible, nothing is cut. What is left before the first
point and after the last crop is in none. A track that is no longer than one crop is one crop, whole.

`CropSignal` hears a crop as part of its track: frames, onsets, pitch classes and tuning are cut out of
the track's own analyses (`features.shared`). They are computed once for all crops, a sound that goes on
across a cut has no onset there, and frames at the edges see what sounds around them (23 ms, those of
pitch 0.37 s). Times are seconds, in a `CropSignal` from its own start.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from audio_assets.audio.downmix import Samples
from audio_assets.audio.signal import Signal
from audio_assets.features import constant_q, frames, shared
from audio_assets.features.frames import Frames
from audio_assets.features.hpcp import PitchClasses
from audio_assets.features.onsets import Onsets

Float64 = NDArray[np.float64]
P = ParamSpec("P")
Result = TypeVar("Result")

TOLERANCE = 0.25
"""A crop differs from the wanted length by at most this share of it."""

FEWEST_POINTS = 2

ATTACK_S = 0.03
"""An onset up to this long before a cut is that of the beat it was cut on."""


class Cut(StrEnum):
    """What a crop starts and ends on."""

    DOWNBEATS = "downbeats"
    BEATS = "beats"
    TIME = "time"
    WHOLE = "whole"
    """The track is no longer than one crop."""


@dataclass(frozen=True)
class Crop:
    """A stretch of a track, ``start_s`` to ``end_s``."""

    start_s: float
    end_s: float
    cut_on: Cut

    @property
    def duration_s(self) -> float:
        """Its length."""
        return self.end_s - self.start_s


def cut_crops(
    duration_s: float, beats_s: Float64, downbeats_s: Float64, length_s: float, overlap: float = 0.0
) -> list[Crop]:
    """Cut a track of `duration_s` into crops of about `length_s`, in order of time; at least one.

    A grid is taken if its median step fits into `length_s` twice and it holds one crop at least. `overlap` is
    the share of a crop that the next one repeats, to the nearest point of the grid.

    Shape:
        - beats_s, downbeats_s: ``[n]``, increasing

    Raises:
        ValueError: `length_s` is not positive, or `overlap` not in 0..1, 1 excluded.

    >>> [(c.start_s, c.end_s) for c in cut_crops(7.0, np.zeros(0), np.arange(0.5, 7, 2), 4.0)]
    [(0.5, 4.5)]
    """
    if not length_s > 0 or not 0 <= overlap < 1:
        raise ValueError(
            f"found length_s {length_s:g} and overlap {overlap:g}; wanted a length above 0 and an overlap "
            "from 0 to below 1"
        )
    if duration_s <= length_s:
        return [Crop(0.0, duration_s, Cut.WHOLE)]
    for cut_on, points_s in ((Cut.DOWNBEATS, downbeats_s), (Cut.BEATS, beats_s)):
        crops = _cut_on_grid(_completed(points_s, duration_s), length_s, overlap, cut_on)
        if crops:
            return crops
    count = int((duration_s - length_s) / (length_s * (1 - overlap)) + 1e-9) + 1
    starts_s = np.arange(count) * length_s * (1 - overlap)
    return [Crop(start_s, start_s + length_s, Cut.TIME) for start_s in starts_s.tolist()]


def _completed(points_s: Float64, duration_s: float) -> Float64:
    """The grid with the end of its last bar or beat, where the track lasts that long."""
    if len(points_s) < FEWEST_POINTS:
        return points_s
    end_s = points_s[-1] + np.median(np.diff(points_s))
    return np.append(points_s, end_s) if end_s <= duration_s else points_s


def _cut_on_grid(points_s: Float64, length_s: float, overlap: float, cut_on: Cut) -> list[Crop]:
    if len(points_s) < FEWEST_POINTS or np.median(np.diff(points_s)) > length_s / 2:
        return []
    crops = []
    start = 0
    while start < len(points_s) - 1:
        end = _nearest(points_s, points_s[start] + length_s, start + 1)
        if abs(points_s[end] - points_s[start] - length_s) > TOLERANCE * length_s:
            start += 1
            continue
        crops.append(Crop(float(points_s[start]), float(points_s[end]), cut_on))
        start = _nearest(points_s, points_s[end] - overlap * length_s, start + 1)
    return crops


def _nearest(points_s: Float64, time_s: float, first: int) -> int:
    """Index of the point nearest to a time, `first` or later."""
    return first + int(np.abs(points_s[first:] - time_s).argmin())


class CropSignal(Signal):
    """A crop as a signal that the functions of `assets.features` take like any other."""

    _track: Signal
    _crop: Crop

    @classmethod
    def of(cls, track: Signal, crop: Crop) -> Self:
        """`crop` of `track`."""
        signal = cls.from_array(_slice(track.samples, crop, track.sample_rate), track.sample_rate)
        signal._track, signal._crop = track, crop
        return signal

    def mono(self, rate: int | None = None) -> Samples:
        """As `Signal.mono`, cut from the track's."""
        return _slice(self._track.mono(rate), self._crop, rate or self.sample_rate)

    def stereo(self, rate: int | None = None) -> Samples:
        """As `Signal.stereo`, cut from the track's."""
        return _slice(self._track.stereo(rate), self._crop, rate or self.sample_rate)

    def once(
        self,
        function: Callable[Concatenate[Signal, P], Result],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Result:
        """As `Signal.once`; the analyses in `CUTTERS` are cut from the track's."""
        cutter = CUTTERS.get(function)
        if cutter is None:
            return super().once(function, *args, **kwargs)
        result: Result = cutter(self._track.once(function, *args, **kwargs), self._crop)
        return result


def _slice(samples: Samples, crop: Crop, rate: int) -> Samples:
    return samples[..., round(crop.start_s * rate) : round(crop.end_s * rate)]


def _cut_rows(values: Samples, crop: Crop, rate_hz: float) -> Samples:
    """The rows whose frames are centred in the crop."""
    first, last = (int(np.ceil(time_s * rate_hz - 1e-6)) for time_s in (crop.start_s, crop.end_s))
    return values[first:last]


def _cut_frames(described: Frames, crop: Crop) -> Frames:
    return Frames(*(_cut_rows(values, crop, frames.FRAME_RATE) for values in vars(described).values()))


def _cut_onsets(onsets: Onsets, crop: Crop) -> Onsets:
    inside = is_within(onsets.times_s + ATTACK_S, crop)
    return Onsets(np.maximum(onsets.times_s[inside] - crop.start_s, 0), onsets.strengths[inside])


def _cut_pitch_classes(found: PitchClasses, crop: Crop) -> PitchClasses:
    return PitchClasses(found.a4_hz, _cut_rows(found.hpcp, crop, constant_q.FRAME_RATE))


def _cut_magnitudes(magnitudes: Samples, crop: Crop) -> Samples:
    return _cut_rows(magnitudes, crop, constant_q.FRAME_RATE)


def is_within(times_s: Float64 | Sequence[float], crop: Crop) -> NDArray[np.bool_]:
    """Which times lie in a crop; its end does not.

    Shape:
        - times_s: ``[n]``
        - Output: ``[n]``
    """
    times = np.asarray(times_s, float)
    return (times >= crop.start_s - 1e-6) & (times < crop.end_s - 1e-6)


CUTTERS: Mapping[Hashable, Callable[[Any, Crop], Any]] = {
    shared.frames: _cut_frames,
    shared.detected_onsets: _cut_onsets,
    shared.pitch_classes: _cut_pitch_classes,
    shared.constant_q_magnitudes: _cut_magnitudes,
}
"""How the analyses that are shared are cut; times are then those of the crop."""
