"""The event log that keeps its databases open holds what Dagster's own would."""

from __future__ import annotations

import shutil
from pathlib import Path

import dagster as dg
import pytest

from audio_assets.orchestration.dagster_private import report_observations
from audio_assets.orchestration.event_log import OPEN_DATABASES, OpenSqliteEventLogStorage
from audio_assets.settings import shipped


@dg.asset
def tone() -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"hz": 440})


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    shutil.copyfile(shipped("dagster.yaml"), tmp_path / "dagster.yaml")
    return tmp_path


def hertz(instance: dg.DagsterInstance) -> object:
    event = instance.get_latest_materialization_event(dg.AssetKey("tone"))
    assert event is not None and event.asset_materialization is not None
    return event.asset_materialization.metadata["hz"].value


def test_events_are_there_for_other_processes_and_for_dagsters_own_storage(folder):
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        assert isinstance(instance.event_log_storage, OpenSqliteEventLogStorage)
        runs = [dg.materialize([tone], instance=instance).run_id for _ in range(OPEN_DATABASES + 2)]
        with dg.DagsterInstance.from_config(str(folder)) as other:  # while the first has them open
            assert hertz(other) == 440
            assert len(other.all_logs(runs[0])) == len(instance.all_logs(runs[0])) > 5
            dg.materialize([tone], instance=other)
        assert len(instance.get_run_records()) == OPEN_DATABASES + 3
    (folder / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    with dg.DagsterInstance.from_config(str(folder)) as stock:
        assert hertz(stock) == 440
        assert len(stock.all_logs(runs[-1])) > 5


TAKES = dg.StaticPartitionsDefinition([f"take{n:03}" for n in range(50)])


@dg.asset(partitions_def=TAKES, backfill_policy=dg.BackfillPolicy.single_run())
def takes(context) -> None:
    for number, key in enumerate(context.partition_keys):
        context.add_asset_metadata({"number": number}, partition_key=key)


@pytest.mark.parametrize("size", ["0", "20"])
def test_materializations_stored_together_are_those_stored_one_by_one(folder, monkeypatch, size):
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", size)
    key = dg.AssetKey("takes")
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        tags = {
            "dagster/asset_partition_range_start": TAKES.get_first_partition_key(),
            "dagster/asset_partition_range_end": TAKES.get_last_partition_key(),
        }
        run = dg.materialize([takes], instance=instance, tags=tags)
        stored = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
        events = instance.fetch_materializations(key, limit=100).records
        newest_first = [entry.get_dagster_event().partition for entry in reversed(stored)]
        assert [event.partition_key for event in events] == newest_first
        number = {
            event.partition_key: event.asset_materialization.metadata["number"].value for event in events
        }
        assert number == {take: index for index, take in enumerate(TAKES.get_partition_keys())}
        assert instance.get_materialized_partitions(key) == set(TAKES.get_partition_keys())
        last = instance.get_asset_records([key])[0].asset_entry.last_materialization_record
        assert last.storage_id == events[0].storage_id
        code = instance.event_log_storage.get_latest_tags_by_partition(
            key, dg.DagsterEventType.ASSET_MATERIALIZATION, tag_keys=["dagster/data_version"]
        )
        assert len(code) == 50
    (folder / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    with dg.DagsterInstance.from_config(str(folder)) as stock:
        assert len(stock.fetch_materializations(key, limit=100).records) == 50


def test_observations_that_no_run_made_are_stored_together(folder, monkeypatch):
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "1000")
    written: list[str] = []
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        storage = instance.event_log_storage
        connect = storage._connect
        monkeypatch.setattr(storage, "_connect", lambda shard: written.append(shard) or connect(shard))
        keys = TAKES.get_partition_keys()
        events = [dg.AssetObservation("takes", partition=k, tags={"dagster/data_version": k}) for k in keys]
        report_observations(instance, events)
        assert len(written) == 2  # a transaction of the run's database, one of that of all runs
        tags = storage.get_latest_tags_by_partition(
            dg.AssetKey("takes"), dg.DagsterEventType.ASSET_OBSERVATION, tag_keys=["dagster/data_version"]
        )
        assert tags == {key: {"dagster/data_version": key} for key in keys}


def test_runs_can_be_deleted_and_all_events_wiped(folder):
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        run_id = dg.materialize([tone], instance=instance).run_id
        instance.delete_run(run_id)
        assert instance.all_logs(run_id) == []
        dg.materialize([tone], instance=instance)
        instance.wipe()
        assert instance.get_latest_materialization_event(dg.AssetKey("tone")) is None
        dg.materialize([tone], instance=instance)
        assert hertz(instance) == 440
