"""What tables and views there are: the query behind `sql` without one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from audio_assets.resources.lake import quote

if TYPE_CHECKING:
    from audio_assets.engine.platform import Platform
    from audio_assets.resources.query import Connection

BESIDE_DESCRIPTION = 36
"""Columns that the other values take up, besides the longest name."""


def tables_query(connection: Connection, platform: Platform, width: int | None) -> str:
    """SQL for the tables and views of the lake by group, with rows and what they hold, in `width` characters."""
    found = connection.sql(
        "SELECT table_name, true FROM duckdb_tables() WHERE database_name = 'lake' "
        "UNION ALL SELECT view_name, false FROM duckdb_views() WHERE database_name = 'lake' AND NOT internal"
    )
    assert found is not None
    described = _described(platform)
    rows, longest = [], 0
    for name, is_table in found.fetchall():
        group, text = described.get(name, ("other", ""))
        quoted_name = name.replace('"', '""')
        count = f'(SELECT count(*) FROM "{quoted_name}")' if is_table else "NULL"
        rows.append(
            f"({quote(group)}, {quote(name)}, {quote('table' if is_table else 'view')}, {count}, {quote(text)})"
        )
        longest = max(longest, len(name))
    room = None if width is None else max(20, width - longest - BESIDE_DESCRIPTION)
    shown = "description" if room is None else f"left(description, {room})"
    return (
        f'SELECT "group", name, kind, "rows", {shown} AS description '
        f'FROM (VALUES {", ".join(rows)}) AS t("group", name, kind, "rows", description) '
        "ORDER BY ALL"
    )


def _described(platform: Platform) -> dict[str, tuple[str, str]]:
    """Group and first line of description, by name."""
    from audio_assets.engine.platform import OWN_TABLES

    found = {table.name: ("platform", table.doc) for table in OWN_TABLES}
    found |= {table.name: ("catalog", table.doc) for table in platform.tables}
    found |= {path.stem: ("views", _first_comment(path)) for path in platform.views}
    for asset in platform.graph.assets:
        for table in asset.tables:
            found[table.stored_as] = (asset.group, table.doc)
            found[table.name] = (asset.group, table.doc)
    return {name: (group, " ".join(text.split("\n\n")[0].split())) for name, (group, text) in found.items()}


def _first_comment(path: Path) -> str:
    return path.read_text(encoding="utf-8").splitlines()[0].removeprefix("--").strip()
