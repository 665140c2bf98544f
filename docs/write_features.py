"""Writes docs/features.md from the tables' declarations: ``python docs/write_features.py``."""

from __future__ import annotations

from pathlib import Path

from audio_assets.assemble import build_platform
from audio_assets.engine.declare.tables import Column, Table
from audio_assets.settings import get_settings

DOCUMENT = Path(__file__).with_name("features.md")
HEAD = """# Tables and columns

Written by `docs/write_features.py` from the declarations in `audio_assets/assets/`, which are also the lake's
table `data_dictionary`. Besides these columns tables have those that say what a row belongs to: `item` and
`fingerprint` (`checkpoint` too where a trained model made it), `fingerprint` where it was computed from all items,
`checkpoint` where it evaluates one. NULL means that a value has no answer for an item. Definitions, sources and
conventions stand in the modules of `audio_assets/features/`.
"""


def row(column: Column) -> str:
    """A column as a row of a Markdown table."""
    values = f"{column.range_text}" if column.has_range else (column.unit or "")
    return f"| `{column.name}` | {column.sql_type} | {values} | {column.doc.replace('|', chr(92) + '|')} |"


def section(table: Table, doc: str, per: str) -> str:
    """A table's section."""
    rows = "\n".join(["| column | type | range or unit | |", "|---|---|---|---|", *map(row, table.columns)])
    return f"## {table.name}\n\n{doc} ({per})\n\n{rows}\n"


def text() -> str:
    """The document."""
    graph = build_platform(get_settings()).graph
    sections = [HEAD]
    for asset in graph.item_assets:
        per = f"{asset.table.rows} row{'s' if asset.table.rows == 'many' else ''} per {asset.item.name}"
        sections.append(section(asset.table, asset.description, per))
    for collection in graph.collections:
        per = f"computed from all {collection.item.plural} together"
        sections += [section(table, table.doc, per) for table in collection.tables]
    for training in graph.trainings:
        per = f"measured on each checkpoint of {training.name}"
        sections += [section(table, table.doc, per) for table in training.tables]
    return "\n".join(sections)


if __name__ == "__main__":
    DOCUMENT.write_text(text(), encoding="utf-8")
