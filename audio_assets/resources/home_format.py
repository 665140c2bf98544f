"""The format of a home: one number in its lake, which says what the values in it mean.

It rises when older values would be misread: another identity of items, other fingerprints, other keys of
objects. Tables and columns that come and go need no new one. A home of another format is refused before
anything is written.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from audio_assets.resources.lake import LakeError

FORMAT = 1
STATE_TABLE = "platform_state"
"""Every home has had it; tables that others made in a lake say nothing of its format."""


class HomeFormatError(LakeError):
    """The home has another format than this version reads and writes."""


def check_format(connection: duckdb.DuckDBPyConnection, home: Path) -> None:
    """Make sure that a lake is of this version's format, or new; `connection` is one to it.

    Raises:
        HomeFormatError: it is of another format, or of none though the platform has tables in it.
    """
    columns = connection.execute(
        "SELECT column_name FROM duckdb_columns() "
        f"WHERE database_name = 'lake' AND table_name = '{STATE_TABLE}'"
    ).fetchall()
    if not columns:
        return
    rows = (
        connection.execute(f"SELECT format FROM {STATE_TABLE}").fetchall() if ("format",) in columns else []
    )
    found = rows[0][0] if rows else None
    if found == FORMAT:
        return
    if found is not None and found > FORMAT:
        raise HomeFormatError(
            f"The home {home} has format {found} and this audio-assets reads format {FORMAT}: "
            "install a newer audio-assets."
        )
    was = "no format, as those of early versions," if found is None else f"format {found}"
    raise HomeFormatError(
        f"The home {home} has {was} and this audio-assets reads format {FORMAT}: make a new home "
        "(AUDIO_ASSETS_HOME names its folder) and ingest again."
    )
