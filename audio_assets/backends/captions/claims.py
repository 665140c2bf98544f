"""What a caption claims that can be measured: tempo, key, instruments and labels, read from its text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from audio_assets.backends.captions.vocabulary import COUNT_WORDS, INSTRUMENTS, genre_words

PITCH_CLASSES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_ACCIDENTALS = {"#": 1, "♯": 1, "sharp": 1, "b": -1, "♭": -1, "flat": -1}

_NUMBER = r"(\d{2,3}(?:\.\d+)?)"
_BPM = re.compile(
    rf"(?:{_NUMBER}\s*(?:-|–|to)\s*)?{_NUMBER}\s*-?\s*(?:bpm\b|beats per minute|beats a minute)"
    rf"|\b(?:bpm|tempo)\s*(?:is|of|at|:|around|about|approximately|roughly|\s)*\s{_NUMBER}\b",
    re.IGNORECASE,
)
_KEY = re.compile(
    r"(?P<start>^|[.!?]\s+)?(?<![A-Za-z])(?P<tonic>[A-G])"
    r"(?:\s*-?\s*(?P<accidental>#|♯|♭|sharp|flat|b(?![a-z])))?"
    r"\s*-?\s*(?P<scale>major|minor|maj\b|min\b)"
)
_SYNONYMS = {
    "bass": r"bass(?:line)?(?! guitar| drum)s?",
    "beat": r"beats(?! (?:to|per|a|in|of)\b)",
    "bell": r"bells?",
    "bongo": r"bongos?",
    "computer": r"computer sounds?",
    "doublebass": r"double[- ]bass|upright bass|contrabass",
    "drums": r"drums?(?! machine)|drum ?kit|drumset",
    "drummachine": r"drum[- ]machines?|808s?|909s?",
    "electricpiano": r"electric pianos?|wurlitzer",
    "guitar": r"guitars?",
    "keyboard": r"keyboards?|keys(?! of)",
    "orchestra": r"orchestra(?:l|tion)?",
    "pad": r"(?:synth )?pads?",
    "piano": r"(?<!electric )pianos?",
    "rhodes": r"rhodes",
    "sampler": r"samplers?|samples",
    "saxophone": r"saxophones?|sax",
    "strings": r"strings|string section",
    "synthesizer": r"synth(?:s|esi[sz]ers?)?",
    "voice": r"vocals?|voices?|singers?|singing|sung",
}
_DENIAL = re.compile(r"\b(?:no|without(?: any)?)\s+(?:\w+\s+)?$", re.IGNORECASE)
_NOT_AFTER = {
    "bass": re.compile(r"(?:double|upright)[- ]$", re.IGNORECASE),
    "beat": re.compile(rf"(?:\d|{'|'.join(COUNT_WORDS)})\s+$", re.IGNORECASE),
}


@dataclass(frozen=True)
class Key:
    """A tonic as a pitch class, 0 for C, and ``major`` or ``minor``."""

    tonic: int
    scale: str


def claimed_bpm(text: str) -> list[float]:
    """Tempi in the order they are claimed; a range claims its middle.

    >>> claimed_bpm("A track at 128 BPM, or 120-124 beats per minute"), claimed_bpm("tempo of around 90")
    ([128.0, 122.0], [90.0])
    """
    found = []
    for low, high, alone in _BPM.findall(text):
        values = [float(number) for number in (low, high, alone) if number]
        found.append(sum(values) / len(values))
    return [bpm for bpm in found if 20 <= bpm <= 400]


def claimed_keys(text: str) -> list[Key]:
    """Keys in the order they are claimed. "A minor" at the start of a sentence may be any minor thing.

    >>> claimed_keys("It is in E♭ major, then in F-sharp minor. A minor change follows.")
    [Key(tonic=3, scale='major'), Key(tonic=6, scale='minor')]
    """
    keys = []
    for match in _KEY.finditer(text):
        accidental = match["accidental"]
        if match["tonic"] == "A" and accidental is None and match["start"] is not None:
            continue
        tonic = (PITCH_CLASSES[match["tonic"]] + _ACCIDENTALS.get(accidental or "", 0)) % 12
        keys.append(Key(tonic, "major" if match["scale"].startswith("maj") else "minor"))
    return keys


def claimed_instruments(text: str) -> set[str]:
    """Labels of the instrument head that a text names; what it denies ("no drums") is not named.

    An instrument's own name does not count as that of its family: "double bass" is no "bass".

    >>> sorted(claimed_instruments("Electric guitar over a drum machine; there are no vocals."))
    ['drummachine', 'electricguitar', 'guitar']
    """
    found = set()
    for label, words in INSTRUMENTS.items():
        pattern = _SYNONYMS.get(label, rf"{re.escape(words)}s?")
        for match in re.finditer(rf"\b(?:{pattern})\b", text, re.IGNORECASE):
            before = text[: match.start()]
            other = _NOT_AFTER.get(label)
            if not _DENIAL.search(before) and not (other and other.search(before)):
                found.add(label)
    return found


def mentioned_labels(text: str, labels: Iterable[str]) -> set[str]:
    """Those of `labels` (genres, moods) that a text names in their written form.

    >>> sorted(mentioned_labels("Deep house for a happy crowd", ["Electronic---Deep House", "happy", "sad"]))
    ['Electronic---Deep House', 'happy']
    """
    spaced = re.sub(r"[\s/-]+", " ", text.lower())
    return {
        label
        for label in labels
        if re.search(rf"\b{re.escape(re.sub(r'[-/ ]+', ' ', genre_words(label).lower()))}\b", spaced)
    }
