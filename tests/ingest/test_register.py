"""Files that were rejected: remembered as they were, and tried again when a person asks."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from audio_assets.assemble import build_platform
from audio_assets.engine.platform import Platform
from audio_assets.engine.workers.session import Emit
from audio_assets.ingest import register as module
from audio_assets.ingest import sidecars
from audio_assets.ingest.discover import Discovery, discover
from audio_assets.ingest.folders import Kind
from audio_assets.ingest.inspect import FileToInspect, Recording, inspector
from audio_assets.ingest.register import register
from audio_assets.settings import Settings
from tests.conftest import write_tone


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    platform = build_platform(Settings(home=tmp_path / "home", workers=1))
    platform.prepare()
    yield platform
    platform.session.close()


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


def test_what_lies_beside_is_never_parsed_to_see_whether_a_file_is_known(
    platform: Platform, broken: Path, monkeypatch: pytest.MonkeyPatch
):
    write_tone(broken, 300)
    lyrics = broken.with_suffix(".lrc")
    lyrics.write_text("[00:01.00]la")
    assert register(platform, [broken]).added == 1
    for parser in ("read_text", "parse_lrc", "read_labels", "_read_metadata"):
        monkeypatch.delattr(sidecars, parser)
    assert register(platform, [broken]).known == 1


def test_a_file_that_vanishes_when_it_is_listed_is_rejected_and_the_others_are_registered(
    platform: Platform, broken: Path, monkeypatch: pytest.MonkeyPatch
):
    other = broken.with_name("other.wav")
    write_tone(broken, 300)
    register(platform, [broken])
    write_tone(other, 400)

    def listed_too_early(paths: list[Path]) -> Discovery:
        discovery = discover(paths)
        broken.unlink()
        return discovery

    monkeypatch.setattr(module, "discover", listed_too_early)
    report = register(platform, [broken.parent])
    assert (report.added, [path for path, _ in report.rejected]) == (1, [str(broken)])


def inspector_with_a_crash(kind: Kind | None, emit: Emit) -> Callable[[FileToInspect], Recording]:
    """Stands for a decoder that dies of one file and goes round for ever on another."""
    inspected = inspector(kind, emit)

    def inspect_or_crash(file: FileToInspect) -> Recording:
        if file.path.stem == "deadly":
            os.kill(os.getpid(), signal.SIGSEGV)
        while file.path.stem == "endless":
            time.sleep(0.1)
        return inspected(file)

    return inspect_or_crash


def test_a_file_that_kills_its_worker_is_rejected_with_the_reason_and_the_others_are_registered(
    platform: Platform, tmp_path: Path, monkeypatch
):
    for name in ("deadly", "endless", "fine"):
        write_tone(tmp_path / "music" / f"{name}.wav", 300 + len(name))
    monkeypatch.setattr(module, "INSPECTOR", f"{__name__}:inspector_with_a_crash")
    settings = platform.settings.model_copy(update={"time_limit_s": 1.0})
    report = register(replace(platform, settings=settings), [tmp_path / "music"], kind="track")
    assert report.added == 1
    assert {Path(path).stem: reason for path, reason in report.rejected} == {
        "deadly": "the worker died: killed by SIGSEGV",
        "endless": "the worker took longer than 1 s (AUDIO_ASSETS_TIME_LIMIT_S)",
    }
