"""The inbox sensor and the schedules ask for runs only when there is something new to do."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from audio_assets.assemble import build_platform
from audio_assets.engine.declare.tables import OBJECT
from audio_assets.ingest.register import register
from audio_assets.orchestration.catalog_changes import sync_catalog
from audio_assets.orchestration.definitions import build_definitions
from audio_assets.orchestration.maintenance import maintain
from audio_assets.orchestration.run_items import ITEMS_TAG
from audio_assets.settings import Settings
from tests.conftest import write_tone


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "inbox" / "music").mkdir(parents=True)
    return Settings(home=tmp_path / "home", inbox=tmp_path / "inbox", workers=1)


def tick_sensor(settings: Settings, instance: dg.DagsterInstance) -> list[dg.RunRequest]:
    sensor = build_definitions(build_platform(settings)).resolve_sensor_def("inbox")
    context = dg.build_sensor_context(instance=instance)
    return [r for r in sensor(context) if isinstance(r, dg.RunRequest)]


def test_the_inbox_sensor_registers_new_files_once_and_asks_for_their_items(settings: Settings):
    write_tone(settings.inbox / "music" / "one.wav", 300)
    with dg.instance_for_test() as instance:
        (request,) = tick_sensor(settings, instance)
        assert instance.get_dynamic_partitions("tracks") == [
            request.tags["dagster/asset_partition_range_start"]
        ]
        assert tick_sensor(settings, instance) == []
        write_tone(settings.inbox / "music" / "two.wav", 400)
        (second,) = tick_sensor(settings, instance)
        assert second.run_key != request.run_key
        assert second.tags[ITEMS_TAG].startswith("two-")


def test_an_empty_inbox_is_skipped_with_a_reason(settings: Settings):
    sensor = build_definitions(build_platform(settings)).resolve_sensor_def("inbox")
    with dg.instance_for_test() as instance:
        (skip,) = list(sensor(dg.build_sensor_context(instance=instance)))
    assert isinstance(skip, dg.SkipReason) and "No audio" in str(skip.skip_message)


def test_the_schedule_asks_for_what_is_missing_and_not_for_failed_items(settings: Settings):
    write_tone(settings.inbox / "music" / "one.wav", 300)
    platform = build_platform(settings)
    platform.prepare()
    register(platform, [settings.inbox])
    schedule = build_definitions(build_platform(settings)).resolve_schedule_def("compute_tracks")
    with dg.instance_for_test() as instance:
        request = schedule(dg.build_schedule_context(instance=instance))
        assert isinstance(request, dg.RunRequest)
        assert all(not op["config"]["failed"] for op in request.run_config["ops"].values())
        platform.lake.write(lambda connection: connection.execute("DELETE FROM tracks"))
        skip = schedule(dg.build_schedule_context(instance=instance))
        assert isinstance(skip, dg.SkipReason) and "Nothing is to be computed of tracks" in str(
            skip.skip_message
        )


def test_maintenance_keeps_what_is_young_and_what_tables_name(settings: Settings):
    write_tone(settings.inbox / "music" / "one.wav", 300)
    platform = build_platform(settings)
    platform.prepare()
    register(platform, [settings.inbox])
    platform.objects.put("stray/object.bin", b"nobody names me")
    assert maintain(platform, keep_days=1).objects_deleted == 0
    stems, figure = "stems/one/f1-vocals.flac", "collection_figures/f2-figure-0.png"
    for key in (stems, figure):
        platform.objects.put(key, b"a table names me")
    (column, *_) = [c.name for c in platform.graph.by_name["stems"].table.columns if c.type is OBJECT]

    def name_them(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute(f"INSERT INTO stems (item, {column}) VALUES ('one', '{stems}')")
        connection.execute(f"INSERT INTO collection_figures (name, figure) VALUES ('a', '{figure}')")

    platform.lake.write(name_them)
    written = (datetime.now(UTC) - timedelta(days=2)).timestamp()
    for key, _ in platform.objects.modified():
        os.utime(Path(platform.objects.root) / key, (written, written))
    collected = maintain(platform, keep_days=0)
    assert collected.objects_deleted == 1 and collected.snapshots_expired > 0
    assert {key for key, _ in platform.objects.modified()} == {stems, figure}
    assert len(platform.lake.rows("SELECT * FROM tracks")) == 1


def test_maintenance_keeps_objects_of_tables_whose_module_is_not_set_now(settings: Settings):
    platform = build_platform(settings)
    platform.prepare()
    platform.lake.write(lambda c: c.execute("CREATE TABLE my_pictures (item VARCHAR, picture VARCHAR)"))
    picture = "my_pictures/one/f1.png"
    platform.objects.put(picture, b"my_features made me")
    os.utime(Path(platform.objects.root) / picture, (1e9, 1e9))
    assert maintain(platform, keep_days=0).objects_deleted == 0


def test_the_job_keeps_as_many_days_as_the_setting_says_unless_told_otherwise(settings: Settings):
    platform = build_platform(settings.model_copy(update={"maintenance_keep_days": 3}))
    platform.prepare()
    for days in (2, 4):
        platform.objects.put(f"stray/{days}", b"nobody names me")
        written = (datetime.now(UTC) - timedelta(days=days)).timestamp()
        os.utime(Path(platform.objects.root) / "stray" / str(days), (written, written))
    platform.objects.put("stray/new", b"young")
    job = build_definitions(platform).resolve_job_def("maintenance")
    assert job.execute_in_process().success
    assert {key for key, _ in platform.objects.modified()} == {"stray/2", "stray/new"}
    told = {"ops": {"maintain_storage": {"config": {"keep_days": 1}}}}
    assert job.execute_in_process(told).success
    assert [key for key, _ in platform.objects.modified()] == ["stray/new"]


def test_a_training_that_was_left_long_ago_does_not_stop_maintenance(settings: Settings):
    platform = build_platform(settings)
    platform.prepare()
    left = settings.home / "trainings" / "laughter_predictor" / "left"
    left.mkdir(parents=True)
    (left / "snapshot.json").write_text("12345")
    assert maintain(platform, keep_days=0).objects_deleted == 0


def test_maintenance_has_a_schedule_that_somebody_must_switch_on(settings: Settings):
    schedule = build_definitions(build_platform(settings)).resolve_schedule_def("maintain_storage")
    assert schedule.job_name == "maintenance"
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED


def test_files_that_were_rejected_do_not_stand_in_the_way_of_others(settings: Settings, monkeypatch):
    monkeypatch.setattr("audio_assets.orchestration.schedules.FILES_PER_TICK", 2)
    folder = settings.inbox / "music"
    for name in ("a", "b", "c"):
        (folder / f"{name}.wav").write_text("this is no audio")
    write_tone(folder / "z.wav", 300)
    with dg.instance_for_test() as instance:
        assert tick_sensor(settings, instance) == []
        (request,) = tick_sensor(settings, instance)
        assert request.tags["dagster/asset_partition_range_start"].startswith("z-")
        write_tone(folder / "a.wav", 400)  # what was half a file has become a whole one
        (request,) = tick_sensor(settings, instance)
        assert request.tags[ITEMS_TAG].startswith("a-")


def test_the_catalog_sensor_runs_and_keeps_the_partitions_those_of_the_catalog(settings: Settings):
    sensor = build_definitions(build_platform(settings)).resolve_sensor_def("catalog")
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    with dg.instance_for_test() as instance:
        skip = sensor(dg.build_sensor_context(instance=instance))
        assert isinstance(skip, dg.SkipReason) and "nothing yet" in str(skip.skip_message)
        write_tone(settings.inbox / "music" / "one.wav", 300)
        platform = build_platform(settings)
        platform.prepare()
        (key,) = register(platform, [settings.inbox]).new_keys["track"]
        skip = sensor(dg.build_sensor_context(instance=instance))
        assert instance.get_dynamic_partitions("tracks") == [key]
        assert "1 tracks" in str(skip.skip_message)
        platform.lake.write(lambda connection: connection.execute("DELETE FROM tracks"))
        sync_catalog(platform, instance)
        assert instance.get_dynamic_partitions("tracks") == []
