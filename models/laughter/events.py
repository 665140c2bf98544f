"""Frame probabilities to laughs, and laughs to a label track.

Conventions: frame ``i`` spans ``[i / 12.5, (i + 1) / 12.5)`` seconds.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.laughter.labels import FRAME_RATE_HZ


@dataclass(frozen=True)
class LaughEvent:
    """One laugh, in seconds; `confidence` is the highest probability of its frames."""

    start_s: float
    end_s: float
    confidence: float


def find_events(
    probabilities: npt.ArrayLike,
    threshold: float,
    *,
    min_gap_s: float = 0.0,
    min_duration_s: float = 0.0,
    frame_rate_hz: float = FRAME_RATE_HZ,
) -> list[LaughEvent]:
    """Runs of frames that reach the threshold.

    Args:
        probabilities: [n] of an episode, in order.
        threshold: lowest probability of a laugh.
        min_gap_s: laughs closer together than this are one; done first.
        min_duration_s: laughs shorter than this are dropped; done second.
        frame_rate_hz: frames per second.

    Raises:
        ValueError: a probability that is not finite.

    >>> find_events([0.1, 0.9, 0.8, 0.2], 0.5)
    [LaughEvent(start_s=0.08, end_s=0.24, confidence=0.9)]
    """
    p = np.asarray(probabilities, dtype=np.float64)
    if not np.isfinite(p).all():
        raise ValueError(f"probability of frame {np.flatnonzero(~np.isfinite(p))[0]} is not finite")
    edges = np.diff(np.r_[0, p >= threshold, 0])
    start, end = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    # Compared in rounded frames: 0.24 s must be 3 frames, which 0.24 * 12.5 need not be.
    min_gap, min_duration = np.round(np.array([min_gap_s, min_duration_s]) * frame_rate_hz, 6)
    apart = start[1:] - end[:-1] >= min_gap
    start, end = start[np.r_[True, apart][: len(start)]], end[np.r_[apart, True][: len(end)]]
    kept = end - start >= min_duration
    return [
        LaughEvent(s / frame_rate_hz, e / frame_rate_hz, float(p[s:e].max()))
        for s, e in zip(start[kept].tolist(), end[kept].tolist(), strict=True)
    ]


def audacity_labels(events: Iterable[LaughEvent], label: str = "laughter") -> str:
    """An Audacity label track: a line of start, end and label per event, separated by tabs.

    >>> audacity_labels([LaughEvent(0.08, 0.24, 0.9)])
    '0.080000\\t0.240000\\tlaughter\\n'
    """
    return "".join(f"{event.start_s:.6f}\t{event.end_s:.6f}\t{label}\n" for event in events)
