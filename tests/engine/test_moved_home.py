"""A home that is moved goes on at its new place: nothing in it names the old one."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import duckdb
import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient
from pydantic import BaseModel
from safetensors.numpy import save_file

from audio_assets.engine import Trained, Training, TrainingError, training_asset
from audio_assets.engine.declare.outcomes import Outcome
from audio_assets.engine.platform import Platform
from audio_assets.engine.run.predict import predict
from audio_assets.orchestration.instance import open_instance
from audio_assets.resources.lake import Lake, LakeError
from audio_assets.resources.moved import PLACE, Move, settle_home
from audio_assets.resources.tracking import flush_all
from audio_assets.settings import Settings
from tests.engine import toys
from tests.engine.conftest import ALL, NOWHERE, Bench, make_bench, quick_lake
from tests.engine.test_training import mean_length


class PatientConfig(BaseModel):
    permit: str = ""


@training_asset(items=toys.NOTE, upstream=["lengths"], config=PatientConfig, group="toys", code_version="1")
def patient(training: Training, config: PatientConfig) -> Trained:
    """Fails until there is a permit, and then goes on where it was."""
    state = training.folder / "state"
    if not Path(config.permit).exists():
        state.write_text("half way")
        figure = training.folder / "curve.png"
        figure.write_bytes(b"a curve")
        training.tracker.file(figure, "figures")
        raise ArithmeticError("there is no permit yet")
    folder = training.folder / "model"
    folder.mkdir()
    save_file({"mean": np.zeros(1, np.float32)}, folder / "model.safetensors")
    (folder / "config.json").write_text("{}")
    went_on = float(state.exists() and state.read_text() == "half way")
    return Trained(folder, dict.fromkeys(training.items, "train"), {"went_on": went_on})


NOTES = {"a": "one", "b": "three", "c": "seventeen", "d": "two"}


def bench_at(home: Path, **settings: object) -> Bench:
    bench = make_bench(home.parent, [*ALL, mean_length, patient], home=home, **settings)
    return replace(bench, folder=home / "corpus")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, empty_mlflow: Path) -> Path:
    """A home with values, a checkpoint, a training that was left half way, and its audio in it."""
    home = tmp_path_factory.mktemp("first") / "my home"
    (home / "mlflow").mkdir(parents=True)
    shutil.copyfile(empty_mlflow, home / "mlflow" / "mlflow.db")
    bench = bench_at(home)
    bench.folder.mkdir()
    bench.add(NOTES)
    bench.run(["lengths", "words"])
    bench.train("mean_length")
    with pytest.raises(TrainingError):
        bench.with_settings(mlflow_uri=NOWHERE).train("patient", permit=str(permit_of(home)))
    with open_instance(bench.platform.settings) as instance:
        instance.add_dynamic_partitions("notes", list(NOTES))
    bench.platform.session.close()
    bench.platform.lake.close()
    return home


@pytest.fixture
def first(made: Path, tmp_path: Path) -> Iterator[Bench]:
    """That home where it was made, which each test may change."""
    kept = tmp_path / "kept"
    shutil.copytree(made, kept)
    permit_of(made).unlink(missing_ok=True)
    bench = bench_at(made)
    yield bench
    bench.platform.lake.close()
    shutil.rmtree(made, ignore_errors=True)
    shutil.copytree(kept, made)


def permit_of(home: Path) -> Path:
    return home.parent / "permit"


def moved_to(bench: Bench, home: Path) -> Bench:
    bench.platform.session.close()
    bench.platform.lake.close()
    home.parent.mkdir(parents=True)
    shutil.copytree(bench.platform.settings.home, home)
    shutil.rmtree(bench.platform.settings.home)
    return bench_at(home)


def values(bench: Bench) -> list[object]:
    queries = ("FROM lengths ORDER BY item", "FROM words ORDER BY ALL", "FROM checkpoints", "FROM adoptions")
    return [bench.query(query) for query in queries]


def test_a_home_that_is_moved_has_its_values_predicts_loads_its_models_and_goes_on_training(
    first: Bench, tmp_path: Path
):
    before = values(first)
    bench = moved_to(first, tmp_path / "deeper" / "down" / "renamed")
    home = bench.platform.settings.home

    assert values(bench) == before
    assert bench.plan(["lengths", "words", "mean_length"]).is_empty
    assert {Path(path).parent for (path,) in bench.query("SELECT path FROM notes")} == {home / "corpus"}
    told = predict(bench.platform, "mean_length", home / "corpus" / "b.txt")
    assert [row["ratio"] for row in told] == [1.0]
    mlflow.set_tracking_uri(bench.platform.settings.mlflow_uri)
    model = mlflow.pyfunc.load_model("models:/mean_length@adopted")
    assert model.predict([{"path": str(home / "corpus" / "b.txt")}])["ratio"].tolist() == [1.0]

    permit = permit_of(first.platform.settings.home)
    permit.touch()
    checkpoint, is_new = bench.train("patient", permit=str(permit))
    assert is_new and checkpoint.metrics["went_on"] == 1.0

    bench.add({"e": "five"})
    assert bench.run(["lengths"])["lengths"].outcomes == {Outcome.OK: 1}


def test_what_tracking_still_has_to_be_told_is_found_at_the_new_place(first: Bench, tmp_path: Path):
    bench = moved_to(first, tmp_path / "deeper" / "renamed")
    assert [done for _, done in flush_all(bench.platform.settings)] == [True]
    client = MlflowClient(bench.platform.settings.mlflow_uri)
    (run,) = client.search_runs([client.get_experiment_by_name("patient").experiment_id])
    assert [file.path for file in client.list_artifacts(run.info.run_id, "figures")] == ["figures/curve.png"]
    source = mlflow.data.get_source(run.inputs.dataset_inputs[0].dataset)
    assert Path(source.load()) == Path(bench.platform.settings.lake_data)


def test_no_database_of_a_moved_home_names_the_old_place(first: Bench, tmp_path: Path):
    old = str(first.platform.settings.home)
    bench = moved_to(first, tmp_path / "deeper" / "renamed")
    bench.platform.lake.write(lambda c: c.execute("CALL ducklake_flush_inlined_data('lake')").fetchall())
    bench.platform.lake.close()
    home = bench.platform.settings.home
    now = "AND end_snapshot IS NULL"  # what snapshots had is as it was
    found = set()
    for path in [*home.rglob("*.db"), *home.rglob("*.sqlite")]:
        with closing(sqlite3.connect(path)) as database:
            for (table,) in database.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table'"
            ).fetchall():
                columns = [row[1] for row in database.execute(f'PRAGMA table_info("{table}")')]
                for column in columns:
                    where = f'instr(CAST("{column}" AS TEXT), ?) {now if "end_snapshot" in columns else ""}'
                    for begin in (old, old.replace(" ", "%20")):
                        if database.execute(
                            f'SELECT 1 FROM "{table}" WHERE {where} LIMIT 1', [begin]
                        ).fetchone():
                            found.add((path.name, table, column))
    # Of a column's values, also past ones, DuckLake keeps the least and the greatest.
    assert {entry for entry in found if not entry[1].endswith("_column_stats")} == set()
    journals = [path.read_text() for path in (home / "trainings").rglob("tracking.jsonl")]
    assert len(journals) == 2 and all(old not in text for text in journals)


def test_a_copy_beside_the_home_it_was_made_from_is_a_home_of_its_own(first: Bench, tmp_path: Path):
    before = values(first)
    first.platform.lake.close()
    shutil.copytree(first.platform.settings.home, tmp_path / "copy" / "home")
    copy = bench_at(tmp_path / "copy" / "home")
    copy.add({"e": "five"})
    copy.run(["lengths"])
    mlflow.set_tracking_uri(copy.platform.settings.mlflow_uri)
    place = mlflow.artifacts.download_artifacts("models:/mean_length@adopted")
    assert Path(place).is_relative_to(copy.platform.settings.home)
    assert values(first) == before and len(copy.query("FROM lengths")) == 5
    again = bench_at(first.platform.settings.home)
    assert values(again) == before


def test_audio_that_did_not_come_with_the_home_stays_where_it_is(first: Bench, tmp_path: Path):
    """As in a home that is restored from a backup, which has no audio."""
    first.platform.lake.close()
    home = first.platform.settings.home
    shutil.copytree(home, tmp_path / "copy" / "home", ignore=shutil.ignore_patterns("corpus"))
    copy = bench_at(tmp_path / "copy" / "home")
    assert {Path(path).parent for (path,) in copy.query("SELECT path FROM notes")} == {home / "corpus"}
    assert copy.plan(["lengths", "words"]).is_empty


def test_addresses_and_lists_of_them_are_brought_along(first: Bench, tmp_path: Path):
    old = first.platform.settings.home
    uris = [(old / "corpus" / name).as_uri() for name in ("é 1.txt", "b.txt")]
    strange = f"file://{tmp_path}/other.txt"

    def change(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute("CREATE TABLE audio (uri VARCHAR, labels VARCHAR[])")
        connection.execute(
            "INSERT INTO audio VALUES (?, ?), (?, NULL), (NULL, [])", [uris[0], [*uris, strange], strange]
        )

    first.platform.lake.write(change)
    bench = moved_to(first, tmp_path / "deeper" / "renamed")
    (bench.platform.settings.home / PLACE).write_text(str(old))
    settle_home(bench.platform.settings, bench.platform.lake, ["audio"])
    new = [(bench.platform.settings.home / "corpus" / name).as_uri() for name in ("é 1.txt", "b.txt")]
    assert set(map(str, bench.query("SELECT * FROM audio"))) == {
        str((new[0], [*new, strange])), str((strange, None)), str((None, [])),
    }  # fmt: skip


def test_a_home_reached_by_a_link_was_not_moved(first: Bench, tmp_path: Path):
    link = tmp_path / "link"
    link.symlink_to(first.platform.settings.home)
    bench_at(link)
    home = first.platform.settings.home
    assert (home / PLACE).read_text() == str(home)
    assert {Path(path).parent for (path,) in first.query("SELECT path FROM notes")} == {home / "corpus"}


def test_bringing_paths_to_the_new_place_again_changes_nothing_though_it_is_below_the_old_one():
    move = Move(Path("/data"), Path("/data/homes/one"))
    moved = move.of(["/data/mlflow", "file:///data/x", {"uri": "/data/lake"}, "/database", 5])
    assert moved == [
        "/data/homes/one/mlflow", "file:///data/homes/one/x", {"uri": "/data/homes/one/lake"}, "/database", 5,
    ]  # fmt: skip
    assert move.of(moved) == moved


def test_reading_a_moved_home_changes_nothing_in_it(first: Bench, tmp_path: Path):
    first.platform.lake.write(lambda c: c.execute("CALL ducklake_flush_inlined_data('lake')").fetchall())
    first.platform.lake.close()
    home = tmp_path / "elsewhere"
    shutil.copytree(first.platform.settings.home, home)
    settings = Settings(home=home)
    lake = replace(quick_lake(settings), read_only=True)
    assert len(lake.rows("FROM lengths")) == 4
    lake.close()
    assert (home / PLACE).read_text() == str(first.platform.settings.home)


def test_data_that_are_not_where_the_settings_say_are_no_moved_home(first: Bench, tmp_path: Path):
    platform: Platform = first.platform
    platform.lake.write(lambda c: c.execute("CALL ducklake_flush_inlined_data('lake')").fetchall())
    platform.lake.close()
    mistyped = replace(quick_lake(platform.settings), data=str(tmp_path / "mistyped"))
    with pytest.raises(LakeError, match=r"are not in .*mistyped, which has no main/.*AUDIO_ASSETS_LAKE_DATA"):
        mistyped.rows("SELECT 1")
    lake: Lake = quick_lake(platform.settings)
    assert len(lake.rows("FROM lengths")) == 4
    lake.close()
