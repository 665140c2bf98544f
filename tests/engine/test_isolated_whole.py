"""Trainings on workers: the process that watches goes on, whatever becomes of the one that trains."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from mlflow import MlflowClient

from audio_assets.engine import Outcome, Training, TrainingError
from audio_assets.engine.code.state import CodeState
from audio_assets.engine.run.isolated_whole import TrainingFailed, train
from audio_assets.engine.state.states import RunOptions, State, Why
from audio_assets.engine.workers.session import WorkerError
from audio_assets.resources.journal import Journal
from audio_assets.resources.tracking import Tracker
from tests.engine import toys
from tests.engine.conftest import NOWHERE, Bench
from tests.engine.training_toys import StepsConfig, steps, steps_bench
from tests.engine.workers.forking import ForkingSession
from tests.engine.workers.test_session import gone

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = steps_bench(tmp_path)
    bench.add({"a": "one", "b": "three", "c": "seventeen!"})
    bench.run(["lengths"])
    return bench


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def training(bench: Bench, lines: list[str], tmp_path: Path) -> Training:
    folder = tmp_path / "training"
    folder.mkdir()
    platform = bench.platform
    return Training(
        "steps", "c1", platform.lake.snapshot(), platform.items(toys.NOTE), ("lengths",), 0, "cpu", "float32",
        folder, Tracker(NOWHERE, folder), platform.lake, platform.objects, lines.append,
    )  # fmt: skip


def trained(bench, training, asset=steps, session=None, **config):
    platform = replace(bench.platform, session=session or bench.platform.session)
    return train(platform, asset, training, StepsConfig(**config))


def failed(bench, training, asset=steps, **config):
    with pytest.raises(TrainingFailed) as caught:
        trained(bench, training, asset, **config)
    return caught.value.result


def test_another_process_trains_and_what_it_logs_comes_through(bench, training, lines):
    found = trained(bench, training)
    assert found.metrics == {"mean": 6.0, "resumed_after": 0.0}
    assert found.split == {"a": "train", "b": "validation", "c": "test"}
    process = int(lines[0].rpartition(" ")[2])
    assert lines == [f"epoch {epoch} in {process}" for epoch in range(3)]
    assert process != os.getpid()
    assert not psutil.pid_exists(process)  # it would hold an accelerator's memory


def test_the_journal_of_the_training_has_what_the_worker_measured(bench, training):
    trained(bench, training)
    events = Journal(training.folder).events()
    assert [(event["step"], event["values"]["train_loss"]) for event in events] == [
        (0, 1.0), (1, 1 / 2), (2, 1 / 3),
    ]  # fmt: skip


def test_whoever_has_the_workers_trains_the_same(bench, training, lines):
    found = trained(bench, training, session=ForkingSession())
    assert found.metrics["mean"] == 6.0
    assert [line.partition(" in ")[0] for line in lines] == ["epoch 0", "epoch 1", "epoch 2"]


@pytest.mark.parametrize(
    ("act", "limits", "reason"),
    [
        ("kill", {}, "the worker died: killed by SIGKILL"),
        ("hang", {"time_limit_s": 3.0}, "the worker took longer than 3 s (time_limit_s of the asset)"),
        (
            "grow",
            {"memory_limit_gib": 0.75},
            "the worker used more than 0.75 GiB of memory (memory_limit_gib of the asset)",
        ),
    ],
)
def test_a_worker_that_dies_fails_its_training_alone_and_says_why(bench, training, act, limits, reason):
    result = failed(bench, training, replace(steps, **limits), act=act)
    assert (result.outcome, result.reason, result.died) == (Outcome.FAILED, reason, True)
    assert result.detail.endswith("the gradients explode" if act == "kill" else "")


def test_a_training_cannot_write_to_the_lake(bench, training):
    assert "read-only" in failed(bench, training, act="write").reason
    assert bench.query("SELECT count(*) FROM lengths") == [(3,)]


def test_a_training_to_which_nothing_applies_has_not_failed(bench, training):
    result = failed(bench, training, act="nothing")
    assert (result.outcome, result.reason) == (Outcome.NOT_APPLICABLE, "nobody laughs")


def test_a_training_that_returns_something_else_is_told(bench, training):
    with pytest.raises(TrainingError, match="steps returned a dict, wanted a Trained"):
        trained(bench, training, act="other")


def test_a_training_that_was_edited_during_the_run_does_not_begin(bench, training, lines):
    edited = replace(steps)
    vars(edited)["code"] = lambda choices: CodeState("older", {})
    with pytest.raises(WorkerError, match="the code of steps was edited during the run; start the run again"):
        trained(bench, training, edited)
    assert lines == []


def test_a_training_whose_worker_was_killed_is_failed_everywhere_and_tried_again_when_asked(
    bench, tmp_path, new_mlflow
):
    uri = new_mlflow(tmp_path / "mlflow" / "mlflow.db")
    bench = bench.with_settings(mlflow_uri=uri, parameters={"steps": {"act": "kill"}})
    with pytest.raises(TrainingError, match="the worker died: killed by SIGKILL"):
        bench.train("steps")
    query = "SELECT outcome, reason, detail FROM ledger WHERE asset = 'steps'"
    assert bench.query(query) == [
        ("failed", "the worker died: killed by SIGKILL", "the gradients explode"),
    ]  # fmt: skip
    client = MlflowClient(uri)
    (run,) = client.search_runs([client.get_experiment_by_name("steps").experiment_id])
    assert run.info.status == "FAILED"
    assert [metric.step for metric in client.get_metric_history(run.info.run_id, "train_loss")] == [0, 1, 2]
    assert bench.state("steps") is State.FAILED
    assert bench.plan(["steps"]).is_empty
    assert bench.plan(["steps"], RunOptions(failed=True))["steps"].todo.keys() == {Why.RETRY}


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGINT])
def test_a_training_that_was_killed_or_interrupted_goes_on_the_next_time(bench, tmp_path, blow):
    bench.platform.lake.close()
    command = [sys.executable, "-m", "tests.engine.run_steps", str(tmp_path)]
    environment = {**os.environ, "AUDIO_ASSETS_MLFLOW_URI": NOWHERE}
    program = subprocess.Popen(
        command, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    first = [program.stdout.readline() for _ in range(2)]
    process = int(first[1].rpartition(" ")[2])
    program.send_signal(blow)
    program.communicate(timeout=60)
    assert program.returncode != 0
    assert gone(process)
    (state,) = bench.platform.settings.home.glob("trainings/steps/*/state")
    kept = int(state.read_text())
    assert 1 <= kept < 4
    assert bench.query("SELECT count(*) FROM ledger WHERE asset = 'steps'") == [(0,)]
    again = subprocess.run(
        command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    *_, last = again.stdout.splitlines()
    assert last == f"resumed after {kept}.0"
    assert bench.query("SELECT outcome FROM ledger WHERE asset = 'steps'") == [("ok",)]
