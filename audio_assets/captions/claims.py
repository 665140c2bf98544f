"""What a caption claims that can be measured: tempo, key, metre, instruments and labels, read from its text.

Claims of tempo, key and metre say where they stand in the text, so that they can be put right.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from audio_assets.captions.vocabulary import COUNT_WORDS, INSTRUMENTS, genre_words

PITCH_CLASSES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_ACCIDENTALS = {"#": 1, "♯": 1, "sharp": 1, "b": -1, "♭": -1, "flat": -1}

_NUMBER = r"(?<![\d.])\d{2,3}(?:\.\d+)?"
_BPM = re.compile(
    rf"(?:(?P<start>(?:(?:between|from)\s+)?(?P<low>{_NUMBER})\s*(?:-|–|to)\s*"
    rf"|between\s+(?P<least>{_NUMBER})\s+and\s+))?"
    rf"(?P<high>{_NUMBER})\s*-?\s*(?:bpm\b|beats per minute|beats a minute)"
    rf"|\b(?:bpm|tempo)\s*(?:is|of|at|:|around|about|approximately|roughly|\s)*\s"
    rf"(?P<named>{_NUMBER})(?:\s*(?:-|–|to)\s*(?P<most>{_NUMBER}))?\b",
    re.IGNORECASE,
)
_KEY = re.compile(
    r"(?P<start>^|[.!?]\s+)?(?<![A-Za-z])(?P<tonic>[A-G])"
    r"(?:\s*-?\s*(?P<accidental>#|♯|♭|sharp|flat|b(?![a-z])))?"
    r"(?P<join>\s*-?\s*)(?P<scale>[Mm]ajor|[Mm]inor|[Mm]aj|[Mm]in)\b(?!\s+(?:[Cc]hord|[Tt]riad))"
)
_METRE = re.compile(
    r"(?<![\d/.])(?P<upper>[2-9]|1[0-9])/(?P<lower>[248]|16)(?![\d/])(?!\s+(?:of|through|into)\b)"
    r"|\b(?P<common>common)\s+time\b"
    rf"|\b(?P<count>[2-9]|1[0-9]|{'|'.join(COUNT_WORDS[2:])})\s+beats\s+"
    r"(?:to|per|in|a)\s+(?:(?:the|each|every|a)\s+)?(?:bar|measure)\b",
    re.IGNORECASE,
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


@dataclass(frozen=True)
class Claim:
    """Where a claim stands: ``text[start:end]``."""

    start: int
    end: int


@dataclass(frozen=True)
class TempoClaim(Claim):
    """Of a tempo, or of a range with its bounds, in bpm."""

    low: float
    high: float

    @property
    def bpm(self) -> float:
        """The tempo, or the middle of the range."""
        return (self.low + self.high) / 2


@dataclass(frozen=True)
class KeyClaim(Claim):
    """Of a key; `join` stands between tonic and scale, `opens` is whether it opens a sentence."""

    key: Key
    join: str
    opens: bool


@dataclass(frozen=True)
class MetreClaim(Claim):
    """Of beats in a bar: as a fraction with the denominator `lower`, or in words, then `lower` is None."""

    beats: int
    lower: int | None


def tempo_claims(text: str) -> list[TempoClaim]:
    """Tempi in the order they are claimed.

    >>> [(claim.low, claim.high) for claim in tempo_claims("between 118 and 122 BPM, later 128 bpm")]
    [(118.0, 122.0), (128.0, 128.0)]
    """
    claims = []
    for match in _BPM.finditer(text):
        if match["named"]:
            start, end = match.start("named"), match.end("most" if match["most"] else "named")
            bounds = (float(match["named"]), float(match["most"] or match["named"]))
        else:
            start, end = match.start("start" if match["start"] else "high"), match.end("high")
            bounds = (float(match["low"] or match["least"] or match["high"]), float(match["high"]))
        claims.append(TempoClaim(start, end, min(bounds), max(bounds)))
    return [claim for claim in claims if 20 <= claim.bpm <= 400]


def claimed_bpm(text: str) -> list[float]:
    """Tempi in the order they are claimed; a range claims its middle.

    >>> claimed_bpm("A track at 128 BPM, or 120-124 beats per minute"), claimed_bpm("tempo of around 90")
    ([128.0, 122.0], [90.0])
    """
    return [claim.bpm for claim in tempo_claims(text)]


def key_claims(text: str) -> list[KeyClaim]:
    """Keys in the order they are claimed; "an F major chord" is none.

    "A minor" at the start of a sentence may be any minor thing; "A-minor" is a key there too.
    """
    claims = []
    for match in _KEY.finditer(text):
        accidental, join = match["accidental"], match["join"]
        opens = match["start"] is not None
        if match["tonic"] == "A" and accidental is None and opens and "-" not in join:
            continue
        tonic = (PITCH_CLASSES[match["tonic"]] + _ACCIDENTALS.get(accidental or "", 0)) % 12
        key = Key(tonic, "major" if match["scale"].lower().startswith("maj") else "minor")
        claims.append(KeyClaim(match.start("tonic"), match.end("scale"), key, join, opens))
    return claims


def claimed_keys(text: str) -> list[Key]:
    """Keys in the order they are claimed.

    >>> claimed_keys("It is in E♭ major, then in F-sharp minor. A minor change follows.")
    [Key(tonic=3, scale='major'), Key(tonic=6, scale='minor')]
    """
    return [claim.key for claim in key_claims(text)]


def metre_claims(text: str) -> list[MetreClaim]:
    """Beats in a bar in the order they are claimed; "3/4 of the song" is no metre.

    >>> [(claim.beats, claim.lower) for claim in metre_claims("In 6/8 at first, then four beats to the bar")]
    [(6, 8), (4, None)]
    """
    claims = []
    for match in _METRE.finditer(text):
        if match["upper"]:
            claims.append(MetreClaim(*match.span(), int(match["upper"]), int(match["lower"])))
        elif match["common"]:
            claims.append(MetreClaim(*match.span("common"), 4, 4))
        else:
            word = match["count"].lower()
            count = int(word) if word.isdigit() else COUNT_WORDS.index(word)
            claims.append(MetreClaim(match.start("count"), match.end("count"), count, None))
    return claims


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
