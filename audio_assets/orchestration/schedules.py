"""Schedules and sensors: new audio is registered and computed without anyone asking.

All that asks for runs starts stopped; switch it on in the UI. A run is requested only if the ledger has
work for it, and never tries failed items again. The sensor `catalog` asks for none and starts running:
what `audio-assets ingest` registered is there to choose in the UI within a minute.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from audio_assets.engine.declare.tables import ItemKind
from audio_assets.engine.platform import Platform
from audio_assets.engine.state.kept import items_to_compute
from audio_assets.engine.state.states import RunOptions
from audio_assets.ingest.register import IngestError, register
from audio_assets.orchestration.catalog_changes import sync_catalog
from audio_assets.orchestration.maintenance import MAINTENANCE_JOB
from audio_assets.orchestration.run_requests import range_tags, run_config
from audio_assets.orchestration.steps import end_dead_runs
from audio_assets.orchestration.up_to_date import build_up_to_date_sensor

FILES_PER_TICK = 100
COLLECTION_JOB = "materialize_collections"

Job = Any  # dagster's unresolved asset jobs have no public type
Automation = tuple[list[dg.ScheduleDefinition], list[dg.SensorDefinition]]


def build_automation(platform: Platform, jobs: dict[str, Job]) -> Automation:
    """The schedules and sensors, that of the inbox if one is set; `jobs` by item kind."""
    schedules = [_schedule(platform, kind, jobs[kind.name]) for kind in platform.graph.kinds]
    schedules.append(
        dg.ScheduleDefinition(
            name="maintain_storage",
            job_name=MAINTENANCE_JOB,
            cron_schedule="30 3 * * *",
            description="Every night: merge small files, expire old snapshots, delete unreferenced objects.",
        )
    )
    if platform.graph.collections:
        schedules.append(_collection_schedule(platform))
    sensors = [_dead_runs(platform)]
    if platform.settings.shards is None:
        sensors.append(_catalog(platform))
    if platform.graph.collections or platform.graph.trainings:
        sensors.append(build_up_to_date_sensor(platform))
    if platform.settings.inbox:
        sensors.append(_inbox(platform, jobs))
    return schedules, sensors


def _schedule(platform: Platform, kind: ItemKind, job: Job) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=f"compute_{kind.plural}",
        job=job,
        cron_schedule="15 * * * *",
        description=f"Every hour: compute what is missing or stale of {kind.plural}.",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if _is_running(context.instance, kind):
            return dg.SkipReason(f"A run over {kind.plural} is under way.")
        platform.prepare()
        names = [asset.name for asset in platform.graph.item_assets if asset.item is kind]
        waiting = items_to_compute(platform, names)
        if not waiting:
            return dg.SkipReason(f"Nothing is to be computed of {kind.plural}.")
        return _request(platform, kind, waiting, context.instance)

    return schedule


def _collection_schedule(platform: Platform) -> dg.ScheduleDefinition:
    @dg.schedule(
        name="compute_collections",
        job_name=COLLECTION_JOB,
        cron_schedule="45 * * * *",
        description="Every hour: compute what no longer fits the items it was computed from.",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        platform.prepare()
        if platform.plan([asset.name for asset in platform.graph.collections]).is_empty:
            return dg.SkipReason("Everything that is computed from all items is up to date.")
        return dg.RunRequest()

    return schedule


def _catalog(platform: Platform) -> dg.SensorDefinition:
    @dg.sensor(
        name="catalog",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Keeps the partitions those of the catalog, so that new audio can be materialized.",
    )
    def catalog(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        told = sync_catalog(platform, context.instance)
        found = ", ".join(f"{known.items} {plural}" for plural, known in told.items())
        return dg.SkipReason(f"The catalog has {found or 'nothing yet'}.")

    return catalog


def _dead_runs(platform: Platform) -> dg.SensorDefinition:
    @dg.sensor(
        name="dead_runs",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Ends the runs whose process is gone, so that they hold up no others.",
    )
    def dead_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        ended = end_dead_runs(platform.settings, context.instance)
        return dg.SkipReason(f"Found dead and ended: {', '.join(ended) or 'none'}.")

    return dead_runs


def _inbox(platform: Platform, jobs: dict[str, Job]) -> dg.SensorDefinition:
    @dg.sensor(
        name="inbox",
        jobs=list(jobs.values()),
        minimum_interval_seconds=60,
        description=f"Registers and computes audio that appears in {platform.settings.inbox}.",
    )
    def inbox(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        platform.prepare()
        folder = platform.settings.inbox
        assert folder is not None
        try:
            report = register(platform, [folder], limit=FILES_PER_TICK, skip_rejected=True)
        except IngestError as nothing:
            yield dg.SkipReason(str(nothing))
            return
        for path, reason in report.rejected:
            context.log.warning(f"{path}: {reason}")
        new = 0
        for kind in platform.graph.kinds:
            keys = report.new_keys.get(kind.name, [])
            if keys:
                new += len(keys)
                text = "\n".join(sorted(keys))  # a key contains the hash of its content
                run_key = f"{kind.plural}-{hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}"
                yield _request(platform, kind, sorted(keys), context.instance, run_key)
        if not new:
            yield dg.SkipReason(f"Nothing new in {folder}: {report.known} files are known.")

    return inbox


def _request(
    platform: Platform,
    kind: ItemKind,
    keys: Sequence[str],
    instance: dg.DagsterInstance,
    run_key: str | None = None,
) -> dg.RunRequest:
    names = [asset.name for asset in platform.graph.item_assets if asset.item is kind]
    return dg.RunRequest(
        run_key=run_key,
        job_name=job_name(kind),
        run_config=run_config(platform, names, RunOptions()),
        tags=range_tags(platform, kind, keys, instance),
    )


def job_name(kind: ItemKind) -> str:
    """The job that materializes everything computed per item of `kind`."""
    return f"materialize_{kind.plural}"


def _is_running(instance: dg.DagsterInstance, kind: ItemKind) -> bool:
    statuses = [
        dg.DagsterRunStatus.QUEUED,
        dg.DagsterRunStatus.STARTING,
        dg.DagsterRunStatus.STARTED,
    ]
    return instance.get_runs_count(dg.RunsFilter(job_name=job_name(kind), statuses=statuses)) > 0
