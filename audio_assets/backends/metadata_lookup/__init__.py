"""Metadata look-up: which published recording a track may be, by its tags and its length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from audio_assets.engine.declare.roles import Role


@dataclass(frozen=True)
class Query:
    """What a track says of itself."""

    title: str | None
    artist: str | None
    year: int | None
    duration_s: float
    isrc: str | None = None


@dataclass(frozen=True)
class Candidate:
    """A recording that a service knows; None where it does not say.

    `year` is that of its first release.
    """

    recording_id: str
    title: str
    artist: str | None = None
    artist_ids: tuple[str, ...] = ()
    year: int | None = None
    duration_s: float | None = None
    isrcs: tuple[str, ...] = ()
    release_id: str | None = None
    release: str | None = None
    spotify_id: str | None = None


class MetadataLookup(Protocol):
    """What plays the role `metadata_lookup`."""

    def candidates(self, query: Query) -> list[Candidate]:
        """Recordings that a track may be, in the order of the service.

        Raises:
            NotApplicable: look-up is off, the machine is off-line, or the track has too little to ask by.
        """
        ...

    def details(self, candidate: Candidate) -> Candidate:
        """The candidate with what only a look-up of its own tells: ISRCs and its place on Spotify.

        Raises:
            NotApplicable: as `candidates`.
        """
        ...


METADATA_LOOKUP_ROLE = Role(
    "metadata_lookup",
    {
        "embedded": "audio_assets.backends.metadata_lookup.embedded:NoLookup",
        "published": "audio_assets.backends.metadata_lookup.musicbrainz:MusicBrainz",
    },
)
