"""Speaker turns, and when each speaker has the floor.

Times are seconds from the start of the episode. Turns of different speakers may overlap. A speaker
has the floor unless another main speaker has a turn and they have none: in their own turns, and in
pauses, since turns do not say who laughs or sighs in a pause.
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
    on each, or by ``clusters`` of what the voices sound like. `channel` is the speaker's own channel,
    None where voices are mixed.
    """

    start_s: float
    end_s: float
    speaker: str
    source: Source
    channel: int | None = None


def turns_of(rows: Sequence[Mapping[str, Any]]) -> list[Turn]:
    """The turns of a table's rows, in order of time."""
    turns = [Turn(**row) for row in rows]
    return sorted(turns, key=lambda turn: (turn.start_s, turn.end_s, turn.speaker))


def imported_turns(annotations: Sequence[Mapping[str, Any]]) -> list[Turn]:
    """The turns among annotations: those whose label is ``speaker:NAME``, ``Speaker NAME`` or alike.

    >>> imported_turns([{"start_s": 1.0, "end_s": 2.5, "label": "speaker: Vera"}])
    [Turn(start_s=1.0, end_s=2.5, speaker='Vera', source='imported', channel=None)]
    """
    turns = [
        Turn(row["start_s"], row["end_s"], speaker, "imported")
        for row in annotations
        if (speaker := named_speaker(row["label"])) is not None and row["end_s"] > row["start_s"]
    ]
    return sorted(turns, key=lambda turn: (turn.start_s, turn.end_s, turn.speaker))


def named_speaker(label: str) -> str | None:
    """The speaker whom the label of a turn names; None for the label of an event.

    >>> named_speaker("Speaker_00"), named_speaker("laughter")
    ('00', None)
    """
    match = _SPEAKER_LABEL.fullmatch(label.strip())
    return match["name"].strip() if match else None


def main_speakers(turns: Sequence[Turn], count: int = 2) -> list[str]:
    """The speakers who speak longest, longest first; by name where they speak equally long."""
    spoken_s: dict[str, float] = defaultdict(float)
    for turn in turns:
        spoken_s[turn.speaker] += turn.end_s - turn.start_s
    return sorted(spoken_s, key=lambda speaker: (-spoken_s[speaker], speaker))[:count]


def own_channels(turns: Sequence[Turn], speakers: Sequence[str]) -> list[int] | None:
    """The channel of each of `speakers`; None unless each has one for themselves."""
    channel_of = {turn.speaker: turn.channel for turn in turns}
    channels = [channel for speaker in speakers if (channel := channel_of[speaker]) is not None]
    return channels if len(set(channels)) == len(speakers) else None


def floor(turns: Sequence[Turn], speakers: Sequence[str]) -> dict[str, Spans]:
    """When each of `speakers` has the floor; turns of others count as pauses.

    Returns:
        For each speaker [n, 2] float64, start and end in order, apart from one another, from minus
        infinity to infinity.
    """
    own = {
        speaker: _union([(t.start_s, t.end_s) for t in turns if t.speaker == speaker]) for speaker in speakers
    }
    floors = {}
    for speaker in speakers:
        others = _union(np.concatenate([np.empty((0, 2)), *(own[o] for o in speakers if o != speaker)]))
        floors[speaker] = _union(np.concatenate([own[speaker], _complement(others)]))
    return floors


def held_s(spans: Spans, start_s: float, end_s: float) -> float:
    """For how long `spans` hold within ``[start_s, end_s]``."""
    inside = np.minimum(spans[:, 1], end_s) - np.maximum(spans[:, 0], start_s)
    return float(np.maximum(inside, 0).sum())


def _union(spans: Sequence[tuple[float, float]] | Spans) -> Spans:
    """Spans in order, those that overlap or touch as one."""
    merged: list[list[float]] = []
    for start_s, end_s in sorted(map(tuple, spans)):
        if merged and start_s <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end_s)
        else:
            merged.append([start_s, end_s])
    return np.array(merged, dtype=np.float64).reshape(-1, 2)


def _complement(spans: Spans) -> Spans:
    """The time between spans that are in order and apart."""
    edges = np.concatenate([[-math.inf], spans.reshape(-1), [math.inf]])
    return edges.reshape(-1, 2)
