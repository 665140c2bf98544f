"""The inspection of one file as an item asset, so that workers can do it in isolation.

It is no asset of the graph: what it finds goes into the catalog, not into a table of its own.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from audio_assets.engine import TEXT, Column, Item, ItemKind, Table, item_asset
from audio_assets.ingest.folders import Kind
from audio_assets.ingest.inspect import inspect
from audio_assets.ingest.uris import from_uri


@dataclass(frozen=True)
class FileToInspect:
    """A file for a worker; `root` and `kind` as `inspect` takes them."""

    path: Path
    root: Path
    kind: Kind | None


def _open_file(item: Item) -> FileToInspect:
    return FileToInspect(from_uri(item.path), from_uri(item.record["root"]), item.record["kind"])


FILE = ItemKind("file", "files", _open_file, "A file that may become a track or an episode.")


@item_asset(
    table=Table("recordings", FILE, [Column("json", TEXT, doc="The `Recording` as JSON")]),
    group="catalog",
    code_version="1",
)
def recordings(file: FileToInspect) -> dict[str, str]:
    """Inspect one file."""
    return {"json": json.dumps(asdict(inspect(file.path, file.root, file.kind)))}
