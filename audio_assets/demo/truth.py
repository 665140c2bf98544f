"""What is known about the demo corpus: exact, because it was composed and not annotated.

Times are seconds from the start of the decoded file. Paths are relative to the corpus folder, with
forward slashes. Everything is written as JSON, one file per recording, and read back typed.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

_T = TypeVar("_T")

TRACKS = "truth/tracks"
EPISODES = "truth/episodes"
STEMS = "truth/stems"


@dataclass(frozen=True)
class Beat:
    """A beat; ``beat_in_bar`` counts from 1, which is the downbeat."""

    time_s: float
    beat_in_bar: int


@dataclass(frozen=True)
class Span:
    """A labelled stretch: a chord (Harte label, ``N`` for none) or a section of the form."""

    start_s: float
    end_s: float
    label: str


@dataclass(frozen=True)
class DrumOnset:
    """A stroke: the piece hit and its class, BD SD TT HH CY, or PC for other percussion."""

    time_s: float
    piece: str
    drum_class: str
    velocity: float


@dataclass(frozen=True)
class MelodyNote:
    """A note of the tune, sung or played; MIDI pitch."""

    start_s: float
    end_s: float
    midi: int


@dataclass(frozen=True)
class Word:
    """A word as heard. ``speaker`` is empty in music."""

    start_s: float
    end_s: float
    word: str
    speaker: str = ""


@dataclass(frozen=True)
class TrackTruth:
    """Everything known about a piece of music."""

    key: str
    path: str
    title: str
    artist: str
    album: str
    year: int
    genre: str
    subgenre: str
    mood: tuple[str, ...]
    work_id: str  # the clique: versions of one work share it
    version: str
    language: str | None  # of the lyrics; None: instrumental
    voice: str | None
    instruments: tuple[str, ...]
    sample_rate: int
    duration_s: float
    bpm: float  # nominal; exact throughout where tempo is "steady"
    tempo: str  # steady, ritardando or rubato
    meter: int  # quarters per bar
    key_name: str  # as in mir_eval: "Eb major"
    beats: tuple[Beat, ...]
    chords: tuple[Span, ...]
    sections: tuple[Span, ...]
    drums: tuple[DrumOnset, ...]
    melody: tuple[MelodyNote, ...]
    lyrics: str | None  # the lyric sheet; equal in all sung versions of a work
    words: tuple[Word, ...]  # as sung, repetitions included
    stems: dict[str, str]  # drums, bass, other, vocals -> path; a part that is silent is absent
    lossless: bool  # then the stems sum to the decoded mix exactly

    @property
    def downbeats_s(self) -> tuple[float, ...]:
        """The first beat of every bar."""
        return tuple(beat.time_s for beat in self.beats if beat.beat_in_bar == 1)


@dataclass(frozen=True)
class Speaker:
    """Who speaks in an episode, and on which channel; None: in the middle of both."""

    name: str
    gender: str
    pitch_hz: float
    channel: int | None


@dataclass(frozen=True)
class Event:
    """Something audible: laughter, speech, breath, filler, agreement, music or noise."""

    start_s: float
    end_s: float
    label: str
    speaker: str = ""


@dataclass(frozen=True)
class Turn:
    """What one speaker says without being relieved."""

    start_s: float
    end_s: float
    speaker: str
    text: str


@dataclass(frozen=True)
class EpisodeTruth:
    """Everything known about a podcast episode."""

    key: str
    path: str
    show: str
    title: str
    split: str  # train, validation or test
    sample_rate: int
    channels: int
    duration_s: float
    speakers: tuple[Speaker, ...]
    events: tuple[Event, ...]
    turns: tuple[Turn, ...]
    words: tuple[Word, ...]
    punchlines_s: tuple[float, ...]  # where the last word of a joke ends, laughed at or not


@dataclass(frozen=True)
class Truth:
    """The truth of a corpus, by key."""

    tracks: tuple[TrackTruth, ...]
    episodes: tuple[EpisodeTruth, ...]

    @cached_property
    def by_path(self) -> dict[str, TrackTruth | EpisodeTruth]:
        """Every recording's truth by its path in the corpus."""
        recordings: list[TrackTruth | EpisodeTruth] = [*self.tracks, *self.episodes]
        return {recording.path: recording for recording in recordings}


def save(truth: TrackTruth | EpisodeTruth, folder: Path) -> Path:
    """Write one recording's truth under ``folder``, times to a hundredth of a millisecond."""
    kind = TRACKS if isinstance(truth, TrackTruth) else EPISODES
    path = folder / kind / f"{truth.key}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(_rounded(dataclasses.asdict(truth)), ensure_ascii=False, indent=1)
    path.write_text(text + "\n", encoding="utf-8")
    return path


def load_truth(folder: Path) -> Truth:
    """Read the truth of the corpus in ``folder``. Raises FileNotFoundError if there is none."""
    if not (folder / "truth").is_dir():
        raise FileNotFoundError(f"no truth/ in {folder}: it is not a demo corpus; make one with make_corpus")
    tracks = [
        _read(TrackTruth, json.loads(path.read_text("utf-8")))
        for path in sorted((folder / TRACKS).glob("*.json"))
    ]
    episodes = [
        _read(EpisodeTruth, json.loads(path.read_text("utf-8")))
        for path in sorted((folder / EPISODES).glob("*.json"))
    ]
    return Truth(tuple(tracks), tuple(episodes))


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 5)
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(item) for item in value]
    return value


def _read(kind: type[_T], row: dict[str, Any]) -> _T:
    hints = typing.get_type_hints(kind)
    return kind(**{name: _convert(hints[name], value) for name, value in row.items()})


def _convert(hint: Any, value: Any) -> Any:
    """``value`` from JSON as ``hint`` has it: tuples for lists, dataclasses for objects."""
    if typing.get_origin(hint) is tuple:
        inner = typing.get_args(hint)[0]
        return tuple(_convert(inner, item) for item in value)
    if isinstance(hint, type) and not isinstance(hint, types.GenericAlias):
        if dataclasses.is_dataclass(hint):
            return _read(hint, value)
        if hint is float:
            return float(value)
    return value
