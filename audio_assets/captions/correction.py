"""Revision of captions without a model: claims that contradict what was measured are put right, no others.

Tempi in bpm, keys and metres are held against the facts. Captions also tell how a piece changes, so a text
of which one claim of tempo agrees contradicts nothing in that, whatever its other tempi are; the same goes
for keys and for metres.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from audio_assets.captions import Facts
from audio_assets.captions.agreement import TEMPO_TOLERANCE, measured_key
from audio_assets.captions.claims import (
    Claim,
    KeyClaim,
    MetreClaim,
    TempoClaim,
    key_claims,
    metre_claims,
    tempo_claims,
)
from audio_assets.captions.vocabulary import COUNT_WORDS, key_words

_SAYS_KEY = re.compile(
    r"\b(?:in|keys?(?:\s+(?:of|is|around)|:)?|tonality(?:\s+(?:of|is)|:)?)\s+$",
    re.IGNORECASE,
)
_CHANGES_KEY = re.compile(
    r"\b(?:then|(?:modulat|chang|shift)\w+\s+(?:up\s+|down\s+)?(?:in)?to)\s+$", re.IGNORECASE
)
_ON_CHORDS = re.compile(r"\b(?:chord|triad|harmon|progression)[^.!?]*$", re.IGNORECASE)
_ARTICLE = re.compile(r"\b(an?)(\s+)$", re.IGNORECASE)
_SPOKEN_WITH_VOWEL = re.compile(r"8|1[18](?!\d)|[AEF][#b]?[ -]|[aei]")
"""Eight, eleven and eighteen; A, E and F with their accidentals; words."""


class Change(NamedTuple):
    """``text[start:end]`` becomes `text`."""

    start: int
    end: int
    text: str


def corrected(text: str, facts: Facts) -> str:
    """The text with claims put right that contradict the facts; one without such claims as it is.

    >>> corrected("A waltz at 90 bpm in C major.", Facts(bpm=120.0, key="A", scale="minor"))
    'A waltz at 120 bpm in A minor.'
    """
    changes = [*_tempo_changes(text, facts), *_key_changes(text, facts), *_metre_changes(text, facts)]
    for change in sorted(changes, reverse=True):
        before, after = text[: change.start], text[change.end :]
        text = f"{_with_right_article(before, change.text)}{change.text}{after}"
    return text


def _tempo_changes(text: str, facts: Facts) -> list[Change]:
    """A range that has the measured tempo in it agrees; another becomes "around" that tempo."""
    if facts.bpm is None:
        return []
    claims = tempo_claims(text)
    if any(_has_tempo(claim, facts.bpm) for claim in claims):
        return []
    return [_change(claim, _tempo_words(text[claim.start : claim.end], facts.bpm)) for claim in claims]


def _has_tempo(claim: TempoClaim, bpm: float) -> bool:
    return claim.low - TEMPO_TOLERANCE * bpm <= bpm <= claim.high + TEMPO_TOLERANCE * bpm


def _tempo_words(claimed: str, bpm: float) -> str:
    """With as many decimals as were claimed, one at most."""
    number = f"{bpm:.1f}" if "." in claimed else f"{bpm:.0f}"
    return f"around {number}" if claimed[0].isalpha() else number


def _key_changes(text: str, facts: Facts) -> list[Change]:
    """What is said to be the key, else the first key named: others may be chords, or keys of later parts."""
    measured = measured_key(facts)
    claims = key_claims(text)
    if measured is None or facts.key is None or facts.scale is None or not claims:
        return []
    said = [claim for claim in claims if _SAYS_KEY.search(text[: claim.start])]
    first = [claim for claim in claims[:1] if not _ON_CHORDS.search(text[: claim.start])]
    later = [claim for claim in claims if _CHANGES_KEY.search(text[: claim.start])]
    keys = said or first
    if not keys or any(claim.key == measured for claim in (*keys, *later)):
        return []
    words = key_words(facts.key, facts.scale)
    wrong = [claim for claim in claims if claim.key == keys[0].key and claim in (*first, *said)]
    return [_change(claim, words.replace(" ", "-") if _hyphened(claim) else words) for claim in wrong]


def _hyphened(claim: KeyClaim) -> bool:
    # "A minor" where a sentence begins would no longer be read as a key.
    return "-" in claim.join or claim.opens


def _metre_changes(text: str, facts: Facts) -> list[Change]:
    """Beats are written as quarters where the claim counts eighths; a bar of one beat is no metre."""
    beats = facts.beats_per_bar
    if beats is None or beats < 2:
        return []
    claims = metre_claims(text)
    if any(beats in _beats_of(claim) for claim in claims):
        return []
    return [_change(claim, _metre_words(text[claim.start : claim.end], claim, beats)) for claim in claims]


def _beats_of(claim: MetreClaim) -> set[int]:
    """What a tracker counts in such bars: of 6/8 six beats, or two of three eighths each."""
    compound = claim.lower in {8, 16} and claim.beats % 3 == 0 and claim.beats > 3
    return {claim.beats, claim.beats // 3} if compound else {claim.beats}


def _metre_words(claimed: str, claim: MetreClaim, beats: int) -> str:
    if claim.lower is not None:
        return f"{beats}/{claim.lower if claim.lower <= 4 else 4}"
    if claimed.isdigit() or beats >= len(COUNT_WORDS):
        return str(beats)
    word = COUNT_WORDS[beats]
    return word.capitalize() if claimed[0].isupper() else word


def _change(claim: Claim, text: str) -> Change:
    return Change(claim.start, claim.end, text)


def _with_right_article(before: str, following: str) -> str:
    """`before` with the "a" or "an" at its end as `following` wants it."""
    match = _ARTICLE.search(before)
    if match is None:
        return before
    article = match[1][0] + ("n" if _SPOKEN_WITH_VOWEL.match(following) else "")
    return f"{before[: match.start()]}{article}{match[2]}"
