"""Pitch, keys and chords: just enough harmony to arrange a song and to label it honestly.

Conventions: a pitch class is 0..11 with C = 0, a pitch is a MIDI note number (69 = A4 = 440 Hz),
roman numerals count from the *major* scale of the tonic in either mode (A minor: i bIII bVI bVII),
and chord labels follow Harte et al., "Symbolic representation of musical chords" (ISMIR 2005).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}
SHARP_NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
FLAT_NAMES = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
QUALITIES = {
    "maj": (0, 4, 7),
    "min": (0, 3, 7),
    "dim": (0, 3, 6),
    "sus4": (0, 5, 7),
    "maj6": (0, 4, 7, 9),
    "min6": (0, 3, 7, 9),
    "7": (0, 4, 7, 10),
    "maj7": (0, 4, 7, 11),
    "min7": (0, 3, 7, 10),
    "dim7": (0, 3, 6, 9),
    "hdim7": (0, 3, 6, 10),
}
_ROMAN = {"i": 0, "ii": 1, "iii": 2, "iv": 3, "v": 4, "vi": 5, "vii": 6}
_ROMAN_CHORD = re.compile(r"([b#]?)([ivIV]+)(.*)")
_SUFFIXES = {  # suffix -> quality of an upper-case numeral, of a lower-case one
    "": ("maj", "min"),
    "7": ("7", "min7"),
    "maj7": ("maj7", "maj7"),
    "6": ("maj6", "min6"),
    "sus4": ("sus4", "sus4"),
    "o": ("dim", "dim"),
    "o7": ("dim7", "dim7"),
    "ø7": ("hdim7", "hdim7"),
}
_DEGREE = re.compile(r"([b#]?)([1-7])([',]*)")


@dataclass(frozen=True)
class Key:
    """A tonic (pitch class) and a mode, ``major`` or ``minor``.

    >>> Key.parse("F# minor").scale
    (6, 8, 9, 11, 1, 2, 4)
    """

    tonic: int
    mode: str

    @classmethod
    def parse(cls, name: str) -> Key:
        """Read ``"Eb major"``. Raises ValueError for a name outside the twelve tonics, two modes."""
        tonic, _, mode = name.partition(" ")
        for names in (SHARP_NAMES, FLAT_NAMES):
            if tonic in names and mode in SCALES:
                return cls(names.index(tonic), mode)
        raise ValueError(f"key {name!r} is not '<tonic> major' or '<tonic> minor', e.g. 'Eb major'")

    @property
    def scale(self) -> tuple[int, ...]:
        """The seven pitch classes, from the tonic up."""
        return tuple((self.tonic + step) % 12 for step in SCALES[self.mode])

    @cached_property
    def names(self) -> tuple[str, ...]:
        """How the twelve pitch classes are spelt in this key: flats where its signature has them."""
        major_tonic = self.tonic if self.mode == "major" else (self.tonic + 3) % 12
        return FLAT_NAMES if major_tonic in (5, 10, 3, 8, 1) else SHARP_NAMES

    @property
    def name(self) -> str:
        """For example ``"Eb major"``, as mir_eval and Essentia spell it."""
        return f"{self.names[self.tonic]} {self.mode}"

    def pitch(self, degree: str) -> int:
        """Semitones above the tonic of a degree: ``5``, ``b3``, ``1'`` (octave up), ``6,`` (down).

        >>> Key.parse("A minor").pitch("3'")
        15
        """
        match = _DEGREE.fullmatch(degree)
        if match is None:
            raise ValueError(f"scale degree {degree!r} is not like 5, b3, 1' or 6,")
        accidental, number, octaves = match.groups()
        shift = {"b": -1, "#": 1, "": 0}[accidental]
        octave = octaves.count("'") - octaves.count(",")
        return SCALES[self.mode][int(number) - 1] + shift + 12 * octave


@dataclass(frozen=True)
class Chord:
    """A root (pitch class) and a Harte shorthand quality."""

    root: int
    quality: str

    @classmethod
    def parse(cls, numeral: str, key: Key) -> Chord:
        """Read a roman numeral such as ``bVII``, ``ii7``, ``iiø7``, ``Imaj7`` in ``key``.

        >>> Chord.parse("bVI", Key.parse("A minor"))
        Chord(root=5, quality='maj')
        """
        match = _ROMAN_CHORD.fullmatch(numeral)
        if match is None or match[2].lower() not in _ROMAN or match[3] not in _SUFFIXES:
            raise ValueError(f"chord {numeral!r} is not a roman numeral such as V7, bVI or iiø7")
        accidental, roman, suffix = match.groups()
        step = SCALES["major"][_ROMAN[roman.lower()]] + {"b": -1, "#": 1, "": 0}[accidental]
        quality = _SUFFIXES[suffix][0 if roman.isupper() else 1]
        return cls((key.tonic + step) % 12, quality)

    @property
    def pitch_classes(self) -> tuple[int, ...]:
        """Root first, then upward in thirds."""
        return tuple((self.root + step) % 12 for step in QUALITIES[self.quality])

    def label(self, key: Key) -> str:
        """The Harte label, spelt in ``key``, for example ``"Bb:min7"``."""
        return f"{key.names[self.root]}:{self.quality}"

    def with_seventh(self, key: Key) -> Chord:
        """The triad's diatonic seventh chord; anything that is not a plain triad stays as it is."""
        if self.quality == "min":
            return Chord(self.root, "min7")
        if self.quality == "maj":
            return Chord(self.root, "maj7" if (self.root + 11) % 12 in key.scale else "7")
        return self


def voice_chord(
    chord: Chord, voices: int, low: int, high: int, previous: tuple[int, ...] | None
) -> tuple[int, ...]:
    """Choose ``voices`` pitches of ``chord`` within ``low..high`` that move least from ``previous``.

    Every chord tone sounds where there are voices enough; otherwise the fifth is the first to go.
    Without ``previous`` the voicing settles around the middle of the range.
    """
    tones = list(chord.pitch_classes)
    if voices < len(tones):
        tones.remove((chord.root + QUALITIES[chord.quality][2]) % 12)
    tones = tones[-voices:] if voices < len(tones) else tones
    pitches = [pitch for pitch in range(low, high + 1) if pitch % 12 in tones]
    full = min(voices, len(tones))
    candidates = [
        choice
        for choice in combinations(pitches, voices)
        if len({pitch % 12 for pitch in choice}) == full and choice[-1] - choice[0] <= 16
    ]
    if not candidates:
        raise ValueError(
            f"no {voices}-voice {chord} lies in {low}..{high}: "
            "widen the part's register to an octave and a half"
        )
    middle = (low + high) / 2

    def movement(choice: tuple[int, ...]) -> tuple[float, float]:
        centre = abs(sum(choice) / voices - middle)
        if previous is None or len(previous) != voices:
            return centre, 0.0
        moved = sum(abs(a - b) for a, b in zip(choice, previous, strict=True))
        return moved + 0.5 * centre, centre

    return min(candidates, key=movement)


def hertz(midi: float) -> float:
    """Equal temperament, A4 = 440 Hz.

    >>> hertz(69)
    440.0
    """
    return float(440.0 * 2.0 ** ((midi - 69) / 12))
