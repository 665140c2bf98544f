"""What is relied on inside of Dagster does what is relied on; a release that changes it fails here."""

# No `from __future__ import annotations` here: Dagster reads the annotations of steps and needs the types.
import ast
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from audio_assets.orchestration import dagster_private
from audio_assets.orchestration.dagster_private import (
    NO_EVENT,
    ConfigurableClassData,
    SqlEventLogStorageTable,
    SqliteEventLogStorage,
    end_run,
    failed_partitions,
    latest_ids,
    latest_versions,
    log_check,
    log_materializations,
    newest_event,
    report_observations,
)
from tests.conftest import CHECKOUT

PARTITIONS = dg.StaticPartitionsDefinition(["a", "b", "c"])
RANGE = {"dagster/asset_partition_range_start": "a", "dagster/asset_partition_range_end": "c"}
PROBE = dg.AssetKey("probe")
CHECK = dg.AssetCheckKey(PROBE, "looks_good")
OBSERVATION = dg.DagsterEventType.ASSET_OBSERVATION


@pytest.fixture(params=["together", "one by one"])
def instance(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "1000" if request.param == "together" else "0")
    with dg.instance_for_test() as instance:
        yield instance


def test_a_run_that_is_ended_has_failed_and_gives_back_its_slots(instance):
    storage = instance.event_log_storage
    storage.set_concurrency_slots("gpu", 1)
    run = instance.create_run_for_job(dg.GraphDefinition("nothing").to_job())
    started = dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, run.job_name)
    instance.report_dagster_event(started, run.run_id)
    assert storage.claim_concurrency_slot("gpu", run.run_id, "step").is_claimed
    assert not storage.claim_concurrency_slot("gpu", "another run", "step").is_claimed
    end_run(instance, instance.get_run_by_id(run.run_id), "it is gone")
    assert instance.get_run_by_id(run.run_id).status is dg.DagsterRunStatus.FAILURE
    assert storage.claim_concurrency_slot("gpu", "another run", "step").is_claimed


def materialization(partition: str, version: str) -> dg.AssetMaterialization:
    return dg.AssetMaterialization("probe", partition=partition, tags={"dagster/data_version": version})


def probe(instance: dg.DagsterInstance, *events: dg.AssetMaterialization, **failing: bool) -> None:
    """A run in which a step logs `events` and a check of single partitions, and yields no event."""

    @dg.multi_asset(
        specs=[dg.AssetSpec("probe", skippable=True, partitions_def=PARTITIONS)],
        check_specs=[dg.AssetCheckSpec("looks_good", asset="probe")],
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def compute(context: dg.AssetExecutionContext) -> Iterator[object]:
        log_materializations(context, events)
        for partition, fails in failing.items():
            evaluation = dg.AssetCheckEvaluation(PROBE, "looks_good", not fails, partition=partition)
            log_check(context, evaluation)
        yield dg.Output(None, output_name="probe", metadata={NO_EVENT: True})
        yield dg.AssetCheckResult(passed=True)

    assert dg.materialize([compute], instance=instance, tags=RANGE).success


def test_only_the_partitions_that_are_logged_are_materialized_each_with_its_version(instance):
    probe(instance, materialization("b", "v1"), materialization("c", "v2"))
    assert instance.get_materialized_partitions(PROBE) == {"b", "c"}
    assert latest_versions(instance, PROBE, "abc") == {"b": "v1", "c": "v2"}
    probe(instance, materialization("b", "v3"))
    assert latest_versions(instance, PROBE, "b") == {"b": "v3"}


def test_events_are_numbered_in_the_order_they_were_logged(instance):
    assert newest_event(instance) == 1  # never 0, which Dagster reads as none
    probe(instance, materialization("a", "v1"), materialization("b", "v1"))
    numbers = latest_ids(instance, PROBE, "abc")
    assert numbers.keys() == {"a", "b"}
    assert 1 < numbers["a"] < numbers["b"] <= (newest := newest_event(instance))
    assert latest_ids(instance, PROBE, "a") == {"a": numbers["a"]}
    probe(instance, materialization("a", "v2"))
    assert newest < latest_ids(instance, PROBE, "a")["a"] <= newest_event(instance)


def test_more_partitions_than_are_named_in_a_question_are_found_too(instance, monkeypatch):
    probe(instance, materialization("a", "v1"), materialization("b", "v2"))
    monkeypatch.setattr(dagster_private, "FEW_PARTITIONS", 1)
    assert latest_versions(instance, PROBE, "ab") == {"a": "v1", "b": "v2"}
    assert latest_ids(instance, PROBE, "ab").keys() == {"a", "b"}


def test_observations_that_no_run_made_are_there_and_in_no_list_of_runs(instance):
    events = [dg.AssetObservation("probe", partition=p, tags={"dagster/data_version": p * 2}) for p in "ab"]
    report_observations(instance, events)
    report_observations(instance, [])
    assert latest_ids(instance, PROBE, "abc", OBSERVATION).keys() == {"a", "b"}
    assert latest_ids(instance, PROBE, "abc") == {}
    record = instance.get_latest_data_version_record(PROBE, is_source=True, partition_key="b")
    assert record.event_log_entry.tags["dagster/data_version"] == "bb"
    assert instance.get_runs_count() == 0


def test_a_partition_fails_a_check_until_a_later_result_says_that_it_passes(instance):
    assert failed_partitions(instance, CHECK) == set()
    probe(instance, a=True, b=True, c=False)
    assert failed_partitions(instance, CHECK) == {"a", "b"}
    probe(instance, b=False)
    assert failed_partitions(instance, CHECK) == {"a"}


def test_the_event_log_that_ours_extends_has_what_ours_replaces():
    """That it stores the same is tested with the event log itself."""
    assert callable(SqliteEventLogStorage._connect) and callable(SqliteEventLogStorage.store_event_batch)
    assert {"run_id", "event", "asset_key", "partition"} <= set(SqlEventLogStorageTable.c.keys())
    assert set(ConfigurableClassData._fields) == {"module_name", "class_name", "config_yaml"}


def imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_no_other_module_imports_from_the_inside_of_dagster():
    files = [*(CHECKOUT / "audio_assets").rglob("*.py"), *(CHECKOUT / "models").rglob("*.py")]
    inside = {file.name for file in files if any(name.startswith("dagster._") for name in imports(file))}
    assert len(files) > 200
    assert inside == {"dagster_private.py"}
