"""Damage: what the lake names and storage has not, or not as it was written.

Every file of the tables is looked for, measured and read; every object that a table names is looked for, and its bytes
compared with the hash in its key; checkpoints are compared with theirs, and kept plans opened. This reads all there
is. A bit that turned in a table's file and leaves it readable is not seen.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any

import duckdb

from audio_assets.engine.declare.asset import EVERY_ITEM, Asset
from audio_assets.engine.declare.item_asset import ItemAsset
from audio_assets.engine.declare.training_asset import TrainingAsset
from audio_assets.engine.platform import OWN_TABLES, Platform
from audio_assets.engine.state.checkpoints import CHECKPOINT_FILES
from audio_assets.engine.state.kept import FOLDER, SUMMARY
from audio_assets.resources.ducklake import TableFile, table_files
from audio_assets.resources.lake import quote, quoted
from audio_assets.resources.objects import ObjectError

_HASH = re.compile(r"-([0-9a-f]{16})\.[^./]+$")
"""The end of a key that tells the bytes; see `engine.run.blobs`."""


@dataclass(frozen=True)
class Lost:
    """Something that is not there as it was written: a file of a table, an object, a checkpoint or a plan."""

    what: str
    of: str
    name: str
    found: str


@dataclass
class Damage:
    """All that is lost. `entries` are those of the ledger whose objects are: asset, item and checkpoint."""

    lost: list[Lost] = field(default_factory=list)
    files: list[TableFile] = field(default_factory=list)
    entries: set[tuple[str, str, str]] = field(default_factory=set)
    checkpoints: dict[str, str] = field(default_factory=dict)
    plans: list[str] = field(default_factory=list)


def find_damage(platform: Platform) -> Damage:
    """Compare what the lake names with what is there.

    Raises:
        LakeError: the catalog itself cannot be read.
    """
    damage = Damage()
    with platform.lake.get_connection() as connection:
        for file in table_files(connection):
            found = _fault_of_file(platform, connection, file)
            if found:
                damage.files.append(file)
                what = "deleted rows" if file.is_delete else "rows"
                damage.lost.append(Lost(what, file.table, file.path, found))
    unreadable = {file.table for file in damage.files}
    for table, column in platform.object_columns:
        if table not in unreadable:
            _look_at_objects(platform, table, column, damage)
    if not unreadable & {table.name for table in OWN_TABLES}:
        _look_at_checkpoints(platform, damage)
    _look_at_plans(platform, damage)
    return damage


def _fault_of_file(platform: Platform, connection: duckdb.DuckDBPyConnection, file: TableFile) -> str | None:
    """What is wrong with a file of a table."""
    size = platform.lake.files.size(file.path)
    if size is None:
        return "gone"
    if size != file.size:
        return f"{size} bytes, wanted {file.size}"
    address = f"{platform.lake.data.rstrip('/')}/{file.path}"
    try:  # a hash of each row, for which all its values are read
        query = f"SELECT count(*), bit_xor(hash(r)) FROM read_parquet({quote(address)}) AS r"
        rows = connection.execute(query).fetchall()
    except duckdb.Error as error:
        return f"unreadable: {str(error).splitlines()[0]}"
    return None if rows[0][0] == file.rows else f"{rows[0][0]} rows, wanted {file.rows}"


def _look_at_objects(platform: Platform, table: str, column: str, damage: Damage) -> None:
    asset = next(a for a in platform.graph.assets if table in {t.stored_as for t in a.tables})
    keys = value_keys(asset, table)
    item = "item" if "item" in keys else quote(EVERY_ITEM)
    checkpoint = "checkpoint" if "checkpoint" in keys else "''"
    rows = platform.lake.rows(
        f'SELECT DISTINCT {item}, {checkpoint}, "{column}" FROM "{table}" WHERE "{column}" IS NOT NULL ORDER BY ALL'
    )
    for item_key, checkpoint_key, key in rows:
        found = fault_of_object(platform, key)
        if found:
            damage.lost.append(Lost("object", asset.name, key, found))
            damage.entries.add((asset.name, item_key, checkpoint_key))


def value_keys(asset: Asset, table: str) -> tuple[str, ...]:
    """The columns by which the ledger knows what a table's row belongs to; none: it is of all items together."""
    if not isinstance(asset, ItemAsset):
        return ("checkpoint",) if isinstance(asset, TrainingAsset) else ()
    engines = {column.name for t in asset.tables if t.stored_as == table for column in t.keys}
    return ("item", "checkpoint") if "checkpoint" in engines else ("item",)


def tells_its_bytes(key: str) -> bool:
    """Whether a key ends in the hash of its object's bytes."""
    return _HASH.search(key) is not None


def fault_of_object(platform: Platform, key: str) -> str | None:
    """What is wrong with an object, as far as its key tells; None: nothing."""
    if not platform.objects.holds(key):
        return "gone"
    wanted = _HASH.search(key)
    if wanted is None:
        return None
    return _fault_of_bytes(platform, key, hashlib.blake2b(digest_size=8), wanted[1])


def _fault_of_bytes(platform: Platform, key: str, digest: Any, wanted: str) -> str | None:
    """What is wrong with an object that is there and whose hash is known."""
    try:
        for block in platform.objects.blocks(key):
            digest.update(block)
    except Exception as error:  # whatever a disk or a bucket says
        return f"unreadable: {(str(error).splitlines() or [''])[0]}"
    return None if digest.hexdigest() == wanted else "other bytes"


def _look_at_checkpoints(platform: Platform, damage: Damage) -> None:
    """Those that the ledger says are good: each has its files, and the items that it was made from."""
    rows = platform.lake.rows(
        "SELECT l.asset, l.checkpoint, c.folder, c.files_json, i.checkpoint IS NOT NULL FROM ledger l "
        "LEFT JOIN checkpoints c ON c.checkpoint = l.checkpoint "
        "LEFT JOIN (SELECT DISTINCT checkpoint FROM training_items) i ON i.checkpoint = l.checkpoint "
        f"WHERE l.outcome = 'ok' AND l.asset IN (SELECT unnest({quoted(t.name for t in platform.graph.trainings)}))"
        "ORDER BY ALL"
    )
    for asset, checkpoint, folder, digests, has_items in rows:
        if folder is None or not has_items:
            found = {checkpoint: "its row is gone" if folder is None else "its items are gone"}
        else:
            wanted: dict[str, str | None] = (
                json.loads(digests) if digests else dict.fromkeys(CHECKPOINT_FILES)
            )
            found = {
                f"{folder}/{name}": fault
                for name, digest in wanted.items()
                if (fault := _fault_of_checkpoint(platform, f"{folder}/{name}", digest))
            }
        for name, fault in found.items():
            damage.lost.append(Lost("checkpoint", asset, name, fault))
            damage.checkpoints[checkpoint] = asset


def _fault_of_checkpoint(platform: Platform, key: str, wanted: str | None) -> str | None:
    """What is wrong with a checkpoint's file of a hash; None: it was not written down."""
    if not platform.objects.holds(key):
        return "gone"
    if wanted is None:
        return None
    return _fault_of_bytes(platform, key, hashlib.sha256(), wanted)


def _look_at_plans(platform: Platform, damage: Damage) -> None:
    for key, _ in list(platform.objects.modified()):
        if not key.startswith(f"{FOLDER}/"):
            continue
        try:
            if key.endswith(SUMMARY):
                json.loads(platform.objects.get(key))["counts"]
            else:
                _open_parquet(platform, key)
        except (ValueError, KeyError, TypeError, OSError, ObjectError):
            if platform.objects.holds(key):  # else its run has ended meanwhile
                damage.lost.append(Lost("plan", "a run under way", key, "unreadable"))
                damage.plans.append(key)


def _open_parquet(platform: Platform, key: str) -> None:
    from pyarrow.parquet import ParquetFile

    with ParquetFile(platform.objects.local_file(key, platform.settings.home / "cache")) as file:
        for _ in file.iter_batches():
            pass
