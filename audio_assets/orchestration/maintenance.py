"""The job `maintenance`."""

import dagster as dg

from audio_assets.engine.platform import Platform
from audio_assets.engine.run.maintenance import maintain

MAINTENANCE_JOB = "maintenance"


class MaintenanceConfig(dg.Config):
    """How much is kept."""

    keep_days: int | None = None
    """Snapshots (time travel) and objects younger than this are kept; default: the setting."""


def build_maintenance_job(platform: Platform) -> dg.JobDefinition:
    """The job `maintenance`."""

    @dg.op(description="Merge small files, expire old snapshots, delete unreferenced objects.")
    def maintain_storage(context: dg.OpExecutionContext, config: MaintenanceConfig) -> None:
        setting = platform.settings.maintenance_keep_days
        collected = maintain(platform, setting if config.keep_days is None else config.keep_days)
        context.log.info(
            f"{collected.snapshots_expired} snapshots expired, "
            f"{collected.objects_deleted} unreferenced objects deleted"
        )

    @dg.job(name=MAINTENANCE_JOB, description=maintain_storage.description)
    def maintenance() -> None:
        maintain_storage()

    return maintenance
