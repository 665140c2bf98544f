"""Files that were rejected: remembered as they were, and tried again when a person asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from audio_assets.assemble import build_platform
from audio_assets.engine.platform import Platform
from audio_assets.ingest.register import register
from audio_assets.settings import Settings
from tests.conftest import write_tone


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    platform = build_platform(Settings(home=tmp_path / "home", workers=1))
    platform.prepare()
    return platform


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / "music" / "broken.wav"
    path.parent.mkdir()
    path.write_text("this is no audio")
    return path


def test_a_rejected_file_is_kept_with_its_size_and_time_of_change(platform: Platform, broken: Path):
    assert len(register(platform, [broken]).rejected) == 1
    rows = platform.lake.rows("SELECT uri, size_bytes, modified_ns FROM rejected_files")
    assert rows == [(broken.as_uri(), 16, broken.stat().st_mtime_ns)]


def test_a_person_who_asks_again_is_told_again_and_a_sensor_is_not(platform: Platform, broken: Path):
    for _ in range(2):
        assert [path for path, _ in register(platform, [broken]).rejected] == [str(broken)]
    report = register(platform, [broken], skip_rejected=True)
    assert (report.rejected, report.known, report.added) == ([], 0, 0)


def test_a_rejected_file_that_has_changed_is_read_again(platform: Platform, broken: Path):
    register(platform, [broken])
    write_tone(broken, 300)
    assert register(platform, [broken], skip_rejected=True).added == 1
    assert platform.lake.rows("SELECT * FROM rejected_files") == []


def test_a_file_that_was_rejected_without_its_size_is_read_again(platform: Platform, broken: Path):
    register(platform, [broken])
    forget = "UPDATE rejected_files SET size_bytes = NULL, modified_ns = NULL"
    platform.lake.write(lambda connection: connection.execute(forget))
    assert len(register(platform, [broken], skip_rejected=True).rejected) == 1


def test_no_more_files_are_read_than_the_limit_and_the_rest_is_not_called_known(
    platform: Platform, broken: Path
):
    for hertz in (220, 440, 880):
        write_tone(broken.parent / f"{hertz}.wav", hertz)
    broken.unlink()
    report = register(platform, [broken.parent], limit=2)
    assert (report.added, report.known) == (2, 0)
