"""Deleting objects that nothing names, and never on missing proof.

An object is deleted if it is old, nothing names it when all are listed, and, with no writer about, still nothing
does and it is still old: a run that uses an object again makes it young before it names it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

import duckdb

from audio_assets.engine.platform import DICTIONARY, STATE, Platform
from audio_assets.engine.run.trainings import kept_snapshot
from audio_assets.engine.state.kept import FOLDER
from audio_assets.resources.belonging import check_objects
from audio_assets.resources.lake import LakeError, quoted
from audio_assets.resources.tracking import training_root

LEAST_AGE = timedelta(days=1)
"""Younger objects are kept whatever is configured: a run stores them before it names them."""

AT_ONCE = 200
"""Objects that are looked at and deleted while writers wait."""

Query = Callable[[str], list[tuple[object, ...]]]


def collect_objects(platform: Platform, before: datetime) -> int:
    """Delete objects older than `before`, and than a day, that nothing names any more; the number deleted.

    What tables name is kept, now and at the snapshots that checkpoints were trained on, and so are the
    checkpoints themselves, and the objects of tables that no module declares any more.

    Raises:
        LakeError: lake and object storage do not belong together, or no object would be left; nothing is
            deleted then.
    """
    ((lake_id,),) = platform.lake.rows(f"SELECT lake_id FROM {STATE.name}")
    check_objects(platform.objects, lake_id)
    before = min(before, datetime.now(UTC) - LEAST_AGE)
    versions = snapshots_of_checkpoints(platform)
    named = named_objects(platform, platform.lake.rows, versions)
    folders = _folders(platform.lake.rows)
    undeclared = _undeclared_tables(platform)
    present = dict(platform.objects.modified())
    unused = [
        key
        for key, when in present.items()
        if when < before
        and key not in named
        and key.rpartition("/")[0] not in folders
        and key.partition("/")[0] not in undeclared
    ]
    of_assets = {key for key in present if not key.startswith(f"{FOLDER}/")}
    if (named and not named & set(present)) or (of_assets and of_assets <= set(unused)):
        raise LakeError(
            f"{platform.objects.root} holds {len(of_assets)} objects, and of the {len(named)} that the lake names "
            "none: either lake and objects are not those of each other (check AUDIO_ASSETS_OBJECTS and "
            "AUDIO_ASSETS_LAKE_CATALOG), or all may go, and then delete them yourself. Nothing was deleted."
        )
    groups = (unused[n : n + AT_ONCE] for n in range(0, len(unused), AT_ONCE))
    return sum(_delete(platform, keys, before, versions) for keys in groups)


def _delete(platform: Platform, keys: list[str], before: datetime, known: set[int]) -> int:
    """Delete those of `keys` that are still old and not named, while nobody writes to the lake."""
    deleted: list[str] = []

    def change(connection: duckdb.DuckDBPyConnection) -> None:
        def rows(query: str) -> list[tuple[object, ...]]:
            return connection.execute(query).fetchall()

        new = snapshots_of_checkpoints(platform) - known
        named, folders = named_objects(platform, rows, new, keys), _folders(rows)
        for key in keys:
            if key in named or key.rpartition("/")[0] in folders:
                continue
            when = platform.objects.written_at(key)
            if when is not None and when < before:
                platform.objects.delete([key])
                deleted.append(key)

    platform.lake.write(change)
    return len(deleted)


def snapshots_of_checkpoints(platform: Platform) -> set[int]:
    """Those that checkpoints were trained on, and those of trainings that were interrupted and may go on."""
    done = {snapshot for (snapshot,) in platform.lake.rows("SELECT snapshot FROM checkpoints")}
    query = "SELECT snapshot_id FROM ducklake_snapshots('lake')"
    there = {snapshot for (snapshot,) in platform.lake.rows(query)}
    folders = training_root(platform.settings).glob("*/*/")
    begun = {snapshot for folder in folders if (snapshot := kept_snapshot(folder)) is not None}
    return done | (begun & there)  # one that expired before would fail every look at it


def named_objects(
    platform: Platform, query: Query, versions: Iterable[int], keys: list[str] | None = None
) -> set[object]:
    """The objects (of `keys`) that tables name, now and at snapshots, where some columns may not exist yet."""
    named: set[object] = set()
    for version in (None, *sorted(versions)):
        at = "" if version is None else f" AT (VERSION => {version})"
        for table, column in platform.object_columns:
            only = "" if keys is None else f' WHERE "{column}" IN (SELECT unnest({quoted(keys)}))'
            try:
                rows = query(f'SELECT DISTINCT "{column}" FROM "{table}"{at}{only}')
            except (duckdb.CatalogException, duckdb.BinderException):
                if version is None:
                    raise
                continue
            named |= {key for (key,) in rows if key is not None}
    return named


def _folders(query: Query) -> set[object]:
    """The folders of checkpoints."""
    return {folder for (folder,) in query("SELECT folder FROM checkpoints")}


def _undeclared_tables(platform: Platform) -> set[str]:
    """Tables of the lake of which the data dictionary knows nothing, e.g. of a module not set now."""
    query = (
        "SELECT table_name FROM duckdb_tables() WHERE database_name = 'lake' "
        f"AND table_name NOT IN (SELECT table_name FROM {DICTIONARY.name})"
    )
    return {name for (name,) in platform.lake.rows(query)}
