"""`musicbrainz_matches`: the published recording that a track most likely is."""

from __future__ import annotations

from typing import Any

from audio_assets.assets.catalog import TRACK
from audio_assets.audio.signal import Signal
from audio_assets.backends.metadata_lookup import METADATA_LOOKUP_ROLE, MetadataLookup, Query
from audio_assets.backends.metadata_lookup.scoring import score_candidate
from audio_assets.engine import FLOAT, INTEGER, TEXT, Column, NotApplicable, Table, item_asset

TAGS_ASKED = ("title", "artist", "year", "duration_s", "isrc")

MUSICBRAINZ_MATCHES = Table(
    "musicbrainz_matches",
    item=TRACK,
    doc="The best of the recordings that MusicBrainz finds by ISRC, or by title and artist.",
    columns=[
        Column("score", FLOAT, low=0, high=1, nullable=False, doc="Length 0.5, year 0.3, artist 0.2"),
        Column("runner_up_score", FLOAT, low=0, high=1, doc="Score of the second; NULL if there is none"),
        Column("candidate_count", INTEGER, low=1, nullable=False, doc="Number of recordings found"),
        Column("recording_id", TEXT, nullable=False, doc="MusicBrainz recording"),
        Column("title", TEXT, nullable=False, doc="Its title"),
        Column("artist", TEXT, doc="Its artist as credited"),
        Column("artist_ids", TEXT, length="any", doc="MusicBrainz artists"),
        Column("year", INTEGER, doc="Year of the first release"),
        Column("recording_duration_s", FLOAT, unit="s", low=0, doc="Length of the recording there"),
        Column("isrcs", TEXT, length="any", doc="International Standard Recording Codes"),
        Column("release_id", TEXT, doc="MusicBrainz release, one of those it is on"),
        Column("release", TEXT, doc="Title of that release"),
        Column("spotify_id", TEXT, doc="Spotify track that MusicBrainz links to"),
    ],
)


@item_asset(
    table=MUSICBRAINZ_MATCHES,
    group="metadata",
    code_version="1",
    roles=(METADATA_LOOKUP_ROLE,),
    reads=TAGS_ASKED,
)
def musicbrainz_matches(
    track: Signal, *, metadata_lookup: MetadataLookup, record: dict[str, Any]
) -> dict[str, Any]:
    query = Query(**{name: record[name] for name in TAGS_ASKED})
    found = metadata_lookup.candidates(query)
    if not found:
        raise NotApplicable("no recording of its title and artist is known")
    scores = [score_candidate(query, candidate) for candidate in found]
    # The service ranks by text; of equal scores its first is the best.
    best, *others = sorted(range(len(found)), key=lambda index: -scores[index])
    match = metadata_lookup.details(found[best])
    return {
        "score": min(scores[best], 1.0),
        "runner_up_score": min(scores[others[0]], 1.0) if others else None,
        "candidate_count": len(found),
        "recording_id": match.recording_id,
        "title": match.title,
        "artist": match.artist,
        "artist_ids": list(match.artist_ids),
        "year": match.year,
        "recording_duration_s": match.duration_s,
        "isrcs": list(match.isrcs),
        "release_id": match.release_id,
        "release": match.release,
        "spotify_id": match.spotify_id,
    }
