"""Words for what is measured: bands of tempo, loudness and brightness, and names of labels."""

from __future__ import annotations

import re
from bisect import bisect_right

TEMPO_WORDS = (
    (60, 76, 100, 120, 140, 170),
    ("very slow", "slow", "relaxed", "mid-tempo", "brisk", "fast", "very fast"),
)
"""Bounds in bpm: below 60 is largo, 60 to 76 adagio, 76 to 100 andante, up to 120 moderato, then allegro."""

LOUDNESS_WORDS = ((-23, -18, -14, -9), ("very quiet", "quiet", "moderately loud", "loud", "very loud"))
"""Bounds in LUFS: -23 is the level of broadcasting (EBU R 128), -14 that of music streaming."""

DYNAMICS_WORDS = ((4, 8, 15), ("narrow", "moderate", "wide", "very wide"))
"""Bounds of the loudness range in LU (EBU Tech 3342)."""

BRIGHTNESS_WORDS = ((40, 52, 65, 75), ("dark", "mellow", "balanced", "bright", "very bright"))
"""Bounds on the scale of 0 to 100 of the AudioCommons model."""

COUNT_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")

MOOD_ADJECTIVES = (
    "calm",
    "cool",
    "dark",
    "deep",
    "dramatic",
    "emotional",
    "energetic",
    "epic",
    "fast",
    "fun",
    "funny",
    "groovy",
    "happy",
    "heavy",
    "hopeful",
    "inspiring",
    "meditative",
    "melancholic",
    "melodic",
    "motivational",
    "positive",
    "powerful",
    "relaxing",
    "retro",
    "romantic",
    "sad",
    "sexy",
    "slow",
    "soft",
    "upbeat",
    "uplifting",
)
"""Labels of the mood and theme head (MTG-Jamendo) that say how music is; the others say what it is for."""

INSTRUMENTS = {
    "accordion": "accordion",
    "acousticbassguitar": "acoustic bass guitar",
    "acousticguitar": "acoustic guitar",
    "bass": "bass",
    "beat": "beats",
    "bell": "bells",
    "bongo": "bongos",
    "brass": "brass",
    "cello": "cello",
    "clarinet": "clarinet",
    "classicalguitar": "classical guitar",
    "computer": "computer sounds",
    "doublebass": "double bass",
    "drummachine": "drum machine",
    "drums": "drums",
    "electricguitar": "electric guitar",
    "electricpiano": "electric piano",
    "flute": "flute",
    "guitar": "guitar",
    "harmonica": "harmonica",
    "harp": "harp",
    "horn": "horn",
    "keyboard": "keyboard",
    "oboe": "oboe",
    "orchestra": "orchestra",
    "organ": "organ",
    "pad": "pads",
    "percussion": "percussion",
    "piano": "piano",
    "pipeorgan": "pipe organ",
    "rhodes": "Rhodes",
    "sampler": "sampler",
    "saxophone": "saxophone",
    "strings": "strings",
    "synthesizer": "synthesizer",
    "trombone": "trombone",
    "trumpet": "trumpet",
    "viola": "viola",
    "violin": "violin",
    "voice": "voice",
}
"""Labels of the instrument head (MTG-Jamendo), and how they are written."""


def word_for(value: float, words: tuple[tuple[float, ...], tuple[str, ...]]) -> str:
    """The word of the band that a value lies in; a bound belongs to the band above it.

    >>> word_for(60, TEMPO_WORDS), word_for(59.9, TEMPO_WORDS), word_for(300, TEMPO_WORDS)
    ('slow', 'very slow', 'very fast')
    """
    bounds, names = words
    return names[bisect_right(bounds, value)]


def genre_words(label: str) -> str:
    """A style of Discogs as it is written in a sentence.

    >>> genre_words("Electronic---Deep House"), genre_words("Rock---Indie Rock"), genre_words("Jazz")
    ('deep house', 'indie rock', 'jazz')
    """
    style = label.rpartition("---")[2]
    return re.sub(r"\b[A-Z][a-z]+", lambda word: word[0].lower(), style)


def key_words(key: str, scale: str) -> str:
    """A key as it is written: ``Eb``, ``minor`` is ``Eb minor``."""
    return f"{key} {scale}"


def chord_words(chord: str) -> str:
    """A triad in mir_eval's notation as it is written.

    >>> chord_words("A:min"), chord_words("Bb:maj")
    ('A minor', 'Bb major')
    """
    root, _, quality = chord.partition(":")
    return key_words(root, {"min": "minor", "maj": "major"}.get(quality, quality))


def duration_words(duration_s: float) -> str:
    """A length as it is said.

    >>> duration_words(204.3), duration_words(59.7), duration_words(61)
    ('3 minutes and 24 seconds', '1 minute', '1 minute and 1 second')
    """
    minutes, seconds = divmod(round(duration_s), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [
        f"{count} {unit}{'s' if count != 1 else ''}"
        for count, unit in ((hours, "hour"), (minutes, "minute"), (seconds, "second"))
        if count
    ]
    return ", ".join(parts[:-1]) + (" and " if len(parts) > 1 else "") + parts[-1] if parts else "0 seconds"
