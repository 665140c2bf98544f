"""A training leaves a checkpoint that names its data, and survives a tracking server that is away."""

from __future__ import annotations

import getpass
import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient
from pydantic import BaseModel
from safetensors.numpy import load_file, save_file

from audio_assets.engine import (
    FLOAT,
    TEXT,
    Column,
    NotApplicable,
    PredictError,
    Role,
    Table,
    Trained,
    Training,
    TrainingAsset,
    TrainingError,
    predictor,
    training_asset,
)
from audio_assets.engine.run.predict import predict
from audio_assets.engine.run.tracked import settle_mlflow_runs
from audio_assets.engine.run.trainings import kept_snapshot
from audio_assets.engine.state.states import RunOptions, State, Why
from audio_assets.resources.tracking import Tracker, flush_all
from tests.engine import toys
from tests.engine.conftest import ALL, NOWHERE, Bench, make_bench

CHECKOUT = Path(__file__).resolve().parents[2]


class MeanConfig(BaseModel):
    scale: float = 1.0
    fail: bool = False


class Quiet:
    name, revision, licence, factor = "quiet", "1", "MIT", 1.0


class Loud(Quiet):
    factor = 2.0


VOICE = Role("voice", {"embedded": f"{__name__}:Quiet", "loud": f"{__name__}:Loud"})


@predictor(
    tells="mean", columns=[Column("word", TEXT, doc="Word"), Column("ratio", FLOAT, doc="To the mean")],
    roles=[VOICE],
)  # fmt: skip
def word_ratios(model: Path, *, voice: Quiet) -> Callable[[Path], list[dict[str, object]]]:
    """Each word's length beside the mean note."""
    mean = load_file(model / "model.safetensors")["mean"][0] / voice.factor

    def tell(path: Path) -> list[dict[str, object]]:
        words = path.read_text().split()
        if not words:
            raise NotApplicable("nothing is written")
        return [{"word": word, "ratio": len(word) / float(mean)} for word in words]

    return tell


@training_asset(
    items=toys.NOTE,
    upstream=["lengths"],
    config=MeanConfig,
    group="toys",
    code_version="1",
    min_items=3,
    evaluation=[Table("mean_length_evaluation", None, [Column("error", FLOAT, doc="Error")])],
    predict=word_ratios,
)
def mean_length(training: Training, config: MeanConfig) -> Trained:
    """The mean length of a note."""
    if config.fail:
        raise ArithmeticError("the loss is NaN")
    mean = float(training.rows("lengths")["characters"].mean()) * config.scale
    training.tracker.metrics({"train_loss": 0.5}, 0)
    training.tracker.metrics({"train_loss": 0.25}, 1)
    folder = training.folder / "model"
    folder.mkdir(exist_ok=True)
    save_file({"mean": np.array([mean], np.float32)}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"scale": config.scale}))
    parts = dict(zip(training.items, ["train", "train", "validation", "test"], strict=False))
    return Trained(folder, parts, {"mean": mean}, {"mean_length_evaluation": [{"error": 0.5}]})


@pytest.fixture
def bench(tmp_path: Path, new_mlflow: Callable[[Path], str]) -> Bench:
    bench = make_bench(
        tmp_path, [*ALL, mean_length], mlflow_uri=new_mlflow(tmp_path / "mlflow" / "mlflow.db")
    )
    bench.add({"a": "one", "b": "three", "c": "seventeen", "d": "two"})
    bench.run(["lengths"])
    return bench


def train(bench: Bench, asset: TrainingAsset = mean_length, **parameters: object):
    return bench.add_assets(asset).train("mean_length", **parameters)


def todo(bench: Bench, options: RunOptions = RunOptions()) -> set[Why]:  # noqa: B008
    """Why it would train now."""
    return set(bench.plan(["mean_length"], options)["mean_length"].todo)


def client(bench: Bench) -> MlflowClient:
    return MlflowClient(bench.platform.settings.mlflow_uri)


def test_a_checkpoint_leads_to_its_snapshot_its_items_and_their_values(bench: Bench):
    assert todo(bench) == {Why.NEW}
    checkpoint, is_new = train(bench)
    assert is_new and checkpoint.metrics["mean"] == 5.0
    assert todo(bench) == set()
    assert train(bench) == (checkpoint, False)  # the same data and configuration: nothing is trained

    rows = bench.query("SELECT item, split, upstream_json FROM training_items ORDER BY item")
    assert [row[:2] for row in rows] == [("a", "train"), ("b", "train"), ("c", "validation"), ("d", "test")]
    ledger = dict(bench.query("SELECT item, fingerprint FROM ledger WHERE asset = 'lengths'"))
    assert all(json.loads(upstream) == {"lengths": ledger[item]} for item, _, upstream in rows)
    ((snapshot, run_id),) = bench.query("SELECT snapshot, mlflow_run_id FROM checkpoints")
    then = bench.query(f"SELECT avg(characters) FROM lengths AT (VERSION => {snapshot})")
    assert then == [(5.0,)]
    assert bench.query("SELECT error FROM mean_length_evaluation") == [(0.5,)]
    folder = checkpoint.local(bench.platform.objects, bench.folder)
    assert (folder / "model.safetensors").is_file() and "mean_length" in (folder / "README.md").read_text()

    run = client(bench).get_run(run_id)
    assert run.info.status == "FINISHED" and run.data.params["seed"] == "0"
    history = client(bench).get_metric_history(run_id, "train_loss")
    assert [(m.step, m.value) for m in history] == [(0, 0.5), (1, 0.25)]
    (version,) = client(bench).search_model_versions("name = 'mean_length'")
    assert version.run_id == run_id and version.tags["checkpoint"] == checkpoint.checkpoint

    bench.add({"e": "a new note"})
    bench.run(["lengths"])
    assert bench.state("mean_length") is State.STALE
    assert todo(bench, RunOptions(asked=frozenset({"mean_length"}))) == {Why.UPSTREAM}


def test_a_training_that_fails_is_failed_in_mlflow_and_leaves_no_checkpoint(bench: Bench):
    with pytest.raises(TrainingError, match="ArithmeticError: the loss is NaN"):
        train(bench, fail=True)
    (run,) = client(bench).search_runs([client(bench).get_experiment_by_name("mean_length").experiment_id])
    assert run.info.status == "FAILED"
    assert bench.query("FROM checkpoints") == bench.query("FROM adoptions") == []
    query = "SELECT item, outcome, reason FROM ledger WHERE asset = 'mean_length'"
    assert bench.query(query) == [("*", "failed", "ArithmeticError: the loss is NaN")]


def test_a_training_that_failed_is_tried_again_when_asked_or_when_its_data_are_others(bench: Bench):
    fails = bench.with_settings(parameters={"mean_length": {"fail": True}})
    assert todo(fails) == {Why.NEW}
    with pytest.raises(TrainingError, match="ArithmeticError: the loss is NaN"):
        train(fails)
    assert todo(fails) == set()
    assert todo(fails, RunOptions(failed=True)) == {Why.RETRY}
    bench.add({"e": "a new note"})
    bench.run(["lengths"])
    assert fails.state("mean_length") is State.STALE
    assert todo(fails, RunOptions(asked=frozenset({"mean_length"}))) == {Why.UPSTREAM}
    assert todo(bench) == {Why.PARAMETERS}


def test_lineage_stays_true_when_values_are_computed_again(bench: Bench):
    train(bench)
    lineage = (CHECKOUT / "sql" / "queries" / "checkpoint_lineage.sql").read_text()
    then = bench.query(lineage)
    assert [row[3:7] for row in then] == [
        ("test", "d", None, "lengths"), ("train", "a", None, "lengths"), ("train", "b", None, "lengths"),
        ("validation", "c", None, "lengths"),
    ]  # fmt: skip
    bench.add({"a": "another text"})
    bench.run(["lengths"])
    assert bench.query(lineage) == then
    sources = dict(bench.query("SELECT item, fingerprint FROM training_sources"))
    now = dict(bench.query("SELECT item, fingerprint FROM ledger WHERE asset = 'lengths'"))
    assert {item for item in now if now[item] != sources[item]} == {"a"}


def test_too_few_items_are_no_training(bench: Bench):
    few = replace(mean_length, min_items=5)
    (waits,) = bench.add_assets(few).plan(["mean_length"])["mean_length"].waiting
    assert waits == "at least 5 notes with a value for all of lengths; there are 4"
    with pytest.raises(TrainingError, match=f"mean_length cannot begin: it waits for {waits}"):
        train(bench, few)


def test_a_training_outlives_a_tracking_server_that_is_down(bench: Bench):
    checkpoint, _ = train(bench.with_settings(mlflow_uri=NOWHERE))
    assert checkpoint.metrics["mean"] == 5.0
    assert bench.query("SELECT mlflow_run_id FROM checkpoints") == [("",)]
    assert [done for _, done in flush_all(bench.platform.settings)] == [True]  # the server is back
    folder = bench.platform.settings.home / "trainings" / "mean_length" / checkpoint.checkpoint
    run = client(bench).get_run(Tracker(bench.platform.settings.mlflow_uri, folder).run_id)
    assert run.info.status == "FINISHED" and run.data.metrics["train_loss"] == 0.25
    settle_mlflow_runs(bench.platform)
    assert bench.query("SELECT mlflow_run_id FROM checkpoints") == [(run.info.run_id,)]


def test_a_checkpoint_is_loaded_by_its_alias_and_tells_what_predict_tells(bench: Bench, tmp_path: Path):
    checkpoint, _ = train(bench)
    said, empty = tmp_path / "said.txt", tmp_path / "empty.txt"
    said.write_text("ten letters")
    empty.write_text("")
    rows = [{"word": "ten", "ratio": 0.6}, {"word": "letters", "ratio": 1.4}]
    assert predict(bench.platform, "mean", said) == predict(bench.platform, "mean_length", said) == rows
    model = mlflow.pyfunc.load_model("models:/mean_length@adopted")
    told = model.predict([{"path": str(empty)}, {"path": str(said)}])
    assert told.to_dict("records") == [{"path": str(said), **row} for row in rows]
    (example,) = model.input_example["path"]
    assert example == bench.platform.items(toys.NOTE)["d"].path  # of the part that tests
    assert len(model.predict(model.input_example)) == 1
    loud = mlflow.pyfunc.load_model(
        "models:/mean_length@adopted", model_config={"backends": {"voice": "loud"}}
    )
    assert loud.predict([{"path": str(said)}])["ratio"].tolist() == [1.2, 2.8]

    version = client(bench).get_model_version_by_alias("mean_length", "adopted")
    assert version.tags["checkpoint"] == checkpoint.checkpoint and version.tags["code_version"] == "1"
    assert version.description.startswith(f"# mean_length {checkpoint.checkpoint}")
    assert "audio-assets predict mean FILE" in version.description
    assert client(bench).get_registered_model("mean_length").description == "The mean length of a note."

    with pytest.raises(PredictError, match=r"tells 'age'; there are: mean \(mean_length\)"):
        predict(bench.platform, "age", said)
    (
        checkpoint.local(bench.platform.objects, bench.platform.settings.home / "cache") / "model.safetensors"
    ).write_text("")
    with pytest.raises(PredictError, match=f"mean_length {checkpoint.checkpoint} cannot be read.*--all"):
        predict(bench.platform, "mean", said)


def test_a_training_that_declares_no_use_leaves_files_and_says_so(bench: Bench):
    train(bench, replace(mean_length, predict=None))
    folder = Path(mlflow.artifacts.download_artifacts("models:/mean_length@adopted"))
    assert {file.name for file in folder.iterdir()} == {"README.md", "config.json", "model.safetensors"}
    version = client(bench).get_model_version_by_alias("mean_length", "adopted")
    assert "declares no `predict`" in version.description
    assert 'download_artifacts("models:/mean_length@adopted")' in version.description


def test_the_run_says_where_it_comes_from_and_the_data_set_is_that_of_the_data(bench: Bench):
    train(bench)
    other, _ = train(bench, scale=2.0)
    bench.add({"a": "another text"})
    bench.run(["lengths"])
    train(bench)
    experiment = client(bench).get_experiment_by_name("mean_length").experiment_id
    third, second, first = client(bench).search_runs([experiment], order_by=["start_time DESC"])
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    params, tags = second.data.params, second.data.tags
    assert tags["mlflow.source.name"] == "tests.engine.test_training:mean_length"
    assert tags["mlflow.source.type"] == "LOCAL" and tags["mlflow.user"] == getpass.getuser()
    assert tags.get("mlflow.source.git.commit", "") == params.get("git_commit", "") == commit.stdout.strip()
    ((snapshot, code_hash),) = bench.query(
        f"SELECT snapshot, code_hash FROM checkpoints WHERE checkpoint = '{other.checkpoint}'"
    )
    assert (params["code_version"], params["lake_snapshot"]) == ("1", str(snapshot))
    assert params["code_hash"] == code_hash

    digests = [run.inputs.dataset_inputs[0].dataset.digest for run in (first, second, third)]
    assert digests[0] == digests[1] != digests[2]  # other parameters, the same data; then other data
    data = first.inputs.dataset_inputs[0]
    assert mlflow.data.get_source(data).uri == bench.platform.settings.lake_data
    assert json.loads(data.dataset.profile)["snapshot"] == int(first.data.params["lake_snapshot"])


def test_a_snapshot_that_cannot_be_read_is_as_if_it_were_not_there(bench: Bench, tmp_path: Path):
    for text in ("", "{", "null", "[1]"):
        (tmp_path / "snapshot.json").write_text(text)
        assert kept_snapshot(tmp_path) is None
    with pytest.raises(TrainingError):
        train(bench, fail=True)
    (kept,) = (bench.platform.settings.home / "trainings").rglob("snapshot.json")
    assert kept_snapshot(kept.parent) == bench.platform.lake.snapshot() - 1  # its failure was noted since


def test_a_run_whose_training_was_killed_behind_its_checkpoint_is_ended(bench: Bench, monkeypatch):
    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Tracker, "end", killed)
        with pytest.raises(Killed):
            train(bench)
    ((run_id,),) = bench.query("SELECT mlflow_run_id FROM checkpoints")
    assert client(bench).get_run(run_id).info.status == "RUNNING"
    settle_mlflow_runs(bench.platform)
    assert client(bench).get_run(run_id).info.status == "FINISHED"
    assert mlflow.pyfunc.load_model("models:/mean_length@adopted") is not None
