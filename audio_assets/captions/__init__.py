"""Captions: what a track sounds like, in sentences, and how they agree with what was measured.

Pure functions on texts and `Facts`; models that write captions are in `audio_assets.backends.captions`.
Texts are normalised (see `text`).
"""

from __future__ import annotations

from dataclasses import dataclass

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
