"""A backup made while runs write is a home that has all values, and nothing to do."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from audio_assets.engine.platform import Platform
from audio_assets.engine.run import backup as backing
from audio_assets.engine.run.backup import BackupError, back_up, read_index, restore
from audio_assets.engine.run.damage import find_damage
from audio_assets.engine.run.maintenance import maintain
from audio_assets.engine.run.storage_lock import StorageBusyError, alone_with_files
from audio_assets.engine.state.states import RunOptions
from audio_assets.orchestration.instance import open_instance
from audio_assets.settings import Settings
from tests.engine.collection_toys import ranks
from tests.engine.conftest import Bench, make_bench, quick_lake
from tests.engine.here import HereSession
from tests.engine.test_training import mean_length
from tests.engine.toys import copies, lengths, words

NOTES = {"a": "one", "b": "three", "c": "seventeen", "d": "two"}
VALUES = ["lengths", "words", "copies", "ranks"]


@pytest.fixture
def bench(tmp_path: Path, empty_mlflow: Path) -> Bench:
    home = tmp_path / "home"
    (home / "mlflow").mkdir(parents=True)
    shutil.copyfile(empty_mlflow, home / "mlflow" / "mlflow.db")
    made = make_bench(tmp_path, [lengths, words, copies, ranks, mean_length], home=home)
    bench = Bench(replace(made.platform, session=HereSession()), made.folder)
    bench.add(NOTES)
    bench.work(VALUES)
    bench.train("mean_length")
    (home / "audio-assets.toml").write_text("[parameters.crops]\nlength_s = 8\n")
    with open_instance(bench.platform.settings) as instance:
        instance.add_dynamic_partitions("notes", list(NOTES))
    return bench


def values(platform: Platform) -> list[object]:
    names = ("lengths", "words", "copies", "ranks", "rank_summary", "notes", "checkpoints", "training_items")
    return [platform.lake.rows(f"SELECT * FROM {name} ORDER BY ALL") for name in names]


def opener(bench: Bench) -> Callable[[Settings], Platform]:
    """What opens a home, as a process of its own does."""

    def open_platform(settings: Settings) -> Platform:
        objects = replace(bench.platform.objects, root=settings.objects)
        return replace(bench.platform, settings=settings, lake=quick_lake(settings), objects=objects)

    return open_platform


def restored(bench: Bench, folder: Path, home: Path) -> Bench:
    settings = Settings(home=home)
    restore(folder, settings, opener(bench))
    platform = opener(bench)(settings)
    platform.prepare()
    return Bench(platform, bench.folder)


def test_a_backup_made_while_runs_write_is_a_home_with_all_values_and_nothing_to_do(
    bench: Bench, tmp_path: Path
):
    before, stop, rounds = values(bench.platform), threading.Event(), []

    def write() -> None:
        while not stop.is_set():
            bench.run(["lengths", "words", "copies"], RunOptions(everything=True))
            rounds.append(1)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(4):
            back_up(bench.platform, tmp_path / "backup")
    finally:
        stop.set()
        writer.join()
    assert rounds
    shutil.rmtree(bench.platform.settings.home)
    again = restored(bench, tmp_path / "backup", tmp_path / "elsewhere" / "home")
    assert values(again.platform) == before
    assert find_damage(again.platform).lost == []
    assert again.plan().is_empty
    home = again.platform.settings.home
    assert (home / "audio-assets.toml").read_text().startswith("[parameters.crops]")
    mlflow.set_tracking_uri(again.platform.settings.mlflow_uri)
    assert Path(mlflow.artifacts.download_artifacts("models:/mean_length@adopted")).is_relative_to(home)
    assert MlflowClient(again.platform.settings.mlflow_uri).search_runs(["1"])
    with open_instance(again.platform.settings) as instance:
        assert set(instance.get_dynamic_partitions("notes")) == set(NOTES)
    again.add({"e": "five"})
    assert again.run(["lengths"])["lengths"].computed == 1


def test_a_second_backup_copies_what_is_new_and_keeps_no_more_than_it_needs(bench: Bench, tmp_path: Path):
    folder = tmp_path / "backup"
    first = back_up(bench.platform, folder)
    assert first.new_files == first.files > 5
    again = back_up(bench.platform, folder)
    assert (again.files, again.new_files) == (first.files, 0)
    bench.add({"e": "five"})
    bench.run(["copies"])
    assert back_up(bench.platform, folder).new_files == 1
    bench.platform.lake.write(lambda c: c.execute("DELETE FROM copies WHERE item = 'e'"))
    key = next(key for key, _ in bench.platform.objects.modified() if key.startswith("copies/e/"))
    bench.platform.objects.delete([key])
    back_up(bench.platform, folder)
    assert not (folder / "files" / "objects" / key).exists()
    assert len(list((folder / "states").iterdir())) == 1


def test_what_is_damaged_in_the_home_does_not_take_the_place_of_what_is_good_in_the_backup(
    bench: Bench, tmp_path: Path
):
    before = values(bench.platform)
    bench.platform.lake.write(lambda c: c.execute("CALL ducklake_flush_inlined_data('lake')").fetchall())
    back_up(bench.platform, tmp_path / "backup")
    home = bench.platform.settings.home
    for file in [*(home / "lake" / "data").rglob("*.parquet"), *(home / "objects" / "copies").rglob("*.txt")]:
        file.write_bytes(b"x" * file.stat().st_size)
    back_up(bench.platform, tmp_path / "backup")
    again = restored(bench, tmp_path / "backup", tmp_path / "new")
    assert values(again.platform) == before and find_damage(again.platform).lost == []


@pytest.mark.parametrize("moment", ["_files", "_copy_file", "_prune"])
def test_a_backup_that_is_killed_leaves_the_one_before(
    bench: Bench, tmp_path: Path, monkeypatch, moment: str
):
    back_up(bench.platform, tmp_path / "backup")
    before = values(bench.platform)
    bench.add({"e": "five"})
    bench.work(VALUES)
    with pytest.raises(KeyboardInterrupt), monkeypatch.context() as patch:
        patch.setattr(backing, moment, kill)
        back_up(bench.platform, tmp_path / "backup")
    again = restored(bench, tmp_path / "backup", tmp_path / "new")
    assert moment == "_prune" or values(again.platform) == before
    back_up(bench.platform, tmp_path / "backup")
    after = restored(bench, tmp_path / "backup", tmp_path / "newer")
    assert values(after.platform) == values(bench.platform)


def kill(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_damaged_backup_is_said_when_it_is_restored(bench: Bench, tmp_path: Path):
    back_up(bench.platform, tmp_path / "backup")
    file = next((tmp_path / "backup" / "files" / "objects" / "copies").rglob("*.txt"))
    good = file.read_bytes()
    file.write_bytes(b"x" * len(good))
    with pytest.raises(BackupError, match=r"damaged in 1 places \(copies copies/.*: other bytes\)"):
        restored(bench, tmp_path / "backup", tmp_path / "new")
    assert not (tmp_path / "new").exists()
    file.unlink()
    with pytest.raises(BackupError, match=r"is damaged: .*\.txt is gone"):
        restored(bench, tmp_path / "backup", tmp_path / "new")
    file.write_bytes(good)
    restored(bench, tmp_path / "backup", tmp_path / "new")


def test_nothing_is_overwritten_by_a_backup_or_by_its_restoration(bench: Bench, tmp_path: Path):
    home = bench.platform.settings.home
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(BackupError, match="holds other files and no backup"):
        back_up(bench.platform, tmp_path / "mine")
    with pytest.raises(BackupError, match="is in the home"):
        back_up(bench.platform, home / "backup")
    back_up(bench.platform, tmp_path / "backup")
    other = make_bench(tmp_path / "other", [lengths])
    with pytest.raises(BackupError, match="backup of another home"):
        back_up(other.platform, tmp_path / "backup")
    with pytest.raises(BackupError, match="is not empty"):
        restored(bench, tmp_path / "backup", home)
    with pytest.raises(BackupError, match="There is no backup in"):
        restored(bench, tmp_path / "mine", tmp_path / "new")
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"


def test_a_home_in_postgres_and_s3_is_refused_with_what_to_do_instead(bench: Bench, tmp_path: Path):
    settings = Settings(
        home=tmp_path,
        preset="production",
        lake_catalog="postgres:dbname=x",
        lake_data="s3://b/l",
        objects="s3://b/o",
    )
    with pytest.raises(BackupError, match=r"pg_dump.*buckets"):
        back_up(replace(bench.platform, settings=settings), tmp_path / "backup")
    assert read_index(tmp_path / "backup") is None


def test_maintenance_waits_for_a_backup_and_says_for_what(bench: Bench):
    home = bench.platform.settings.home
    with (
        alone_with_files(home),
        pytest.raises(StorageBusyError, match="Maintenance or a backup has been at work"),
        alone_with_files(home, 0.1),
    ):
        pass
    maintain(bench.platform, 1)
