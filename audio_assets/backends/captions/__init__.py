"""Captions: what a track sounds like, in sentences.

There are five kinds. A captioner gives those for which it has something to say; texts are normalised
(see `text`). What was measured of the track is handed to it as `Facts`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from audio_assets.audio.signal import Signal

KINDS = ("full", "technical", "genre_mood", "instrumentation", "structure")


@dataclass(frozen=True)
class Facts:
    """What was measured of a track; None is not measured, an empty tuple is measured and none found.

    `beats_per_bar` is that of most bars, `chords` are names in mir_eval's notation in order of the time
    they take. Labels of genre, mood and instrument are the likely ones, likeliest first; `voice` and
    `female` are probabilities.
    """

    duration_s: float | None = None
    bpm: float | None = None
    has_tempo: bool | None = None
    key: str | None = None
    scale: str | None = None
    beats_per_bar: int | None = None
    bar_count: int | None = None
    lufs: float | None = None
    lra: float | None = None
    brightness: float | None = None
    warmth: float | None = None
    chords: tuple[str, ...] | None = None
    mean_chord_s: float | None = None
    genres: tuple[str, ...] | None = None
    moods: tuple[str, ...] | None = None
    instruments: tuple[str, ...] | None = None
    voice: float | None = None
    female: float | None = None


class Describer(Protocol):
    """What plays the role `second_captions`."""

    def describe(self, track: Signal, facts: Facts, genres: tuple[str, ...]) -> str:
        """A full caption by the baseline prompt, with a hint at its genres if there are any.

        Raises:
            NotApplicable: there is nothing to say of the track.
        """
        ...


class Captioner(Describer, Protocol):
    """What plays the role `captions`."""

    def captions(self, track: Signal, facts: Facts) -> Mapping[str, str]:
        """Captions by kind, in the order of `KINDS`.

        Raises:
            NotApplicable: there is nothing to say of the track.
        """
        ...


class Reviser(Protocol):
    """What plays the role `caption_revision`."""

    def revise(self, text: str, facts: Facts) -> str:
        """A caption with what contradicts the measured facts put right, and the rest kept."""
        ...
