"""What a score is made of: bars, notes, drum hits, sung lines, and the clock that times them.

Beats count from 0 at the first downbeat of the song; seconds from the start of the file.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audio_assets.demo.music.theory import Chord
from audio_assets.demo.music.works import Line, Part, Style, Version

STEPS_PER_BEAT = 4
LEAD_IN_S = 0.25  # silence before the first beat, so that an upbeat and an early player have room


@dataclass(frozen=True)
class Note:
    """A note of a part, in seconds; velocity 0..1."""

    start_s: float
    duration_s: float
    midi: int
    velocity: float


@dataclass(frozen=True)
class DrumHit:
    """A stroke on a piece of the kit; velocity 0..1."""

    time_s: float
    piece: str
    velocity: float


@dataclass(frozen=True)
class SungLine:
    """A lyric line with a note for each syllable, upbeats included."""

    line: Line
    section: str
    notes: tuple[Note, ...]


@dataclass(frozen=True)
class Bar:
    """A bar: its section, its place in it, its first beat, its chords as (beat in the bar, chord)."""

    section: str
    index: int
    last: bool  # of its section
    beat: int
    beats: int
    chords: tuple[tuple[float, Chord], ...]

    def chord_at(self, beat: float) -> Chord:
        """The chord that sounds ``beat`` beats into the bar."""
        return [chord for start, chord in self.chords if start <= beat + 1e-9][-1]


@dataclass(frozen=True)
class TempoMap:
    """When each beat falls, and how the beat is divided."""

    beat_times_s: NDArray[np.float64]  # one more than there are beats: the end
    swing: float
    swing16: float

    @classmethod
    def of(cls, version: Version, style: Style, beats: int) -> TempoMap:
        """A steady pulse, one that slows over its last quarter, or one that breathes."""
        position = np.arange(beats) / beats
        bpm = np.full(beats, float(version.bpm))
        if version.tempo == "ritardando":
            bpm *= 1 - 0.3 * np.clip((position - 0.75) / 0.25, 0, 1) ** 1.5
        elif version.tempo == "rubato":
            phrase = 2 * np.pi * np.arange(beats) / (4 * style.meter)
            bpm *= 1 + 0.06 * np.sin(phrase) - 0.15 * np.clip((position - 0.85) / 0.15, 0, 1)
        times = LEAD_IN_S + np.concatenate([[0.0], np.cumsum(60 / bpm)])
        return cls(times, style.swing, style.swing16)

    def seconds(self, beat: float) -> float:
        """The time of a beat; eighths and sixteenths fall as the swing has them.

        Before the first beat and after the last, the tempo there goes on.
        """
        whole = int(np.floor(beat))
        within = _warp(beat - whole, self.swing)
        eighth = np.floor(within * 2) / 2
        within = eighth + _warp((within - eighth) * 2, self.swing16) / 2
        known = min(max(whole, 0), len(self.beat_times_s) - 2)
        length = self.beat_times_s[known + 1] - self.beat_times_s[known]
        return float(self.beat_times_s[known] + (whole - known + within) * length)


def _warp(fraction: float, centre: float) -> float:
    """Move the middle of 0..1 to ``centre``, both halves linearly."""
    if fraction < 0.5:
        return fraction * 2 * centre
    return centre + (fraction - 0.5) * 2 * (1 - centre)


@dataclass(frozen=True)
class Score:
    """A version, ready to be played."""

    version: Version
    style: Style
    bars: tuple[Bar, ...]
    tempo: TempoMap
    parts: tuple[tuple[Part, tuple[Note, ...]], ...]
    hits: tuple[DrumHit, ...]
    sung: tuple[SungLine, ...]
    melody: tuple[Note, ...]  # sung, or played by the lead; without fills and harmonies

    @property
    def end_s(self) -> float:
        """Where the last bar ends; what has been struck rings on."""
        return float(self.tempo.beat_times_s[-1])
