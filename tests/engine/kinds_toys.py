"""Assets over two kinds of item, with upstream values that need not be there."""

from __future__ import annotations

from audio_assets.engine import (
    FLOAT,
    INTEGER,
    TEXT,
    Collection,
    Column,
    Item,
    ItemKind,
    Table,
    Trained,
    Training,
    collection_asset,
    item_asset,
    training_asset,
)
from tests.engine.learning_toys import ScaleConfig, leave
from tests.engine.toys import NOTE


def open_talk(item: Item) -> str:
    return item.key


TALK = ItemKind("talk", "talks", open_talk)
TALK_LENGTHS = Table("talk_lengths", TALK, [Column("characters", INTEGER, doc="Length")])


@item_asset(table=TALK_LENGTHS, group="toys", code_version="1")
def talk_lengths(talk: str) -> dict[str, int]:
    return {"characters": len(talk)}


@training_asset(
    items=[NOTE, TALK],
    upstream=["lengths", "talk_lengths", "words"],
    optional=["words"],
    config=ScaleConfig,
    group="toys",
    code_version="1",
    min_items=2,
)
def both(training: Training, config: ScaleConfig) -> Trained:
    """The mean length of notes and talks, and how many words there are."""
    found = [*training.rows("lengths")["characters"], *training.rows("talk_lengths")["characters"]]
    return leave(training, sum(found) / len(found), {"words": float(len(training.rows("words")))})


COUNTS = Table("counts", None, [Column("name", TEXT, doc="Of what"), Column("count", FLOAT, doc="How many")])


@collection_asset(
    item=NOTE, upstream=["lengths", "words"], optional=["words"], tables=[COUNTS], reads=["duration_s"],
    group="toys", code_version="1",
)  # fmt: skip
def counts(notes: Collection, *, factor: float = 1.0) -> dict[str, list[dict[str, object]]]:
    seconds = sum(item.record["duration_s"] for item in notes.items.values())
    rows = {"lengths": len(notes.rows("lengths")), "words": len(notes.rows("words")), "seconds": seconds}
    return {"counts": [{"name": name, "count": factor * count} for name, count in rows.items()]}
