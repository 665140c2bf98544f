"""Tables as Parquet files: the wide view `track_features`, and every table of tracks by its name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from audio_assets.assets.catalog import TRACK
from audio_assets.engine.platform import Platform
from audio_assets.export.common import Export, ExportReport
from audio_assets.resources.lake import quote, quoted
from audio_assets.resources.scratch import scratch_folder

VIEW = "track_features"


def export_parquet(platform: Platform, keys: Sequence[str] | None, folder: Path) -> ExportReport:
    """Write ``track_features.parquet``, ``tracks.parquet`` and one file for each table of tracks.

    Rows are in the order of items; a table without rows is a file without rows, so that whoever reads
    all of them finds all.

    Raises:
        ExportError: nothing can be exported at all; see `Export`.
    """
    export = Export(platform, keys, folder)
    tables = [asset.name for asset in platform.graph.item_assets if asset.item is TRACK]
    with scratch_folder() as staged, platform.lake.get_connection() as connection:
        for table in (VIEW, TRACK.plural, *tables):
            path = staged / f"{table}.parquet"
            connection.execute(
                f'COPY (SELECT * FROM "{table}" WHERE item IN (SELECT unnest({quoted(export.items)})) '
                f"ORDER BY ALL) TO {quote(str(path))} (FORMAT parquet, COMPRESSION zstd)"
            )
            export.write(path.name, path.read_bytes())
    return export.report
