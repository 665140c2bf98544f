"""How well a candidate fits a track, 0 to 1: length 0.5, year 0.3, artist 0.2.

What is not known on either side counts nothing.
"""

from __future__ import annotations

from difflib import SequenceMatcher

from audio_assets.backends.metadata_lookup import Candidate, Query


def score_candidate(query: Query, candidate: Candidate) -> float:
    """The sum of the three parts.

    >>> known = Candidate("id", "Song", artist="The Band", year=1998, duration_s=180.0)
    >>> score_candidate(Query("Song", "the band", 1998, 181.0), known)
    1.0
    """
    return (
        duration_score(query.duration_s, candidate.duration_s)
        + year_score(query.year, candidate.year)
        + artist_score(query.artist, candidate.artist)
    )


def duration_score(seconds: float, other: float | None) -> float:
    """0.5 below 2 s of difference, falling by 0.05 a second below 10 s, then 0.05 below 30 s."""
    if other is None:
        return 0.0
    difference = abs(seconds - other)
    if difference < 2:
        return 0.5
    if difference < 10:
        return 0.5 - (difference - 2) * 0.05
    return 0.05 if difference < 30 else 0.0


def year_score(year: int | None, other: int | None) -> float:
    """0.3 of the same year, 0.2 one year apart, 0.1 up to three."""
    if year is None or other is None:
        return 0.0
    difference = abs(year - other)
    return {0: 0.3, 1: 0.2}.get(difference, 0.1 if difference <= 3 else 0.0)


def artist_score(name: str | None, other: str | None) -> float:
    """0.2 times the similarity of the lower-cased names (Ratcliff and Obershelp)."""
    if not name or not other:
        return 0.0
    return 0.2 * SequenceMatcher(None, name.lower().strip(), other.lower().strip(), autojunk=False).ratio()
