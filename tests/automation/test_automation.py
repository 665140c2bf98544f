"""The inbox sensor and the schedules ask for runs only when there is something new to do."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from audio_assets.automation.maintenance import maintain
from audio_assets.definitions import build_definitions
from audio_assets.engine.dagster_assets import ITEMS_TAG
from audio_assets.platform import build_platform
from audio_assets.register import register
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
        assert isinstance(skip, dg.SkipReason) and "up to date" in str(skip.skip_message)


def test_maintenance_keeps_what_is_young_and_what_tables_name(settings: Settings):
    write_tone(settings.inbox / "music" / "one.wav", 300)
    platform = build_platform(settings)
    platform.prepare()
    register(platform, [settings.inbox])
    platform.objects.put("stray/object.bin", b"nobody names me")
    assert maintain(platform, keep_days=1).objects_deleted == 0
    collected = maintain(platform, keep_days=0)
    assert collected.objects_deleted == 1 and collected.snapshots_expired > 0
    assert len(platform.lake.rows("SELECT * FROM tracks")) == 1
