"""The players: each role turns the bars of a song and a pattern into notes or drum hits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from audio_assets.demo.music.score import STEPS_PER_BEAT, Bar, DrumHit, Note, TempoMap
from audio_assets.demo.music.theory import QUALITIES, Chord, voice_chord
from audio_assets.demo.music.works import Part, Style

_STRENGTH = {"X": 1.0, "x": 0.8, "o": 0.45}
_INTENSITY = {"intro": 0.70, "verse": 0.80, "break": 0.92, "chorus": 1.0, "outro": 0.85}
_FALLBACK = {"break": "chorus", "outro": "verse"}  # a section a style gives no drums for


class Player:
    """Turns beats into notes as one musician does: a little early, a little late, never alike."""

    def __init__(self, tempo: TempoMap, looseness_s: float, rng: np.random.Generator) -> None:
        self.tempo = tempo
        self._looseness_s = looseness_s
        self._rng = rng

    def time(self, beat: float) -> float:
        """When this musician plays ``beat``: at most two standard deviations off."""
        return max(0.0, self.tempo.seconds(beat) + self.off_s())

    def off_s(self) -> float:
        """How far off this musician is the next time."""
        return float(np.clip(self._rng.standard_normal(), -2, 2)) * self._looseness_s

    def note(self, beat: float, beats: float, midi: int, strength: float, section: str) -> Note:
        """A note of ``beats`` beats; the section's intensity and the hand scale ``strength``."""
        start_s = self.time(beat)
        duration_s = max(0.04, self.tempo.seconds(beat + beats) - start_s - 0.01)
        return Note(start_s, duration_s, midi, self.velocity(strength, section))

    def velocity(self, strength: float, section: str) -> float:
        """Rounded to twentieths, so that notes of one pitch can share a rendering."""
        touch = 1 + 0.06 * float(self._rng.standard_normal())
        return round(min(1.0, max(0.1, strength * _INTENSITY[section] * touch)) * 20) / 20


def _steps(part: Part, bar: Bar, bar_number: int) -> str:
    """The part's pattern in this bar, cut or repeated to its length."""
    pattern = part.pattern[bar_number % len(part.pattern)]
    count = bar.beats * STEPS_PER_BEAT
    if len(pattern) > count:  # a pattern of several bars
        bars = len(pattern) // count
        start = count * (bar_number % bars)
        return pattern[start : start + count]
    return (pattern * 2)[:count]


def _events(part: Part, bars: Sequence[Bar]) -> Iterator[tuple[Bar, float, str, float]]:
    """Every struck step as (bar, beat in the bar, symbol, beats until it ends)."""
    for number, bar in enumerate(bars):
        if part.sections and bar.section not in part.sections:
            continue
        steps = _steps(part, bar, number)
        if bar is bars[-1]:  # the song ends on one held chord
            steps = steps.strip(".-")[:1] + "-" * (len(steps) - 1)
        for step, symbol in enumerate(steps):
            if symbol in ".-":
                continue
            after = steps[step + 1 :]
            held = 1 + len(after) - len(after.lstrip("-"))
            free = 1 + next((i for i, s in enumerate(after) if s not in ".-"), len(after))
            length = max(held, part.hold if part.role == "arp" else min(part.hold, free))
            yield bar, step / STEPS_PER_BEAT, symbol, length / STEPS_PER_BEAT


def _next_chord(bars: Sequence[Bar], bar: Bar, beat: float) -> Chord:
    """The chord after the one that sounds at ``beat``."""
    later = [chord for start, chord in bar.chords if start > beat]
    number = bars.index(bar)
    following = bars[number + 1].chords[0][1] if number + 1 < len(bars) else bar.chords[-1][1]
    return later[0] if later else following


def play_bass(part: Part, bars: Sequence[Bar], player: Player) -> Iterator[Note]:
    """Roots, chord members, approaches; the root stays in the lowest octave of the register."""
    low = part.register[0]
    for bar, beat, symbol, length in _events(part, bars):
        chord = bar.chord_at(beat)
        steps = QUALITIES[chord.quality]
        above = {"r": 0, "3": steps[1], "5": steps[2], "6": 9, "8": 12}
        if symbol in "an":
            coming = low + (_next_chord(bars, bar, beat).root - low) % 12
            midi = coming - (symbol == "a")
        else:
            midi = low + (chord.root - low) % 12 + above[symbol]
        if midi > part.register[1]:
            midi -= 12
        yield player.note(bar.beat + beat, length, max(midi, low - 1), 0.9, bar.section)


def _voicings(part: Part, bars: Sequence[Bar]) -> dict[tuple[int, float], tuple[int, ...]]:
    """A voicing for every chord of the song, led from one to the next, by (first beat, offset)."""
    voicings: dict[tuple[int, float], tuple[int, ...]] = {}
    previous: tuple[int, ...] | None = None
    for bar in bars:
        for start, chord in bar.chords:
            previous = voice_chord(chord, part.voices, *part.register, previous)
            voicings[bar.beat, start] = previous
    return voicings


def _voicing_at(voicings: dict[tuple[int, float], tuple[int, ...]], bar: Bar, beat: float) -> tuple[int, ...]:
    start = max(start for start, _ in bar.chords if start <= beat + 1e-9)
    return voicings[bar.beat, start]


def play_chords(part: Part, bars: Sequence[Bar], player: Player) -> Iterator[Note]:
    """The whole chord on every struck step, strings a few milliseconds apart."""
    voicings = _voicings(part, bars)
    for bar, beat, symbol, length in _events(part, bars):
        for midi in _voicing_at(voicings, bar, beat):
            yield player.note(bar.beat + beat, length, midi, _STRENGTH[symbol], bar.section)


def play_arp(part: Part, bars: Sequence[Bar], player: Player) -> Iterator[Note]:
    """Chord notes one by one: 1 is the lowest; beyond the voicing they go on an octave up."""
    voicings = _voicings(part, bars)
    for bar, beat, symbol, length in _events(part, bars):
        voicing = _voicing_at(voicings, bar, beat)
        if symbol == "x":
            chosen = list(voicing)
        else:
            octave, index = divmod(int(symbol) - 1, len(voicing))
            chosen = [voicing[index] + 12 * octave]
        for midi in chosen:
            strength = 0.95 if beat % 1 == 0 else 0.65
            yield player.note(bar.beat + beat, length, midi, strength, bar.section)


def play_pad(part: Part, bars: Sequence[Bar], player: Player) -> Iterator[Note]:
    """Held chords; a note common to one chord and the next is struck again, softly."""
    voicings = _voicings(part, bars)
    for bar in bars:
        if part.sections and bar.section not in part.sections:
            continue
        starts = [start for start, _ in bar.chords] + [float(bar.beats)]
        for start, end in pairwise(starts):
            for midi in voicings[bar.beat, start]:
                yield player.note(bar.beat + start, end - start, midi, 0.8, bar.section)


def play_answer(part: Part, bars: Sequence[Bar], line_bars: int, player: Player) -> Iterator[Note]:
    """Fills while the singer holds the end of a line: in the last bar of each line."""
    answered = [bar for bar in bars if bar.index % line_bars == line_bars - 1]
    voicings = _voicings(part, bars)
    for bar, beat, symbol, length in _events(part, [*answered, bars[-1]]):
        if bar is bars[-1]:
            continue
        voicing = _voicing_at(voicings, bar, beat)
        midi = voicing[int(symbol) - 1]
        yield player.note(bar.beat + beat, length, midi, 0.85, bar.section)


def play_drums(style: Style, bars: Sequence[Bar], player: Player) -> Iterator[DrumHit]:
    """The kit: the section's groove, a fill into the next section, a crash where it begins."""
    for number, bar in enumerate(bars):
        patterns = style.drums.get(bar.section) or style.drums.get(_FALLBACK.get(bar.section, ""), {})
        count = bar.beats * STEPS_PER_BEAT
        if bar is bars[-1]:
            closing = {"kick": "X"} | ({"crash": "X"} if style.crash else {})
            patterns = closing if style.drums.get("verse") else {}
        elif style.crash and bar.index == 0 and bar.section in ("verse", "chorus", "break"):
            patterns = {**patterns, "crash": "X"}
        filling = bar.last and number < len(bars) - 2 and bool(patterns)
        fill = style.drums.get("fill", {}) if filling else {}
        for piece in dict.fromkeys([*patterns, *fill]):
            groove = patterns.get(piece, "")
            start = count * (number % max(1, len(groove) // count))
            steps = groove[start : start + count].ljust(count, ".")
            if fill and piece != "kick":  # the second half of the bar belongs to the fill
                half = count // 2
                steps = steps[:half] + fill.get(piece, "").ljust(count, ".")[half:count]
            for step, symbol in enumerate(steps):
                if symbol != ".":
                    time_s = player.time(bar.beat + step / STEPS_PER_BEAT)
                    velocity = player.velocity(_STRENGTH[symbol], bar.section)
                    yield DrumHit(time_s, piece, velocity)
