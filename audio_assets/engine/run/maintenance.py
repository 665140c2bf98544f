"""Maintenance: small files merged, old snapshots expired, objects deleted that nothing names.

Checkpoints name the snapshot they were trained on; those snapshots and their objects are always kept.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import duckdb

from audio_assets.engine.platform import Platform
from audio_assets.engine.run.storage_lock import alone_with_files
from audio_assets.engine.run.tracked import settle_mlflow_runs
from audio_assets.engine.run.unused_objects import collect_objects, snapshots_of_checkpoints
from audio_assets.engine.state.adoption import shown_checkpoints
from audio_assets.resources.lake import quote, quoted
from audio_assets.resources.tracking import flush_all
from audio_assets.whole_files import sweep_staged


@dataclass(frozen=True)
class Collected:
    """What a maintenance run removed."""

    snapshots_expired: int
    objects_deleted: int


def maintain(platform: Platform, keep_days: int) -> Collected:
    """Merge small files, expire snapshots older than `keep_days`, delete objects no table names."""
    platform.prepare()
    with alone_with_files(platform.settings.home):
        return _maintain(platform, keep_days)


def _maintain(platform: Platform, keep_days: int) -> Collected:
    before = datetime.now(UTC) - timedelta(days=keep_days)
    _drop_values_of_old_checkpoints(platform, before)
    kept = snapshots_of_checkpoints(platform)
    _call(platform, "ducklake_flush_inlined_data('lake')")
    _call(platform, "ducklake_merge_adjacent_files('lake')")
    old = platform.lake.rows(
        "SELECT snapshot_id FROM ducklake_snapshots('lake') WHERE snapshot_time < ? "
        "AND snapshot_id < (SELECT max(snapshot_id) FROM ducklake_snapshots('lake'))",
        [before],
    )
    expired = [snapshot for (snapshot,) in old if snapshot not in kept]
    if expired:
        _call(platform, "ducklake_expire_snapshots('lake', versions => ?)", expired)
    _call(platform, "ducklake_cleanup_old_files('lake', older_than => ?)", before)
    a_day_ago = datetime.now(UTC) - timedelta(days=1)
    sweep_staged(platform.settings.home, a_day_ago.timestamp())
    flush_all(platform.settings)  # what MLflow could not be told while it was away
    settle_mlflow_runs(platform)
    return Collected(len(expired), collect_objects(platform, before))


def _drop_values_of_old_checkpoints(platform: Platform, before: datetime) -> None:
    """Delete values, older than `before`, of checkpoints that are neither adopted nor shown any more."""
    assets = [asset for asset in platform.graph.item_assets if asset.model]
    adopted = platform.adopted(asset.name for asset in assets)
    shown = shown_checkpoints(platform.lake)
    for asset in assets:
        kept = {shown.get(asset.name)}
        if asset.model in adopted:
            kept.add(adopted[asset.model].checkpoint.checkpoint)
        old = (
            f"asset = {quote(asset.name)} AND computed_at < {quote(before.isoformat())}::TIMESTAMPTZ "
            f"AND checkpoint NOT IN (SELECT unnest({quoted(filter(None, kept))}))"
        )

        def change(
            connection: duckdb.DuckDBPyConnection, old: str = old, stored: str = asset.table.stored_as
        ) -> None:
            connection.execute(
                f'DELETE FROM "{stored}" WHERE (item, checkpoint) IN '
                f"(SELECT (item, checkpoint) FROM ledger WHERE {old})"
            )
            connection.execute(f"DELETE FROM ledger WHERE {old}")

        platform.lake.write(change)


def _call(platform: Platform, procedure: str, *parameters: object) -> None:
    """Call a procedure of DuckLake's as a writer among others, so that it takes its turn."""
    platform.lake.write(lambda c: c.execute(f"CALL {procedure}", list(parameters)).fetchall())
