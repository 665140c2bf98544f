"""All that is taken from the inside of Dagster, which may change it in any release.

Dagster is pinned, and each of these has a test in ``tests/orchestration/test_dagster_private.py`` that fails
if a release changes what is relied on. No other module imports from ``dagster._core`` or ``dagster._serdes``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import dagster as dg

# There is no public way to yield an output of a partitioned asset without marking every partition of the run
# materialized; Dagster uses this key itself for steps that report their events on their own.
from dagster._core.definitions.source_asset import (
    SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION as NO_EVENT,
)

# `context.log_event` and `instance.report_runless_asset_event` log one event at a time, each a transaction.
from dagster._core.events import (
    AssetObservationData,
    DagsterEventBatchMetadata,
    generate_event_batch_id,
)

# Events that no run made carry these, so that Dagster's lists of runs leave them out.
from dagster._core.instance.utils import RUNLESS_JOB_NAME, RUNLESS_RUN_ID

# The public name of the status of a check's record is not exported.
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

# The table and the storage that our event log extends: no configuration keeps its databases open.
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

# What `ConfigurableClass` is made from has no public type.
from dagster._serdes import ConfigurableClassData

__all__ = [
    "NO_EVENT",
    "ConfigurableClassData",
    "SqlEventLogStorageTable",
    "SqliteEventLogStorage",
    "end_run",
    "failed_partitions",
    "latest_ids",
    "latest_versions",
    "log_check",
    "log_materializations",
    "newest_event",
    "report_observations",
]

DATA_VERSION = "dagster/data_version"
FEW_PARTITIONS = 500
"""Up to so many partitions are named in a question to the event log; beyond, all are asked for."""
FAILURES_REMEMBERED = 1000


def log_materializations(
    context: dg.AssetExecutionContext, events: Sequence[dg.AssetMaterialization]
) -> None:
    """Log events of a step, which the event log stores together if it can (DAGSTER_EVENT_BATCH_SIZE)."""
    step = context.get_step_execution_context()
    for event, batch in zip(events, _batch(len(events)), strict=True):
        dg.DagsterEvent.asset_materialization(step, event, batch)


def log_check(context: dg.AssetExecutionContext, evaluation: dg.AssetCheckEvaluation) -> None:
    """Log what a check found of one partition; a step can yield only one result of each check."""
    dg.DagsterEvent.asset_check_evaluation(context.get_step_execution_context(), evaluation)


def report_observations(instance: dg.DagsterInstance, events: Sequence[dg.AssetObservation]) -> None:
    """Store observations that no run made, together if the event log can."""
    for event, batch in zip(events, _batch(len(events)), strict=True):
        instance.report_dagster_event(
            dg.DagsterEvent(
                event_type_value=dg.DagsterEventType.ASSET_OBSERVATION.value,
                event_specific_data=AssetObservationData(event),
                job_name=RUNLESS_JOB_NAME,
            ),
            run_id=RUNLESS_RUN_ID,
            batch_metadata=batch,
        )


def _batch(size: int) -> list[DagsterEventBatchMetadata]:
    name: str = generate_event_batch_id()  # type: ignore[no-untyped-call]
    return [DagsterEventBatchMetadata(name, number == size) for number in range(1, size + 1)]


def end_run(instance: dg.DagsterInstance, run: dg.DagsterRun, message: str) -> None:
    """Have Dagster take a run for failed, and give back the slots of pools that it held."""
    instance.report_run_failed(run, message)
    instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)


def newest_event(instance: dg.DagsterInstance) -> int:
    """The number of the newest event of any asset: all later events have higher ones.

    At least 1, since Dagster takes 0 for no number and then compares with nothing.
    """
    return instance.event_log_storage.get_maximum_record_id() or 1


def latest_versions(
    instance: dg.DagsterInstance, asset: dg.AssetKey, partitions: Iterable[str]
) -> Mapping[str, str]:
    """The data version that each partition was last materialized with, by partition."""
    tags = instance.event_log_storage.get_latest_tags_by_partition(
        asset,
        dg.DagsterEventType.ASSET_MATERIALIZATION,
        tag_keys=[DATA_VERSION],
        asset_partitions=_few(partitions),
    )
    return {partition: values.get(DATA_VERSION, "") for partition, values in tags.items()}


def latest_ids(
    instance: dg.DagsterInstance,
    asset: dg.AssetKey,
    partitions: Iterable[str],
    event_type: dg.DagsterEventType = dg.DagsterEventType.ASSET_MATERIALIZATION,
) -> Mapping[str, int]:
    """The number of the last event of a type of each partition, by partition."""
    few = _few(partitions)
    return instance.event_log_storage.get_latest_storage_id_by_partition(
        asset, event_type, None if few is None else set(few)
    )


def failed_partitions(instance: dg.DagsterInstance, check: dg.AssetCheckKey) -> set[str]:
    """The partitions that fail a check by its last result, of the last `FAILURES_REMEMBERED` failures."""
    storage = instance.event_log_storage
    failed = AssetCheckExecutionRecordStatus.FAILED
    history = storage.get_asset_check_execution_history(check, FAILURES_REMEMBERED, status={failed})
    named = sorted({record.partition for record in history if record.partition is not None})
    if not named:
        return set()
    last = storage.get_asset_check_partition_info([check], partition_keys=named)
    return {i.partition_key for i in last if i.partition_key and i.latest_execution_status is failed}


def _few(partitions: Iterable[str]) -> list[str] | None:
    named = list(partitions)
    return named if len(named) <= FEW_PARTITIONS else None
