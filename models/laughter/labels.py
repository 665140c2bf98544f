"""Frame targets from laughter events.

Conventions: a time ``t`` lies in frame ``floor(t * 12.5)``. An event covers the frames ``[s, e)``
where ``s`` and ``e`` are the frames of its start and its end, so one that begins and ends within a
frame covers none. Overlapping and touching events are one laugh; what lies past the last frame does
not exist.
"""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

FRAME_RATE_HZ = 12.5

LabelKind = Literal["detection", "shifted", "onset"]
Events = Sequence[tuple[float, float]] | npt.NDArray[np.float64]


def frame_index(time_s: npt.ArrayLike, frame_rate_hz: float = FRAME_RATE_HZ) -> npt.NDArray[np.int64]:
    """The frame each time lies in, ``floor(t * frame_rate_hz)``.

    Products are rounded to a millionth of a frame first: 29 / 12.5 * 12.5 is just under 29 in
    floating point, and must be frame 29.
    """
    frames = np.asarray(time_s, dtype=np.float64) * frame_rate_hz
    return np.floor(np.round(frames, 6)).astype(np.int64)


def merge_events(events: Events, duration_s: float | None = None) -> npt.NDArray[np.float64]:
    """Events in order of time, clipped to the episode, overlapping and touching ones merged.

    Args:
        events: [n, 2], start and end of each in seconds, in any order.
        duration_s: length of the episode; what lies past it is cut off. None: nothing is.

    Returns:
        [m, 2] float64, m <= n.

    Raises:
        ValueError: an event that is not finite, starts before 0 or ends before it starts.
    """
    spans = np.asarray(events, dtype=np.float64).reshape(-1, 2)
    wrong = ~np.isfinite(spans).all(axis=1) | (spans[:, 0] < 0) | (spans[:, 1] < spans[:, 0])
    if wrong.any():
        index = int(np.flatnonzero(wrong)[0])
        start_s, end_s = spans[index]
        raise ValueError(
            f"event {index} runs from {start_s:g} s to {end_s:g} s; wanted 0 <= start <= end, "
            f"both finite ({int(wrong.sum())} of {len(spans)} events are wrong): correct or drop it"
        )
    if duration_s is not None:
        spans = np.minimum(spans[spans[:, 0] < duration_s], duration_s)
    if not len(spans):
        return spans
    spans = spans[np.argsort(spans[:, 0], kind="stable")]
    latest_end_s = np.maximum.accumulate(spans[:, 1])
    first = np.flatnonzero(np.r_[True, spans[1:, 0] > latest_end_s[:-1]])
    return np.stack([spans[first, 0], np.maximum.reduceat(spans[:, 1], first)], axis=1)


def frame_labels(
    events: Events,
    n_frames: int,
    *,
    kind: LabelKind = "detection",
    lookahead_frames: int = 0,
    frame_rate_hz: float = FRAME_RATE_HZ,
) -> npt.NDArray[np.float32]:
    """1 where the answer is laughter, else 0.

    With ``s`` and ``e`` the frames of an event's start and end and ``n`` the look-ahead, the
    positive frames are

    - ``detection``: ``[s, e)``, is there laughter now;
    - ``shifted``: ``[s - n, e - n)``, is there laughter n frames from now;
    - ``onset``: ``[s - n, s)``, does laughter begin within the next n frames.

    Args:
        events: [n, 2], start and end in seconds.
        n_frames: frames of the episode.
        kind: which question the labels answer.
        lookahead_frames: n; 0 for detection, at least 1 for onset.
        frame_rate_hz: frames per second.

    Returns:
        [n_frames] float32, 0 or 1.

    Raises:
        ValueError: see `merge_events`; an unknown kind or a look-ahead that does not suit it.

    >>> frame_labels([(0.4, 0.56)], 8)
    array([0., 0., 0., 0., 0., 1., 1., 0.], dtype=float32)
    >>> frame_labels([(0.4, 0.56)], 8, kind="onset", lookahead_frames=3)
    array([0., 0., 1., 1., 1., 0., 0., 0.], dtype=float32)
    """
    if kind not in get_args(LabelKind):
        raise ValueError(f"label kind is {kind!r}; wanted one of {', '.join(get_args(LabelKind))}")
    fewest = 1 if kind == "onset" else 0
    if lookahead_frames < fewest or (kind == "detection" and lookahead_frames):
        wanted = "0" if kind == "detection" else f"at least {fewest}"
        raise ValueError(f"look-ahead of {kind} labels is {lookahead_frames} frames; wanted {wanted}")
    start, end = _event_frames(events, n_frames, frame_rate_hz)
    begin = np.clip(start - lookahead_frames, 0, n_frames)
    end = np.clip(start if kind == "onset" else end - lookahead_frames, 0, n_frames)
    # Difference array: +1 where an event begins, -1 where it ends; inside any event the sum is > 0.
    edges = np.zeros(n_frames + 1, dtype=np.int64)
    np.add.at(edges, begin, 1)
    np.add.at(edges, end, -1)
    return (np.cumsum(edges[:-1]) > 0).astype(np.float32)


def time_to_laugh(
    events: Events,
    n_frames: int,
    *,
    cap_s: float,
    frame_rate_hz: float = FRAME_RATE_HZ,
) -> npt.NDArray[np.float32]:
    """Seconds from each frame to the frame in which the next laugh begins.

    0 while laughing, `cap_s` where none begins within that time or none follows at all.

    Args:
        events: [n, 2], start and end in seconds.
        n_frames: frames of the episode.
        cap_s: the longest time told apart, > 0.
        frame_rate_hz: frames per second.

    Returns:
        [n_frames] float32 in [0, cap_s].

    Raises:
        ValueError: see `merge_events`; a cap that is not positive.
    """
    if not cap_s > 0:
        raise ValueError(f"cap is {cap_s} s; wanted more than 0 s")
    start, end = _event_frames(events, n_frames, frame_rate_hz)
    frames = np.arange(n_frames)
    upcoming = np.searchsorted(start, frames)
    # An onset out of reach stands in where no laugh follows, so that the cap applies to it.
    out_of_reach = n_frames + int(np.ceil(cap_s * frame_rate_hz))
    wait_s = (np.r_[start, out_of_reach][upcoming] - frames) / frame_rate_hz
    if len(start):
        latest = np.maximum(np.searchsorted(start, frames, side="right") - 1, 0)
        wait_s[(start[latest] <= frames) & (frames < end[latest])] = 0
    capped_s: npt.NDArray[np.float32] = np.minimum(wait_s, cap_s).astype(np.float32)
    return capped_s


def _event_frames(
    events: Events, n_frames: int, frame_rate_hz: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """First frame and frame past the last of each laugh, in order, within the episode."""
    spans = frame_index(merge_events(events, n_frames / frame_rate_hz), frame_rate_hz)
    return spans[:, 0], spans[:, 1]
