"""How good detected events and raised warnings are.

Conventions: onsets are [n] seconds, events and alarms [n, 2] start and end in seconds, each of one
recording. Every function returns counts of that recording; counts of recordings add up with `+`, and the
metrics are properties of the sum. What the counts cannot answer is None.

Metrics: event F1 by onset, as in mir_eval.onset and sed_eval; for warnings the share of events
announced, lead time and false alarms per hour, as for the prediction of seizures (Winterhalder et
al., Epilepsy & Behavior, 2003).
"""

from dataclasses import dataclass
from statistics import fmean, median

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class EventCounts:
    """Events in the reference, in the estimate, and pairs of both."""

    n_reference: int = 0
    n_estimated: int = 0
    n_matched: int = 0

    def __add__(self, other: "EventCounts") -> "EventCounts":
        return EventCounts(
            self.n_reference + other.n_reference,
            self.n_estimated + other.n_estimated,
            self.n_matched + other.n_matched,
        )

    @property
    def precision(self) -> float | None:
        """Share of the estimated events that match; None without any."""
        return self.n_matched / self.n_estimated if self.n_estimated else None

    @property
    def recall(self) -> float | None:
        """Share of the reference events that match; None without any."""
        return self.n_matched / self.n_reference if self.n_reference else None

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall; None where there is no event at all."""
        total = self.n_reference + self.n_estimated
        return 2 * self.n_matched / total if total else None


@dataclass(frozen=True)
class WarningCounts:
    """Events, alarms and lead times; see `match_warnings`."""

    n_events: int = 0
    n_false_alarms: int = 0
    n_late_alarms: int = 0
    duration_s: float = 0.0
    lead_s: tuple[float, ...] = ()

    def __add__(self, other: "WarningCounts") -> "WarningCounts":
        return WarningCounts(
            self.n_events + other.n_events,
            self.n_false_alarms + other.n_false_alarms,
            self.n_late_alarms + other.n_late_alarms,
            self.duration_s + other.duration_s,
            self.lead_s + other.lead_s,
        )

    @property
    def recall(self) -> float | None:
        """Share of the events announced before they began; None without events."""
        return len(self.lead_s) / self.n_events if self.n_events else None

    @property
    def false_alarms_per_hour(self) -> float | None:
        """False alarms per hour of audio; None without audio."""
        return self.n_false_alarms / (self.duration_s / 3600) if self.duration_s else None

    @property
    def mean_lead_s(self) -> float | None:
        """Mean time from a warning to its event; None if none was announced."""
        return fmean(self.lead_s) if self.lead_s else None

    @property
    def median_lead_s(self) -> float | None:
        """Median time from a warning to its event; None if none was announced."""
        return median(self.lead_s) if self.lead_s else None


def match_onsets(
    reference_s: npt.ArrayLike, estimated_s: npt.ArrayLike, tolerance_s: float = 0.5
) -> EventCounts:
    """Pair as many onsets as possible that lie within the tolerance, each used once.

    On a line with one tolerance, pairing the two earliest that fit is optimal: giving either of
    them to a later onset can only leave less for the rest.

    Args:
        reference_s: [n] true onsets of a recording, in any order.
        estimated_s: [m] estimated onsets.
        tolerance_s: largest distance of a pair, inclusive.
    """
    reference = np.sort(np.asarray(reference_s, dtype=np.float64))
    estimated = np.sort(np.asarray(estimated_s, dtype=np.float64))
    i = j = matched = 0
    while i < len(reference) and j < len(estimated):
        distance_s = estimated[j] - reference[i]
        if abs(distance_s) <= tolerance_s:
            matched += 1
        # The one that lies too early has no partner left: all others are later still.
        i += int(distance_s >= -tolerance_s)
        j += int(distance_s <= tolerance_s)
    return EventCounts(len(reference), len(estimated), matched)


def match_warnings(
    events: npt.ArrayLike, alarms: npt.ArrayLike, *, horizon_s: float, duration_s: float
) -> WarningCounts:
    """What alarms say about events that begin within the horizon.

    An alarm announces an event if the alarm is on at some moment of the `horizon_s` before it; the
    lead time counts from the first such moment, so it lies in (0, horizon_s]. An alarm that
    announces nothing is late if it is on during an event, false otherwise.

    Args:
        events: [n, 2] true events of a recording, not overlapping.
        alarms: [m, 2] events of the look-ahead probabilities.
        horizon_s: how far ahead alarms look, seconds.
        duration_s: length of the recording.
    """
    start, end = np.asarray(events, dtype=np.float64).reshape(-1, 2).T
    begin, stop = np.asarray(alarms, dtype=np.float64).reshape(-1, 2).T
    # [alarms, events]; both intervals are half open, so touching is not overlapping.
    announces = (begin[:, None] < start) & (stop[:, None] > start - horizon_s)
    during = (begin[:, None] < end) & (stop[:, None] > start)
    lead_s = np.where(announces, np.minimum(start - begin[:, None], horizon_s), 0).max(axis=0, initial=0)
    idle = ~announces.any(axis=1)
    late = idle & during.any(axis=1)
    return WarningCounts(
        n_events=len(start),
        n_false_alarms=int((idle & ~late).sum()),
        n_late_alarms=int(late.sum()),
        duration_s=duration_s,
        lead_s=tuple(lead_s[lead_s > 0].tolist()),
    )
