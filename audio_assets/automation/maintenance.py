"""Maintenance: small files merged, old snapshots expired, unreferenced objects deleted.

Training runs name the snapshot they read; snapshots that a training names are never expired.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg

from audio_assets.engine.platform import Platform
from audio_assets.engine.tables import OBJECT
from audio_assets.resources.lake import LakeError


class MaintenanceConfig(dg.Config):  # type: ignore[misc]
    """How much is kept."""

    keep_days: int = 30
    """Snapshots (time travel) and objects younger than this are kept."""


@dataclass(frozen=True)
class Collected:
    """What a maintenance run removed."""

    snapshots_expired: int
    objects_deleted: int


def maintain(platform: Platform, keep_days: int) -> Collected:
    """Merge small files, expire snapshots older than `keep_days`, delete objects no table names."""
    platform.prepare()
    before = datetime.now(UTC) - timedelta(days=keep_days)
    expired = 0
    with platform.lake.get_connection() as connection:
        connection.execute("CALL ducklake_flush_inlined_data('lake')")
        connection.execute("CALL ducklake_merge_adjacent_files('lake')")
        expired = len(
            connection.execute("CALL ducklake_expire_snapshots('lake', older_than => ?)", [before]).fetchall()
        )
        connection.execute("CALL ducklake_cleanup_old_files('lake', older_than => ?)", [before])
    return Collected(expired, collect_objects(platform, before))


def collect_objects(platform: Platform, before: datetime) -> int:
    """Delete objects older than `before` that no row of any table names; the number deleted.

    Raises:
        LakeError: an object column names objects that are not there, which says that lake and object
            storage do not belong together; nothing is deleted then.
    """
    referenced: set[str] = set()
    for asset in platform.graph.assets:
        for column in asset.table.columns:
            if column.type is OBJECT:
                rows = platform.lake.rows(
                    f'SELECT DISTINCT "{column.name}" FROM "{asset.name}" WHERE "{column.name}" IS NOT NULL'
                )
                referenced |= {key for (key,) in rows}
    present = dict(platform.objects.modified())
    if referenced and not referenced & set(present):
        raise LakeError(
            f"None of the {len(referenced)} objects that the lake names are in "
            f"{platform.objects.root}; check AUDIO_ASSETS_OBJECTS. Nothing was deleted."
        )
    unused = [key for key, when in present.items() if key not in referenced and when < before]
    if unused:
        platform.objects.delete(unused)
    return len(unused)


def build_maintenance_job(platform: Platform) -> dg.JobDefinition:
    """The job `maintenance`."""

    @dg.op(description="Merge small files, expire old snapshots, delete unreferenced objects.")
    def maintain_storage(context: dg.OpExecutionContext, config: MaintenanceConfig) -> None:
        collected = maintain(platform, config.keep_days)
        context.log.info(
            f"{collected.snapshots_expired} snapshots expired, "
            f"{collected.objects_deleted} unreferenced objects deleted"
        )

    @dg.job(description=maintain_storage.description)
    def maintenance() -> None:
        maintain_storage()

    return maintenance
