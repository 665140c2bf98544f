"""A lake whose rows a test writes itself: what exports and reports read, without computing anything."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from audio_assets.assemble import build_platform
from audio_assets.engine.platform import Platform
from audio_assets.engine.state.ledger import LEDGER_COLUMNS, arrow_table
from audio_assets.ingest.catalog import CATALOG_TABLES
from audio_assets.ingest.inspect import hash_file
from audio_assets.ingest.uris import to_uri
from audio_assets.settings import Settings

Row = dict[str, Any]


class SmallCatalog:
    """A platform in a folder of its own; what it is given is there after `store`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.platform: Platform = build_platform(Settings(home=folder / "home"))
        self.platform.prepare()
        self._waiting: dict[str, tuple[Sequence[Any], list[Row]]] = {}

    def add(
        self,
        key: str,
        samples: np.ndarray,
        rate: int = 44_100,
        *,
        file: str = "",
        kind: str = "tracks",
        subtype: str = "PCM_16",
        **record: Any,
    ) -> Path:
        """Write `samples` (``[channels, n]``) as a file and put it into the catalog."""
        path = self.folder / "audio" / (file or f"{key}.wav")
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.atleast_2d(samples).T, rate, subtype=subtype)
        status = path.stat()
        channels, n = np.atleast_2d(samples).shape
        row = {
            "item": key,
            "content_hash": hash_file(path),
            "path": to_uri(path),
            "duration_s": n / rate,
            "size_bytes": status.st_size,
            "modified_ns": status.st_mtime_ns,
            "sample_rate": rate,
            "channels": channels,
            "codec": "pcm_s16",
            "bit_depth": {"PCM_16": 16, "PCM_24": 24}.get(subtype),
            **record,
        }
        self._insert(kind, CATALOG_TABLES[kind], [row])
        self._insert("locations", CATALOG_TABLES["locations"], [{"uri": to_uri(path), "item": key}])
        return path

    def put(self, table: str, key: str, rows: Sequence[Row]) -> None:
        """Give an item rows of a table; columns that are left out are NULL."""
        columns = self.platform.graph.by_name[table].table.all_columns
        self._insert(table, columns, [{"item": key, "fingerprint": f"{table}-{key}", **row} for row in rows])
        self.end(table, key, "ok")

    def end(self, asset: str, key: str, outcome: str, reason: str | None = None, **values: Any) -> None:
        """Write a line of the ledger."""
        entry = {
            "asset": asset,
            "item": key,
            "outcome": outcome,
            "reason": reason,
            "fingerprint": f"{asset}-{key}",
            "code_version": "1",
            "seconds": 0.25,
            "computed_at": datetime(2025, 2, 3, 4, 5, tzinfo=UTC),
            **values,
        }
        self._insert("ledger", LEDGER_COLUMNS, [entry])

    def reject(self, path: Path, reason: str) -> None:
        """Write a line of the rejected files."""
        row = {"uri": to_uri(path), "reason": reason, "seen_at": datetime(2025, 2, 3, tzinfo=UTC)}
        self._insert("rejected_files", CATALOG_TABLES["rejected_files"], [row])

    def store(self) -> None:
        """Write all that was given, in one transaction."""
        waiting, self._waiting = self._waiting, {}

        def change(connection: Any) -> None:
            for table, (columns, rows) in waiting.items():
                connection.register("new_rows", arrow_table(columns, rows))
                connection.execute(f'INSERT INTO "{table}" BY NAME SELECT * FROM new_rows')
                connection.unregister("new_rows")

        self.platform.lake.write(change)

    def _insert(self, table: str, columns: Sequence[Any], rows: Sequence[Row]) -> None:
        self._waiting.setdefault(table, (columns, []))[1].extend(rows)
