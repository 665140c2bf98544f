"""Labels of genre, mood and instrument, and what goes with them, from one pass of the tagger over a track.

Published weights are CC BY-NC-SA 4.0: not for commercial use, and the ledger carries the licence to
whatever is trained on these tables. Without weights all three are not applicable.
"""

from __future__ import annotations

from typing import Any

from audio_assets.assets.catalog import TRACK
from audio_assets.audio.signal import Signal
from audio_assets.backends.tags import EMBEDDING_WIDTH, SAMPLE_RATE, TAGS_ROLE, Tagger, TrackTags
from audio_assets.engine import FLOAT, INTEGER, TEXT, Column, Table, item_asset

Row = dict[str, Any]

GROUP = "tags"

TAGS = Table(
    "tags",
    item=TRACK,
    rows="many",
    doc="All 496 labels of genre, mood and instrument with their probabilities; `top_tags` has the likely.",
    columns=[
        Column("family", TEXT, nullable=False, doc="genre (400), mood_theme (56) or instrument (40)"),
        Column("label", TEXT, nullable=False, doc="Name of the class in the published model"),
        Column("probability", FLOAT, low=0, high=1, nullable=False, doc="Mean over patches of two seconds"),
    ],
)

BINARY_LABELS = Table(
    "binary_labels",
    item=TRACK,
    doc="Probabilities of one class of two, from heads on VGGish embeddings.",
    columns=[
        Column("danceable_probability", FLOAT, low=0, high=1, doc="Danceable rather than not"),
        Column("atonal_probability", FLOAT, low=0, high=1, doc="Atonal rather than tonal"),
        Column("voice_probability", FLOAT, low=0, high=1, doc="Voice rather than instrumental"),
        Column(
            "female_probability",
            FLOAT,
            low=0,
            high=1,
            doc="Female rather than male singer; NULL where a voice is unlikely (below 0.5)",
        ),
    ],
)

TAG_EMBEDDINGS = Table(
    "tag_embeddings",
    item=TRACK,
    doc="Discogs-EffNet embedding of a track, for similarity and for classifiers of your own.",
    columns=[
        Column("embedding", FLOAT, length=EMBEDDING_WIDTH, nullable=False, doc="Mean over the patches"),
        Column("patch_count", INTEGER, low=1, nullable=False, doc="Number of patches"),
    ],
)


@item_asset(table=TAGS, group=GROUP, code_version="1", roles=(TAGS_ROLE,), pool="gpu")
def tags(track: Signal, *, tags: Tagger) -> list[Row]:
    found = _found(track, tags)
    return [
        {"family": label.family, "label": label.label, "probability": label.probability}
        for label in found.labels
    ]


@item_asset(table=BINARY_LABELS, group=GROUP, code_version="1", roles=(TAGS_ROLE,), pool="gpu")
def binary_labels(track: Signal, *, tags: Tagger) -> Row:
    binary = _found(track, tags).binary
    return {
        "danceable_probability": binary.danceable,
        "atonal_probability": binary.atonal,
        "voice_probability": binary.voice,
        "female_probability": binary.female,
    }


@item_asset(table=TAG_EMBEDDINGS, group=GROUP, code_version="1", roles=(TAGS_ROLE,), pool="gpu")
def tag_embeddings(track: Signal, *, tags: Tagger) -> Row:
    found = _found(track, tags)
    return {"embedding": found.embedding, "patch_count": found.patch_count}


def _found(track: Signal, tagger: Tagger) -> TrackTags:
    return track.once(_tagged, tagger)


def _tagged(track: Signal, tagger: Tagger) -> TrackTags:
    return tagger.tags(track.mono(SAMPLE_RATE))
