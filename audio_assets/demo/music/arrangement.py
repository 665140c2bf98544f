"""From a version to a score: lay out the bars, place the melody, let every part play."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from audio_assets.demo.music import players
from audio_assets.demo.music.melody import octave_for, sing_line
from audio_assets.demo.music.players import Player
from audio_assets.demo.music.score import Bar, DrumHit, Note, Score, SungLine, TempoMap
from audio_assets.demo.music.theory import Chord
from audio_assets.demo.music.works import Line, Part, Style, Version

_VOICE_CENTRE = {"soprano": 68.0, "alto": 63.5, "tenor": 58.5, "baritone": 53.0}
_SUNG = ("verse", "chorus")


def arrange(version: Version, style: Style, rng: np.random.Generator) -> Score:
    """Write the score of ``version`` in ``style``; ``rng`` decides only the players' looseness."""
    bars = tuple(_lay_out(version, style))
    tempo = TempoMap.of(version, style, len(bars) * style.meter)
    player = Player(tempo, style.looseness_s, rng)
    parts = []
    sung: list[SungLine] = []
    melody: list[Note] = []
    if version.voice:
        sung = list(_melody(version, style, bars, tempo, _SUNG, _VOICE_CENTRE[version.voice]))
        melody = [note for line in sung for note in line.notes]
    for part in style.parts:
        if part.name in version.drop:
            continue
        instrument = version.swap.get(part.name, part.instrument)
        if part.role == "lead":
            part = replace(part, instrument=version.lead or instrument)
            notes = _lead(part, version, style, bars, tempo, player)
            melody = melody or notes
        else:
            part = replace(part, instrument=instrument)
            notes = list(_role(part, style, player)(part, bars))
        if notes:
            parts.append((part, tuple(notes)))
    hits: list[DrumHit] = []
    if "drums" not in version.drop:
        hits = sorted(players.play_drums(style, bars, player), key=lambda hit: hit.time_s)
    return Score(
        version, style, bars, tempo, tuple(parts), tuple(hits), tuple(sung), tuple(melody)
    )


def _role(
    part: Part, style: Style, player: Player
) -> Callable[[Part, Sequence[Bar]], Iterator[Note]]:
    play = {
        "bass": players.play_bass,
        "chords": players.play_chords,
        "arp": players.play_arp,
        "pad": players.play_pad,
    }
    if part.role == "answer":
        return partial(players.play_answer, line_bars=style.line_bars, player=player)
    return partial(play[part.role], player=player)


def _chords(version: Version, style: Style, numerals: Sequence[str]) -> list[Chord]:
    chords = [Chord.parse(numeral, version.key) for numeral in numerals]
    if style.chord_colour == "seventh":
        chords = [chord.with_seventh(version.key) for chord in chords]
    return chords


def _lay_out(version: Version, style: Style) -> Iterator[Bar]:
    """The bars of the form. A section without voice borrows the harmony of the one it recalls."""
    work = version.work
    verse = _chords(version, style, work.verse_chords)
    chorus = _chords(version, style, work.chorus_chords) or verse
    tonic = Chord(version.key.tonic, "maj" if version.key.mode == "major" else "min")
    final = next((chord for chord in verse if chord.root == tonic.root), tonic)
    beat = 0
    per_bar = 2 // style.line_bars
    for section, given in style.form:
        lines = len(work.verse) if section == "verse" else len(work.chorus)
        count = given or lines * style.line_bars
        harmony = {"chorus": chorus, "break": chorus, "outro": [final]}.get(section, verse)
        for index in range(count):
            first = index * per_bar
            chosen = [harmony[(first + i) % len(harmony)] for i in range(per_bar)]
            if section == "outro" or len(set(chosen)) == 1:
                chosen = chosen[:1]
            offsets = [i * style.meter / len(chosen) for i in range(len(chosen))]
            yield Bar(
                section, index, index == count - 1, beat, style.meter,
                tuple(zip(offsets, chosen, strict=True)),
            )  # fmt: skip
            beat += style.meter


def _melody(
    version: Version,
    style: Style,
    bars: Sequence[Bar],
    tempo: TempoMap,
    sections: Sequence[str],
    centre_midi: float,
) -> Iterator[SungLine]:
    """The melody's lines in ``sections``; intro and break recall those of verse and chorus."""
    work = version.work
    octave = octave_for(work.verse + work.chorus, version.key, centre_midi)
    for bar in bars:
        whole = style.line_bars == 1 or not bar.last  # a line of two bars needs both
        if bar.section not in sections or bar.index % style.line_bars or not whole:
            continue
        if bar is bars[-1]:
            continue
        recalled = work.verse if bar.section in ("intro", "verse") else work.chorus or work.verse
        number = bar.index // style.line_bars
        line: Line = recalled[number % len(recalled)]
        yield sing_line(
            line, bar.section, number, bar.beat, style.line_bars * style.meter, version.key,
            octave, style.syncopated, tempo,
        )  # fmt: skip


def _lead(
    part: Part,
    version: Version,
    style: Style,
    bars: Sequence[Bar],
    tempo: TempoMap,
    player: Player,
) -> list[Note]:
    """The melody on an instrument: all of it where nobody sings, else between the verses."""
    sections = [section for section in part.sections if section != "outro"]
    if not version.voice:
        sections += _SUNG
    centre = (part.register[0] + part.register[1]) / 2
    lines = _melody(version, style, bars, tempo, sections, centre)
    notes = [
        replace(
            note,
            start_s=max(0.0, note.start_s + player.time(0) - tempo.seconds(0)),
            velocity=player.velocity(0.95, line.section),
        )
        for line in lines
        for note in line.notes
    ]
    if "outro" in part.sections or not version.voice:
        closing = bars[-1]
        octave = octave_for(version.work.verse, version.key, centre)
        notes.append(player.note(closing.beat, closing.beats * 0.8, octave, 0.8, "outro"))
    return notes
