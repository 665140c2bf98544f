"""A training leaves a checkpoint that names its data, and survives a tracking server that is away."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from pydantic import BaseModel
from safetensors.numpy import save_file

from audio_assets.engine import FLOAT, Column
from audio_assets.engine.declare.training_asset import (
    EvaluationTable,
    Trained,
    Training,
    TrainingAsset,
    TrainingError,
    training_asset,
)
from audio_assets.engine.run.trainings import needs_training, note_mlflow_runs, run_training
from audio_assets.engine.state.checkpoints import latest_checkpoint
from audio_assets.engine.state.plan import RunOptions
from audio_assets.resources.tracking import Tracker, flush_all
from tests.engine import toys
from tests.engine.conftest import Bench, make_bench

CHECKOUT = Path(__file__).resolve().parents[2]


class MeanConfig(BaseModel):
    scale: float = 1.0
    fail: bool = False


class FailingConfig(MeanConfig):
    fail: bool = True


@training_asset(
    item=toys.NOTE,
    upstream=["lengths"],
    config=MeanConfig,
    group="toys",
    code_version="1",
    min_items=3,
    evaluation=[EvaluationTable("mean_length_evaluation", [Column("error", FLOAT, doc="Error")])],
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
def bench(tmp_path: Path) -> Bench:
    bench = make_bench(tmp_path)
    platform = replace(bench.platform, trainings=(mean_length,))
    platform.prepare()
    bench = Bench(platform, bench.folder)
    bench.add({"a": "one", "b": "three", "c": "seventeen", "d": "two"})
    bench.run(["lengths"])
    return bench


def train(bench: Bench, asset: TrainingAsset = mean_length, **config: object):
    return run_training(
        bench.platform, asset, MeanConfig(**config), seed=0, device="cpu", dtype="float32",
        run_id="test", log=lambda _: None,
    )  # fmt: skip


def client(bench: Bench) -> MlflowClient:
    return MlflowClient(bench.platform.settings.mlflow_uri)


def test_a_checkpoint_leads_to_its_snapshot_its_items_and_their_values(bench: Bench):
    assert needs_training(bench.platform, mean_length)
    checkpoint, is_new = train(bench)
    assert is_new and checkpoint.metrics["mean"] == 5.0
    assert not needs_training(bench.platform, mean_length)
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
    assert run.inputs.dataset_inputs[0].dataset.digest == checkpoint.checkpoint
    (version,) = client(bench).search_model_versions("name = 'mean_length'")
    assert version.run_id == run_id and version.tags["checkpoint"] == checkpoint.checkpoint

    bench.add({"e": "a new note"})
    bench.run(["lengths"])
    assert needs_training(bench.platform, mean_length)


def test_a_training_that_fails_is_failed_in_mlflow_and_leaves_no_checkpoint(bench: Bench):
    with pytest.raises(ArithmeticError):
        train(bench, fail=True)
    (run,) = client(bench).search_runs([client(bench).get_experiment_by_name("mean_length").experiment_id])
    assert run.info.status == "FAILED"
    assert latest_checkpoint(bench.platform.lake, "mean_length") is None
    query = "SELECT item, outcome, reason FROM ledger WHERE asset = 'mean_length'"
    assert bench.query(query) == [("*", "failed", "ArithmeticError: the loss is NaN")]


def test_a_training_that_failed_is_tried_again_when_asked_or_when_its_data_are_others(bench: Bench):
    fails = replace(mean_length, config=FailingConfig)
    assert needs_training(bench.platform, fails)
    with pytest.raises(ArithmeticError):
        run_training(
            bench.platform, fails, FailingConfig(), seed=0, device="cpu", dtype="float32", run_id="test",
            log=lambda _: None,
        )  # fmt: skip
    assert not needs_training(bench.platform, fails)
    assert needs_training(bench.platform, fails, RunOptions(failed=True))
    bench.add({"e": "a new note"})
    bench.run(["lengths"])
    assert needs_training(bench.platform, fails)


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
    assert not needs_training(bench.platform, few)
    with pytest.raises(TrainingError, match=r"4 notes have a value .* wanted at least 5"):
        train(bench, few)


def test_a_training_outlives_a_tracking_server_that_is_down(bench: Bench):
    down = replace(
        bench.platform,
        settings=bench.platform.settings.model_copy(update={"mlflow_uri": "http://127.0.0.1:9"}),
    )
    checkpoint, _ = train(Bench(down, bench.folder))
    assert checkpoint.metrics["mean"] == 5.0
    assert bench.query("SELECT mlflow_run_id FROM checkpoints") == [("",)]
    assert [done for _, done in flush_all(bench.platform.settings)] == [True]  # the server is back
    folder = bench.platform.settings.home / "trainings" / "mean_length" / checkpoint.checkpoint
    run = client(bench).get_run(Tracker(bench.platform.settings.mlflow_uri, folder).run_id)
    assert run.info.status == "FINISHED" and run.data.metrics["train_loss"] == 0.25
    note_mlflow_runs(bench.platform)
    assert bench.query("SELECT mlflow_run_id FROM checkpoints") == [(run.info.run_id,)]


def test_what_a_tracking_server_refuses_holds_up_nothing_else(tmp_path: Path):
    tracker = Tracker(f"sqlite:///{tmp_path}/mlflow.db", tmp_path / "training")
    tracker.start("laughter", "run", {})
    tracker.params({"device": "cuda"})
    tracker.params({"device": "cpu"})  # killed on a GPU and resumed without: MLflow's parameters are final
    tracker.metrics({"train_loss": 1.0}, 0)
    tracker.end("FINISHED")
    assert tracker.pending == 0
    run = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db").get_run(tracker.run_id)
    assert (run.info.status, run.data.params, run.data.metrics["train_loss"]) == (
        "FINISHED",
        {"device": "cuda"},
        1,
    )


def test_a_tracking_server_that_goes_away_in_the_middle_costs_nothing(tmp_path: Path, monkeypatch):
    tracker = Tracker(f"sqlite:///{tmp_path}/mlflow.db", tmp_path / "training")
    tracker.start("laughter", "run", {})
    tracker.metrics({"train_loss": 3.0}, 0)

    def away(*_: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr(Tracker, "_send", away)
        tracker.metrics({"train_loss": 2.0}, 1)
        tracker.metrics({"train_loss": 1.0}, 2)
    assert tracker.pending == 2
    tracker.end("FINISHED")
    assert tracker.pending == 0
    history = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db").get_metric_history(tracker.run_id, "train_loss")
    assert [(metric.step, metric.value) for metric in history] == [(0, 3.0), (1, 2.0), (2, 1.0)]
