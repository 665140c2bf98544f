"""Writes docs/features.md from the tables' declarations: ``python docs/write_features.py``."""

from __future__ import annotations

from pathlib import Path

from audio_assets.assemble import build_platform
from audio_assets.engine.declare.tables import Column
from audio_assets.settings import get_settings

DOCUMENT = Path(__file__).with_name("features.md")
HEAD = """# Tables and columns

Written by `docs/write_features.py` from the declarations in `audio_assets/assets/`, which are also the lake's
table `data_dictionary`. Every table has the columns `item` and `fingerprint` besides these; NULL means that a
value has no answer for an item. Definitions, sources and conventions stand in the modules of
`audio_assets/features/`.
"""


def row(column: Column) -> str:
    """A column as a row of a Markdown table."""
    values = f"{column.range_text}" if column.has_range else (column.unit or "")
    return f"| `{column.name}` | {column.sql_type} | {values} | {column.doc.replace('|', chr(92) + '|')} |"


def text() -> str:
    """The document."""
    sections = [HEAD]
    platform = build_platform(get_settings())
    for asset in platform.graph.assets:
        per = f"{asset.table.rows} row{'s' if asset.table.rows == 'many' else ''} per {asset.item.name}"
        lines = [row(column) for column in asset.table.columns]
        table = "\n".join(["| column | type | range or unit | |", "|---|---|---|---|", *lines])
        sections.append(f"## {asset.name}\n\n{asset.description} ({per})\n\n{table}\n")
    for collection in platform.collections:
        for result in collection.tables:
            table = "\n".join(
                ["| column | type | range or unit | |", "|---|---|---|---|", *map(row, result.columns)]
            )
            per = f"computed from all {collection.item.plural} together"
            sections.append(f"## {result.name}\n\n{result.doc} ({per})\n\n{table}\n")
    return "\n".join(sections)


if __name__ == "__main__":
    DOCUMENT.write_text(text(), encoding="utf-8")
