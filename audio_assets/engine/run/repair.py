"""Repair: what is lost is marked as missing, so that the next run makes exactly that again.

Files of tables that are lost are taken out of the catalog; then the entries of the ledger go whose rows, objects or
files are lost, and rows that no entry speaks of. What is to be done is written down first: a repair that was
killed is gone on with by the next.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import duckdb

from audio_assets.engine.declare.asset import Asset
from audio_assets.engine.declare.collection_asset import CollectionAsset
from audio_assets.engine.declare.item_asset import ItemAsset
from audio_assets.engine.declare.tables import Table
from audio_assets.engine.platform import OWN_TABLES, STATE, Platform
from audio_assets.engine.run.damage import Damage, value_keys
from audio_assets.engine.state.adoption import ADOPTIONS, SHOWN, Adopted
from audio_assets.engine.state.catalog import text_table
from audio_assets.engine.state.checkpoints import CHECKPOINTS, TRAINING_ITEMS
from audio_assets.engine.state.ledger import LEDGER
from audio_assets.resources.ducklake import TableFile, drop_files
from audio_assets.resources.home_format import FORMAT
from audio_assets.resources.lake import quote, quoted
from audio_assets.whole_files import replacing

BEGUN = "repair.json"
"""In the home: the files that a repair has begun to take out of the catalog."""


def begun_repair(home: Path) -> list[TableFile]:
    """The files that a repair, which did not end, was about to take out of the catalog."""
    try:
        return [TableFile(**file) for file in json.loads((home / BEGUN).read_bytes())]
    except (FileNotFoundError, ValueError, TypeError):
        return []


def steps(platform: Platform, damage: Damage) -> Iterator[str]:
    """What a repair will do, in words."""
    for table in sorted({file.table for file in damage.files}):
        files = [file for file in damage.files if file.table == table]
        rows = sum(file.rows for file in files if not file.is_delete)
        yield (f"{table}: files taken out: {len(files)}, with at most {rows} rows; {_again(platform, table)}")
    for asset in sorted({asset for asset, _, _ in damage.entries}):
        count = sum(asset == name for name, _, _ in damage.entries)
        yield (f"{asset}: {count} values have lost objects; `audio-assets run {asset}` makes them again")
    adopted = {found.checkpoint.checkpoint for found in _adopted(platform, damage).values()}
    for checkpoint, asset in sorted(damage.checkpoints.items()):
        was = ", which is adopted and will not be," if checkpoint in adopted else ""
        yield (
            f"{asset}: checkpoint {checkpoint}{was} is lost; `audio-assets run {asset}` trains it again, "
            "`audio-assets adopt` adopts another"
        )
    if damage.plans:
        yield (f"{len(damage.plans)} files of plans are removed: runs under way are to be started again")


def _adopted(platform: Platform, damage: Damage) -> dict[str, Adopted]:
    lost = {file.table for file in damage.files}
    if not damage.checkpoints or lost & {ADOPTIONS.name, CHECKPOINTS.name}:
        return {}
    return dict(platform.adopted(damage.checkpoints.values()))


def _again(platform: Platform, table: str) -> str:
    """How what was in a table comes back."""
    catalogs = {name for kind in platform.graph.kinds for name in (kind.plural, text_table(kind.plural))}
    if table in catalogs | {t.stored_as for t in platform.tables}:
        return "ingest again what is missing then"
    if table == LEDGER.name:
        return "what it told of is computed again"
    if table in (ADOPTIONS.name, SHOWN.name):
        return "`audio-assets adopt` tells which checkpoints are adopted"
    if table in {own.name for own in OWN_TABLES}:
        return "trainings that they told of are trained again"
    assets = [a for a in platform.graph.assets if table in {t.stored_as for t in a.tables}]
    return (
        f"`audio-assets run {assets[0].name}` makes them again" if assets else "nothing here makes them again"
    )


def repair(platform: Platform, damage: Damage) -> None:
    """Mark all that is lost as missing.

    Raises:
        LakeError: the lake cannot be written; `repair` goes on where it was.
    """
    home = platform.settings.home
    files = list(dict.fromkeys([*begun_repair(home), *damage.files]))
    if files:
        with replacing(home / BEGUN) as journal:
            journal.write(json.dumps([asdict(file) for file in files]).encode())
    if damage.files:
        there = [file.path for file in damage.files if platform.lake.files.holds(file.path)]
        platform.lake.write(lambda connection: drop_files(connection, damage.files, there))
    if STATE.name in {file.table for file in files}:
        platform.lake.write(lambda connection: _restore_state(connection, platform))
    platform.prepare(missing_objects=True)
    platform.lake.write(lambda connection: _forget(connection, platform, damage, files))
    if damage.plans:
        platform.objects.delete(damage.plans)
    (home / BEGUN).unlink(missing_ok=True)


def _restore_state(connection: duckdb.DuckDBPyConnection, platform: Platform) -> None:
    """The home's format, without which it is refused; tables are declared anew when it is prepared."""
    lake_id = platform.objects.lake_id
    value = "NULL" if lake_id is None else quote(lake_id)
    connection.execute(f"DELETE FROM {STATE.name}")
    connection.execute(
        f"INSERT INTO {STATE.name} (format, schema_hash, lake_id) VALUES ({FORMAT}, '', {value})"
    )


def _forget(
    connection: duckdb.DuckDBPyConnection, platform: Platform, damage: Damage, files: list[TableFile]
) -> None:
    """Remove the entries of what is lost, and then the rows that no entry speaks of."""
    for name, item, checkpoint in damage.entries:
        connection.execute(
            f"DELETE FROM {LEDGER.name} WHERE asset = {quote(name)} AND item = {quote(item)} "
            + (f"AND checkpoint = {quote(checkpoint)}" if checkpoint else "")
        )
    by_table: dict[str, list[TableFile]] = {}
    for file in files:
        by_table.setdefault(file.table, []).append(file)
    for asset in platform.graph.assets:
        for table in asset.tables:
            lost = by_table.get(table.stored_as)
            if lost:
                _forget_values(connection, asset, table, lost)
    _forget_checkpoints(connection, platform, damage)
    for kind in platform.graph.kinds:
        _keep_both(connection, kind.plural, text_table(kind.plural))
    if by_table.keys() & {t.stored_as for t in platform.tables}:
        _forget_files(connection, platform)
    for one in platform.graph.assets:
        if isinstance(one, ItemAsset | CollectionAsset):  # a training's rows are replaced with its checkpoint
            _drop_rows_without_entry(connection, one)


def _forget_values(
    connection: duckdb.DuckDBPyConnection, asset: Asset, table: Table, lost: list[TableFile]
) -> None:
    """Remove the good entries of an asset whose rows were in files that are lost, wholly or in part."""
    keys = value_keys(asset, table.stored_as)
    entries = f"DELETE FROM {LEDGER.name} AS l WHERE asset = {quote(asset.name)} AND outcome = 'ok'"
    if not keys:
        connection.execute(entries)
        return
    same = " AND ".join(f"r.{key} = l.{key}" for key in keys)
    rows = f'SELECT 1 FROM "{table.stored_as}" r WHERE {same}'
    gone = f"NOT EXISTS ({rows})"
    if table.rows == "many":  # those of one item may have been in several files
        partly = " OR ".join(f"r.snapshot_id BETWEEN {file.first} AND {file.last}" for file in lost)
        gone = f"({gone} OR EXISTS ({rows} AND ({partly})))"
    ranges = " OR ".join(_within(file) for file in lost) if "item" in keys else "true"
    connection.execute(f"{entries} AND ({ranges}) AND {gone}")


def _within(file: TableFile) -> str:
    if file.least is None or file.greatest is None:
        return "true"
    return f"item BETWEEN {quote(file.least)} AND {quote(file.greatest)}"


def _forget_checkpoints(connection: duckdb.DuckDBPyConnection, platform: Platform, damage: Damage) -> None:
    """Remove the good entries of checkpoints that are lost, and their adoptions."""
    trainings = quoted(training.name for training in platform.graph.trainings)
    lost = f"checkpoint IN (SELECT unnest({quoted(damage.checkpoints)}))"
    gone = " OR ".join(
        f"checkpoint NOT IN (SELECT checkpoint FROM {table.name})" for table in (CHECKPOINTS, TRAINING_ITEMS)
    )
    of_trainings = f"asset IN (SELECT unnest({trainings})) AND outcome = 'ok'"
    connection.execute(f"DELETE FROM {LEDGER.name} WHERE {of_trainings} AND ({lost} OR {gone})")
    connection.execute(
        f"DELETE FROM {ADOPTIONS.name} WHERE checkpoint NOT IN "
        f"(SELECT checkpoint FROM {LEDGER.name} WHERE {of_trainings})"
    )


def _keep_both(connection: duckdb.DuckDBPyConnection, plural: str, text: str) -> None:
    """Leave only items that both tables of a catalog have."""
    for one, other in ((plural, text), (text, plural)):
        connection.execute(f'DELETE FROM "{one}" WHERE item NOT IN (SELECT item FROM "{other}")')


def _forget_files(connection: duckdb.DuckDBPyConnection, platform: Platform) -> None:
    """Remove what is known of files whose items are lost, so that ingest takes them for new."""
    catalogs = [kind.plural for kind in platform.graph.kinds]
    there = " UNION ".join(f'SELECT item FROM "{name}"' for name in catalogs)
    for table in platform.tables:
        names = {column.name for column in table.columns}
        if {"item", "uri"} <= names:
            connection.execute(f'DELETE FROM "{table.name}" WHERE item NOT IN ({there})')


def _drop_rows_without_entry(connection: duckdb.DuckDBPyConnection, asset: Asset) -> None:
    entries = f"FROM {LEDGER.name} WHERE asset = {quote(asset.name)}"
    for table in asset.tables:
        keys = ", ".join(value_keys(asset, table.stored_as))
        told = (
            f"({keys}) IN (SELECT ({keys}) {entries} AND outcome = 'ok')"
            if keys
            else f"EXISTS (SELECT 1 {entries})"
        )
        connection.execute(f'DELETE FROM "{table.stored_as}" WHERE NOT {told}')
