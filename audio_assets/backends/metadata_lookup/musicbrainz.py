"""Metadata from the MusicBrainz web service, version 2: a search, and a look-up of the recording chosen.

https://musicbrainz.org/doc/MusicBrainz_API: at most one request a second, with a User-Agent that says who
asks. Its core data are CC0. Spotify's identifiers are those that MusicBrainz links to.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from audio_assets.backends.metadata_lookup import Candidate, Query
from audio_assets.backends.metadata_lookup.web import ServiceError, WebService
from audio_assets.engine.declare.outcomes import NotApplicable

SITE = "https://musicbrainz.org/ws/2"
MOST_CANDIDATES = 10

_SPECIAL = re.compile(r'([+\-&|!(){}\[\]^"~*?:\\/])')
_SPOTIFY = re.compile(r"https?://open\.spotify\.com/(?:intl-\w+/)?track/(\w+)")


class MusicBrainz:
    """The service at `site`; answers are kept in a folder of `cache`.

    `contact` is the address or the page that a heavy user should give; `options` are those of `WebService`.
    """

    name = "musicbrainz"
    revision = "ws/2"
    licence = "CC0-1.0"

    def __init__(self, cache: Path, contact: str = "", site: str = SITE, **options: float) -> None:
        version = importlib.metadata.version("audio-assets")
        agent = f"audio-assets/{version} ( {contact} )" if contact else f"audio-assets/{version}"
        self._site = site
        self._web = WebService(cache / "musicbrainz", agent, **options)

    def candidates(self, query: Query) -> list[Candidate]:
        """As `MetadataLookup.candidates`.

        Raises:
            ServiceError: see `WebService.get`, or the answer is not what the service documents.
        """
        parameters = {"query": lucene(query), "limit": MOST_CANDIDATES, "fmt": "json"}
        url = f"{self._site}/recording?{urlencode(parameters)}"
        return [_candidate(found, url) for found in _entries(self._web.get(url), "recordings", url)]

    def details(self, candidate: Candidate) -> Candidate:
        """As `MetadataLookup.details`; raises as `candidates` does."""
        url = f"{self._site}/recording/{candidate.recording_id}?inc=isrcs+url-rels&fmt=json"
        answer = self._web.get(url)
        isrcs = tuple(map(str, answer.get("isrcs") or ())) or candidate.isrcs
        links = [str((link.get("url") or {}).get("resource")) for link in _entries(answer, "relations", url)]
        matches = [match for link in links if (match := _SPOTIFY.match(link))]
        return replace(candidate, isrcs=isrcs, spotify_id=matches[0][1] if matches else None)


def lucene(query: Query) -> str:
    """The search for a track: by its ISRC if it has one, else by title and artist.

    >>> lucene(Query("Who? (Live)", "AC/DC", 1980, 200.0))
    'recording:"Who\\\\? \\\\(Live\\\\)" AND artist:"AC\\\\/DC"'

    Raises:
        NotApplicable: there is neither ISRC nor title.
    """
    if query.isrc:
        return f"isrc:{_SPECIAL.sub('', query.isrc).upper()}"
    if not query.title:
        raise NotApplicable("the track has no title to look it up by")
    terms = [f'recording:"{_escaped(query.title)}"']
    if query.artist:
        terms.append(f'artist:"{_escaped(query.artist)}"')
    return " AND ".join(terms)


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)


def _entries(answer: Mapping[str, Any], name: str, url: str) -> list[Mapping[str, Any]]:
    found = answer.get(name) or []
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise ServiceError(
            f"{url}: found {name} that are no list of objects; wanted an answer of MusicBrainz"
        )
    return found


def _candidate(entry: Mapping[str, Any], url: str) -> Candidate:
    try:
        credits = entry.get("artist-credit") or []
        names = [f"{credit['name']}{credit.get('joinphrase') or ''}" for credit in credits]
        date = re.match(r"[12]\d{3}", entry.get("first-release-date") or "")
        release = (entry.get("releases") or [{}])[0]
        length_ms = entry.get("length")
        return Candidate(
            recording_id=str(entry["id"]),
            title=str(entry["title"]),
            artist="".join(names).strip() or None,
            artist_ids=tuple(str(credit["artist"]["id"]) for credit in credits),
            year=int(date[0]) if date else None,
            duration_s=None if length_ms is None else float(length_ms) / 1000,
            isrcs=tuple(map(str, entry.get("isrcs") or ())),
            release_id=release.get("id"),
            release=release.get("title"),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ServiceError(
            f"{url}: found a recording that cannot be read ({type(error).__name__}: {error}); wanted one of "
            "MusicBrainz"
        ) from error
