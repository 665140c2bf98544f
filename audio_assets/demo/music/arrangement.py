"""From a version to a score: lay out the bars, place the melody, let every part play."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from audio_assets.demo.music import players
from audio_assets.demo.music.melody import octave_for, sing_line
from audio_assets.demo.music.players import Player
from audio_assets.demo.music.score import Bar, DrumHit, Note, Score, SungLine, TempoMap
from audio_assets.demo.music.theory import Chord
from audio_assets.demo.music.works import Part, Style, Version

_VOICE_CENTRE = {"mezzo": 61.0, "alto": 59.5, "tenor": 56.5, "baritone": 52.0}
_SUNG = ("verse", "chorus")


def arrange(version: Version, style: Style, rng: np.random.Generator) -> Score:
    """Write the score of ``version`` in ``style``; ``rng`` decides only the players' looseness."""
    bars = tuple(_lay_out(version, style))
    tempo = TempoMap.of(version, style, len(bars) * style.meter)
    player = Player(tempo, style.looseness_s, rng)
    song = _Song(version, style, bars, tempo)
    sung: tuple[SungLine, ...] = ()
    if version.voice:
        sung = tuple(song.melody(_SUNG, _VOICE_CENTRE[version.voice]))
    melody = [note for line in sung for note in line.notes]
    parts = []
    for written in style.parts:
        if written.name in version.drop:
            continue
        if written.role == "lead":
            part = replace(written, instrument=version.lead or written.instrument)
            notes = song.lead(part, player)
            melody = melody or notes
        else:
            part = replace(written, instrument=version.swap.get(written.name, written.instrument))
            notes = list(_role(part, style, player)(part, bars))
        if notes:
            parts.append((part, tuple(notes)))
    hits: list[DrumHit] = []
    if "drums" not in version.drop:
        hits = sorted(players.play_drums(style, bars, player), key=lambda hit: hit.time_s)
    return Score(version, style, bars, tempo, tuple(parts), tuple(hits), sung, tuple(melody))


def _role(part: Part, style: Style, player: Player) -> Callable[[Part, Sequence[Bar]], Iterator[Note]]:
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
            if len(set(chosen)) == 1:
                chosen = chosen[:1]
            offsets = [i * style.meter / len(chosen) for i in range(len(chosen))]
            chords = tuple(zip(offsets, chosen, strict=True))
            yield Bar(section, index, index == count - 1, beat, style.meter, chords)
            beat += style.meter


@dataclass(frozen=True)
class _Song:
    """What the melody needs to know."""

    version: Version
    style: Style
    bars: tuple[Bar, ...]
    tempo: TempoMap

    def melody(self, sections: Sequence[str], centre_midi: float) -> Iterator[SungLine]:
        """The melody's lines in ``sections``; intro and break recall those of verse and chorus."""
        work, style = self.version.work, self.style
        octave = octave_for(work.verse + work.chorus, self.version.key, centre_midi)
        for bar in self.bars[:-1]:
            whole = style.line_bars == 1 or not bar.last  # a line of two bars needs both
            if bar.section not in sections or bar.index % style.line_bars or not whole:
                continue
            recalled = work.verse if bar.section in ("intro", "verse") else work.chorus or work.verse
            number = bar.index // style.line_bars
            yield sing_line(
                recalled[number % len(recalled)],
                section=bar.section,
                index=number,
                start_beat=bar.beat,
                beats=style.line_bars * style.meter,
                key=self.version.key,
                octave_midi=octave,
                syncopated=style.syncopated,
                tempo=self.tempo,
            )

    def lead(self, part: Part, player: Player) -> list[Note]:
        """The melody on an instrument: all of it where nobody sings, else between the verses."""
        sections = [section for section in part.sections if section != "outro"]
        if not self.version.voice:
            sections += _SUNG
        centre = (part.register[0] + part.register[1]) / 2
        notes = [
            replace(
                note,
                start_s=max(0.0, note.start_s + player.off_s()),
                velocity=player.velocity(0.95, line.section),
            )
            for line in self.melody(sections, centre)
            for note in line.notes
        ]
        closing = self.bars[-1]
        octave = octave_for(self.version.work.verse, self.version.key, centre)
        notes.append(player.note(closing.beat, closing.beats * 0.8, octave, 0.8, "outro"))
        return notes
