"""Speaker turns, and who has the floor in between.

Times are seconds from the start of the episode. Turns of different speakers may overlap. A speaker
has the floor during each of their turns and in the pauses around it, up to the middle of a pause that
another speaker ends: so every moment belongs to someone, and a laugh between two turns to the nearer.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Source = Literal["imported", "channels", "clusters"]
Spans = NDArray[np.float64]

_SPEAKER_LABEL = re.compile(r"speaker[\s:_-]+(?P<name>\S.*)", re.IGNORECASE)


@dataclass(frozen=True)
class Turn:
    """`speaker` speaks from `start_s` to `end_s`.

    `source`: ``imported`` from annotations, found in the ``channels`` of a recording with one speaker
    on each, or by ``clusters`` of what the voices sound like.
    """

    start_s: float
    end_s: float
    speaker: str
    source: Source


def turns_of(rows: Sequence[Mapping[str, Any]]) -> list[Turn]:
    """The turns of a table's rows, in order of time."""
    turns = [Turn(r["start_s"], r["end_s"], r["speaker"], r["source"]) for r in rows]
    return sorted(turns, key=lambda turn: (turn.start_s, turn.end_s, turn.speaker))


def imported_turns(annotations: Sequence[Mapping[str, Any]]) -> list[Turn]:
    """The turns among annotations: those whose label is ``speaker:NAME``, ``Speaker NAME`` or alike.

    >>> imported_turns([{"start_s": 1.0, "end_s": 2.5, "label": "speaker: Vera"}])
    [Turn(start_s=1.0, end_s=2.5, speaker='Vera', source='imported')]
    """
    named = [(row, _SPEAKER_LABEL.fullmatch(row["label"].strip())) for row in annotations]
    turns = [
        Turn(row["start_s"], row["end_s"], match["name"].strip(), "imported")
        for row, match in named
        if match and row["end_s"] > row["start_s"]
    ]
    return sorted(turns, key=lambda turn: (turn.start_s, turn.end_s, turn.speaker))


def main_speakers(turns: Sequence[Turn], count: int = 2) -> list[str]:
    """The speakers who speak longest, longest first; by name where they speak equally long."""
    spoken_s: dict[str, float] = defaultdict(float)
    for turn in turns:
        spoken_s[turn.speaker] += turn.end_s - turn.start_s
    return sorted(spoken_s, key=lambda speaker: (-spoken_s[speaker], speaker))[:count]


def floor(turns: Sequence[Turn], speakers: Sequence[str]) -> dict[str, Spans]:
    """When each of `speakers` has the floor.

    Turns of others than `speakers` count as pauses. Together the spans cover all time.

    Returns:
        For each speaker [n, 2] float64, start and end in order, apart from one another; the first
        start is minus infinity, the last end infinity.
    """
    spans: dict[str, list[list[float]]] = {speaker: [] for speaker in speakers}
    latest: list[float] | None = None
    for turn in sorted(turns, key=lambda turn: (turn.start_s, turn.end_s)):
        if turn.speaker not in spans:
            continue
        span = [turn.start_s, turn.end_s]
        if latest is None:
            span[0] = -math.inf
        elif turn.start_s > latest[1]:
            span[0] = latest[1] = (latest[1] + turn.start_s) / 2
        spans[turn.speaker].append(span)
        if latest is None or span[1] > latest[1]:
            latest = span
    if latest is not None:
        latest[1] = math.inf
    return {speaker: _merged(listed) for speaker, listed in spans.items()}


def held_s(spans: Spans, start_s: float, end_s: float) -> float:
    """For how long `spans` hold within ``[start_s, end_s]``."""
    inside = np.minimum(spans[:, 1], end_s) - np.maximum(spans[:, 0], start_s)
    return float(np.maximum(inside, 0).sum())


def _merged(spans: Sequence[Sequence[float]]) -> Spans:
    merged: list[list[float]] = []
    for start_s, end_s in spans:
        if merged and start_s <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end_s)
        else:
            merged.append([start_s, end_s])
    return np.array(merged, dtype=np.float64).reshape(-1, 2)
