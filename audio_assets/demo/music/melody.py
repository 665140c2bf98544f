"""The rhythm of a melody: where each syllable of a line falls.

A line fills two half-lines of equal length, one chord each. A template has a slot for every
eighth of a half-line in 4/4, every sixth in 3/4; "x" is a syllable. The last syllable of a line is
held. Upbeats come one slot before the line.
"""

from __future__ import annotations

from audio_assets.demo.music.score import Note, SungLine, TempoMap
from audio_assets.demo.music.theory import Key
from audio_assets.demo.music.works import Line

_FOUR = {
    4: ("x...x...x.x.....",),
    5: ("x.x.x.x.x.......",),
    6: ("x.x.x.x.x.x.....",),
    7: ("x.x.x.xxx.x.....", "x.xxx.x.x.x....."),
    8: ("x.xxx.x.x.x.x...", "x.x.x.xxx.x.x..."),
    9: ("x.xxx.x.x.xxx...",),
    10: ("xxx.xxx.x.xxx...",),
}
_FOUR_SYNCOPATED = {
    4: ("x..x....x..x....",),
    5: ("x..x.xx.x.......",),
    6: ("x..x.xx.x..x....",),
    7: ("x.xx.xx.x..x....",),
    8: ("x.xx.xx.x..x.x..",),
    9: ("x.xx.xx.x.xx.x..",),
    10: ("x.xxxxx.x.xx.x..",),
}
_THREE = {
    4: ("x.x...x.x...",),
    5: ("x.x.xxx.....",),
    6: ("x.x.xxx.x...",),
    7: ("x.xxxxx.x...",),
    8: ("x.xxxxx.x.x.",),
    9: ("x.xxxxx.xxx.",),
    10: ("xxxxxxx.xxx.",),
}
_LONGEST_SLOTS = 6


def sing_line(
    line: Line,
    *,
    section: str,
    index: int,
    start_beat: float,
    beats: float,
    key: Key,
    octave_midi: int,
    syncopated: bool,
    tempo: TempoMap,
) -> SungLine:
    """Place the syllables of ``line`` over ``beats`` beats from ``start_beat``.

    ``octave_midi`` is the MIDI pitch of the tonic the degrees count from; ``index`` numbers the lines
    of the section, so that neighbours get different rhythms where there is a choice.
    """
    templates = _THREE if beats % 3 == 0 else _FOUR_SYNCOPATED if syncopated else _FOUR
    choices = templates[len(line.degrees) - line.upbeats]
    template = choices[index % len(choices)]
    slot_beats = beats / len(template)
    onsets = [slot for slot, mark in enumerate(template) if mark == "x"]
    onsets = list(range(-line.upbeats, 0)) + onsets
    ends = [*onsets[1:], min(onsets[-1] + _LONGEST_SLOTS, len(template) - 1)]
    notes = []
    for degree, onset, end in zip(line.degrees, onsets, ends, strict=True):
        start_s = tempo.seconds(start_beat + onset * slot_beats)
        end_s = tempo.seconds(start_beat + end * slot_beats)
        notes.append(Note(start_s, end_s - start_s, octave_midi + key.pitch(degree), 0.9))
    return SungLine(line, section, tuple(notes))


def octave_for(lines: tuple[Line, ...], key: Key, centre_midi: float) -> int:
    """The MIDI pitch of the tonic that brings the middle of the melody nearest to ``centre_midi``."""
    pitches = [key.pitch(degree) for line in lines for degree in line.degrees]
    middle = (min(pitches) + max(pitches)) / 2
    return key.tonic + 12 * round((centre_midi - middle - key.tonic) / 12)


def third_above(midi: int, key: Key) -> int:
    """The pitch two steps of the scale higher; a note outside the scale counts as the one below.

    >>> third_above(64, Key.parse("C major"))
    67
    """
    scale = [pitch for pitch in range(midi - 2, midi + 8) if pitch % 12 in key.scale]
    below = max(pitch for pitch in scale if pitch <= midi)
    return scale[scale.index(below) + 2]
