"""How well a caption's claims agree with what was measured, 0 to 1; None where one of the two is missing."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import astuple, dataclass

from audio_assets.captions import Facts
from audio_assets.captions.claims import (
    Key,
    claimed_bpm,
    claimed_instruments,
    claimed_keys,
    mentioned_labels,
)

TEMPO_TOLERANCE = 0.04
"""Of tempo accuracy 1 and 2 (Gouyon et al., 2006)."""


@dataclass(frozen=True)
class Agreement:
    """Scores of one caption, 0..1 or None; see the functions of this module."""

    tempo: float | None
    key: float | None
    instruments: float | None
    tags: float | None

    @property
    def mean(self) -> float | None:
        """The mean of those that there are."""
        found = [score for score in astuple(self) if score is not None]
        return sum(found) / len(found) if found else None


def measure_agreement(text: str, facts: Facts) -> Agreement:
    """The agreement of a caption with all facts that it can be held against."""
    measured = measured_key(facts)
    labels = None if facts.genres is None else (*facts.genres[:3], *(facts.moods or ())[:3])
    return Agreement(
        tempo=mean_of([tempo_score(bpm, facts.bpm) for bpm in claimed_bpm(text)]) if facts.bpm else None,
        key=mean_of([key_score(key, measured) for key in claimed_keys(text)[:1]]) if measured else None,
        instruments=instrument_score(claimed_instruments(text), facts.instruments),
        tags=tag_score(mentioned_labels(text, labels), labels) if labels else None,
    )


def tempo_score(claimed: float, measured: float) -> float:
    """1 within 4 %; 0.5 within 4 % of twice, half, three times or a third; else 0.

    >>> tempo_score(124, 120), tempo_score(61, 120), tempo_score(100, 120)
    (1.0, 0.5, 0.0)
    """
    for factor, score in ((1, 1.0), (2, 0.5), (1 / 2, 0.5), (3, 0.5), (1 / 3, 0.5)):
        if abs(claimed - factor * measured) <= TEMPO_TOLERANCE * factor * measured:
            return score
    return 0.0


def key_score(claimed: Key, measured: Key) -> float:
    """MIREX weighted score: the same key 1, a fifth above it 0.5, its relative 0.3, its parallel 0.2.

    >>> key_score(Key(0, "major"), Key(9, "minor"))
    0.3
    """
    interval = (claimed.tonic - measured.tonic) % 12
    if claimed.scale == measured.scale:
        return {0: 1.0, 7: 0.5}.get(interval, 0.0)
    if interval == 0:
        return 0.2
    return 0.3 if interval == (9 if measured.scale == "major" else 3) else 0.0


def instrument_score(claimed: Collection[str], measured: Sequence[str] | None) -> float | None:
    """F1 of the instruments named against those that are likely; None if there are none of either.

    >>> instrument_score({"piano", "bass"}, ["piano", "drums"])
    0.5
    """
    if measured is None or not (claimed or measured):
        return None
    return 2 * len(set(claimed) & set(measured)) / (len(set(claimed)) + len(set(measured)))


def tag_score(mentioned: Collection[str], labels: Collection[str]) -> float:
    """Share of the likeliest genres and moods that are named.

    >>> tag_score({"happy"}, ["happy", "calm"])
    0.5
    """
    return len(set(mentioned)) / len(set(labels))


def measured_key(facts: Facts) -> Key | None:
    """The key that was measured."""
    if not facts.key or not facts.scale:
        return None
    (key,) = claimed_keys(f"in {facts.key} {facts.scale}") or (None,)
    return key


def mean_of(scores: Sequence[float]) -> float | None:
    """The mean, None of nothing."""
    return sum(scores) / len(scores) if scores else None


def ensemble(texts: Mapping[str, str], facts: Facts) -> str:
    """One caption of several: the one that agrees best, and from the others what it leaves out.

    A sentence is taken over if it claims a tempo, key or instruments where the caption so far claims
    none, and each of these that it claims agrees with what was measured by half or better. Of equals the
    first wins.

    Raises:
        ValueError: there is no text.
    """
    if not texts:
        raise ValueError("found no captions to make one of; wanted at least one")
    ranked = sorted(texts.values(), key=lambda text: -(measure_agreement(text, facts).mean or 0.0))
    chosen, *others = ranked
    for other in others:
        for sentence in re.split(r"(?<=[.!?])\s+", other):
            scores = _scores_of_claims(sentence, facts)
            if scores.keys() - _scores_of_claims(chosen, facts).keys() and min(scores.values()) >= 0.5:
                chosen = f"{chosen} {sentence}"
    return chosen


def _scores_of_claims(text: str, facts: Facts) -> dict[str, float]:
    """Scores of the tempo, key and instruments that a text claims, where they were measured."""
    found = measure_agreement(text, facts)
    scores = {"tempo": found.tempo, "key": found.key}
    if claimed_instruments(text):
        scores["instruments"] = found.instruments
    return {claim: score for claim, score in scores.items() if score is not None}
