"""Assets that compute next to nothing, so that what the engine adds is all there is to measure."""

from __future__ import annotations

from pathlib import Path

from audio_assets.engine import FLOAT, INTEGER, TEXT, Column, Item, ItemKind, Table, item_asset


def open_note(item: Item) -> str:
    return Path(item.path).read_text(encoding="utf-8")


NOTE = ItemKind("note", "notes", open_note)

SIZES = Table("sizes", NOTE, [Column("characters", INTEGER, doc="Length of the note")])
FIRSTS = Table("firsts", NOTE, [Column("first", TEXT, doc="First word")])
VECTORS = Table("vectors", NOTE, [Column("vector", FLOAT, length=128, doc="As long as an embedding")])
TOKENS = Table("tokens", NOTE, [Column("token", TEXT, doc="A word")], rows="many")


@item_asset(table=SIZES, group="overhead", code_version="1")
def sizes(note: str) -> dict[str, int]:
    return {"characters": len(note)}


@item_asset(table=FIRSTS, group="overhead", code_version="1")
def firsts(note: str) -> dict[str, str]:
    return {"first": note.split(maxsplit=1)[0]}


@item_asset(table=VECTORS, group="overhead", code_version="1")
def vectors(note: str, sizes: dict[str, int]) -> dict[str, list[float]]:
    return {"vector": [float(sizes["characters"])] * 128}


@item_asset(table=TOKENS, group="overhead", code_version="1")
def tokens(note: str) -> list[dict[str, str]]:
    return [{"token": word} for word in note.split()]
