"""MLflow hears of everything once, whatever is killed, damaged or away meanwhile."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient
from safetensors.numpy import save_file

from audio_assets.resources.journal import JOURNAL, STATE
from audio_assets.resources.mlflow_run import DESCRIPTION_CHARACTERS, MlflowRun
from audio_assets.resources.tracking import FAILED, FINISHED, Pyfunc, Tracker

ECHO = Pyfunc(
    loader_module="tests.resources.echo_model",
    config={"times": 2},
    inputs={"path": "string"},
    outputs={"path": "string", "mean": "double", "parts": "double[]"},
    example=[{"path": "a.wav"}],
    requirements=["numpy"],
)


@pytest.fixture
def uri(tmp_path: Path, new_mlflow: Callable[[Path], str]) -> str:
    return new_mlflow(tmp_path / "mlflow" / "mlflow.db")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    save_file({"mean": np.array([5.0], np.float32)}, folder / "model.safetensors")
    return folder


def log_model(tracker: Tracker, checkpoint: Path, name: str = "echo", **changes: object) -> None:
    tags = {"checkpoint": "c1", "licences": "MIT"}
    texts = {"summary": "Says things twice.", "description": "# echo c1\n\nThe card."}
    tracker.model(name, checkpoint, tags, **{**texts, "pyfunc": ECHO, **changes})


def test_a_checkpoint_is_a_model_that_mlflow_loads_without_pickles(uri, tmp_path, checkpoint):
    tracker = Tracker(uri, tmp_path / "training")
    tracker.start("echo", "run", {"checkpoint": "c1"})
    log_model(tracker, checkpoint)
    tracker.alias("echo", "c1")
    tracker.end(FINISHED)
    assert (tracker.pending, tracker.model_version) == (0, "1")

    model = mlflow.pyfunc.load_model("models:/echo@adopted")
    assert model.predict([{"path": "a.wav"}]).to_dict("records") == [
        {"path": "a.wav", "mean": 5.0, "parts": [5.0, 5.0]}
    ]
    assert model.predict(model.input_example)["path"].tolist() == ["a.wav"]
    assert model.metadata.signature.to_dict()["outputs"] is not None
    with pytest.raises(mlflow.MlflowException, match="path"):
        model.predict([{"file": "a.wav"}])

    client = MlflowClient(uri)
    assert client.get_registered_model("echo").description == "Says things twice."
    version = client.get_model_version_by_alias("echo", "adopted")
    assert version.description == "# echo c1\n\nThe card."
    assert version.tags == {"checkpoint": "c1", "licences": "MIT"} and version.run_id == tracker.run_id
    (logged,) = client.search_logged_models([client.get_run(tracker.run_id).info.experiment_id])
    assert version.source == f"models:/{logged.model_id}"
    assert logged.status == "READY" and logged.tags["licences"] == "MIT"
    assert json.loads(logged.tags["mlflow.modelVersions"]) == [{"name": "echo", "version": "1"}]
    files = mlflow.artifacts.list_artifacts(version.source)
    assert not [file.path for file in files if file.path.endswith((".pkl", ".pickle"))]


def test_a_checkpoint_without_a_way_to_use_it_is_logged_as_files(uri, tmp_path, checkpoint):
    tracker = Tracker(uri, tmp_path / "training")
    tracker.start("echo", "run", {})
    log_model(tracker, checkpoint, pyfunc=None, description="x" * 9000)
    tracker.alias("echo", "c1")
    folder = Path(mlflow.artifacts.download_artifacts("models:/echo@adopted"))
    assert {file.name for file in folder.iterdir()} == {"model.safetensors"}
    assert len(MlflowClient(uri).get_model_version("echo", "1").description) == DESCRIPTION_CHARACTERS


def test_a_training_is_no_evaluation_run_from_its_first_moment_to_its_failure(uri, tmp_path):
    """MLflow's pages take runs without a model among their outputs for evaluations."""
    tracker = Tracker(uri, tmp_path / "training")
    tracker.start("echo", "run", {})
    client = MlflowClient(uri)

    def models() -> list[str]:
        (run,) = client.search_runs([client.get_experiment_by_name("echo").experiment_id])
        return [client.get_logged_model(out.model_id).status for out in run.outputs.model_outputs]

    assert models() == ["PENDING"]
    tracker.end(FAILED)
    assert models() == ["FAILED"]
    kind = client.get_experiment_by_name("echo").tags["mlflow.experimentKind"]
    assert kind == "custom_model_development"


class Killed(BaseException):
    """Not an exception of a server: nothing may catch it."""


class Dying:
    """A client that is killed at its `last` call: MLflow has heard of it, and nobody wrote that down."""

    def __init__(self, client: MlflowClient, last: int) -> None:
        self._client, self._left = client, last

    def __getattr__(self, name: str):
        call = getattr(self._client, name)

        def counted(*args, **kwargs):
            answer = call(*args, **kwargs)
            self._left -= 1
            if self._left == 0:
                raise Killed
            return answer

        return counted


def test_a_kill_at_any_moment_leaves_one_run_one_model_and_one_version(uri, tmp_path, checkpoint):
    client, last, is_killed = MlflowClient(uri), 0, True
    while is_killed:
        last += 1
        name, folder = f"echo_{last}", tmp_path / str(last)
        tracker = Tracker(uri, folder)
        tracker._client = Dying(client, last)
        try:
            told(tracker, name, checkpoint)
            is_killed = False
        except Killed:
            again = Tracker(uri, folder)
            again._client = client
            told(again, name, checkpoint)  # as a training does that is repeated
            assert again.pending == 0
        experiment = client.get_experiment_by_name(name).experiment_id
        (run,) = client.search_runs([experiment])
        assert run.info.status == "FINISHED"
        assert [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, "loss")] == [(0, 0.5)]
        (model,) = client.search_logged_models([experiment])
        assert [out.model_id for out in run.outputs.model_outputs] == [model.model_id]
        (version,) = client.search_model_versions(f"name = '{name}'")
        assert (version.source, model.status) == (f"models:/{model.model_id}", "READY")
        assert client.get_model_version_by_alias(name, "adopted").version == version.version
    assert last > 20  # the calls there are


def told(tracker: Tracker, name: str, checkpoint: Path) -> None:
    tracker.start(name, "run", {})
    if not tracker.count("metrics", "loss"):
        tracker.metrics({"loss": 0.5}, 0)
    log_model(tracker, checkpoint, name)
    tracker.alias(name, "c1")
    tracker.end(FINISHED)


def test_of_aliases_that_are_sent_late_the_one_that_was_given_last_stays(uri, tmp_path, checkpoint):
    trackers = {}
    for name in ("c1", "c2"):
        trackers[name] = Tracker(uri, tmp_path / name)
        trackers[name].start("echo", name, {})
        tags = {"checkpoint": name}
        trackers[name].model("echo", checkpoint, tags, summary="", description="", pyfunc=None)
    with pytest.MonkeyPatch.context() as away:
        away.setattr(MlflowRun, "send", unreachable)
        trackers["c1"].alias("echo", "c1")
    trackers["c2"].alias("echo", "c2")
    assert trackers["c1"].flush(now=True)
    version = MlflowClient(uri).get_model_version_by_alias("echo", "adopted")
    assert version.tags["checkpoint"] == "c2"
    Tracker(uri, tmp_path / "of another process").alias("echo", "c1")  # asked for again
    version = MlflowClient(uri).get_model_version_by_alias("echo", "adopted")
    assert version.tags["checkpoint"] == "c1"


def test_an_alias_of_a_checkpoint_that_mlflow_does_not_have_holds_up_nothing(uri, tmp_path, caplog):
    tracker = Tracker(uri, tmp_path / "training")
    tracker.alias("echo", "c9")
    assert tracker.pending == 0 and "no version of echo from checkpoint c9" in caplog.text


def unreachable(*_: object) -> None:
    raise ConnectionError


def test_what_a_tracking_server_refuses_holds_up_nothing_else(uri, tmp_path):
    tracker = Tracker(uri, tmp_path / "training")
    tracker.start("laughter", "run", {})
    tracker.params({"device": "cuda"})
    tracker.params({"device": "cpu"})  # killed on a GPU and resumed without: MLflow's parameters are final
    tracker.metrics({"train_loss": 1.0}, 0)
    tracker.end(FINISHED)
    assert tracker.pending == 0
    run = MlflowClient(uri).get_run(tracker.run_id)
    assert (run.info.status, run.data.params, run.data.metrics["train_loss"]) == (
        "FINISHED",
        {"device": "cuda"},
        1,
    )


def test_a_tracking_server_that_goes_away_in_the_middle_costs_nothing(uri, tmp_path, monkeypatch):
    tracker = Tracker(uri, tmp_path / "training")
    tracker.start("laughter", "run", {})
    tracker.metrics({"train_loss": 3.0}, 0)
    with monkeypatch.context() as patched:
        patched.setattr(MlflowRun, "send", unreachable)
        tracker.metrics({"train_loss": 2.0}, 1)
        tracker.metrics({"train_loss": 1.0}, 2)
    assert tracker.pending == 2
    tracker.end(FINISHED)
    assert tracker.pending == 0
    assert losses(uri, tracker) == [(0, 3.0), (1, 2.0), (2, 1.0)]


def losses(uri: str, tracker: Tracker) -> list[tuple[int, float]]:
    history = MlflowClient(uri).get_metric_history(tracker.run_id, "train_loss")
    return [(metric.step, metric.value) for metric in history]


@pytest.mark.parametrize("damage", ["", "{", "null", '{"sent": 3}', '{"count": 99}'])
def test_a_damaged_state_is_as_good_as_none(uri, tmp_path, damage):
    tracker = Tracker(uri, tmp_path / "training")
    tracker.start("laughter", "run", {})
    tracker.metrics({"train_loss": 3.0}, 0)
    (tmp_path / "training" / STATE).write_text(damage)
    again = Tracker(uri, tmp_path / "training")
    again.metrics({"train_loss": 2.0}, 1)
    again.end(FINISHED)
    assert (again.run_id, again.pending) == (tracker.run_id, 0)
    assert losses(uri, again) == [(0, 3.0), (1, 2.0)]


def test_a_damaged_line_of_the_journal_costs_that_line_and_is_told(uri, tmp_path, caplog):
    journal = tmp_path / "training" / JOURNAL
    tracker = Tracker("http://127.0.0.1:9", tmp_path / "training")
    tracker.start("laughter", "run", {})
    for step in range(3):
        tracker.metrics({"train_loss": 3.0 - step}, step)
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([lines[0], lines[1], b"\x00\xff\x00\n", lines[3], b'{"kind": "met']))
    again = Tracker(uri, tmp_path / "training")
    again.end(FINISHED)
    assert again.pending == 0 and losses(uri, again) == [(0, 3.0), (2, 1.0)]
    assert f"Line 3 of {journal} is damaged" in caplog.text
    assert [json.loads(line)["kind"] for line in journal.read_bytes().splitlines()[-2:]] == ["metrics", "end"]


def test_a_journal_that_lost_its_beginning_is_sent_when_its_training_goes_on(uri, tmp_path, caplog):
    journal = tmp_path / "training" / JOURNAL
    tracker = Tracker("http://127.0.0.1:9", tmp_path / "training")
    tracker.start("laughter", "run", {})
    tracker.metrics({"train_loss": 3.0}, 0)
    journal.write_bytes(b"#\n" + journal.read_bytes().splitlines(keepends=True)[1])
    again = Tracker(uri, tmp_path / "training")
    assert not again.flush(now=True) and "has lost its beginning" in caplog.text
    again.start("laughter", "run", {})
    assert again.pending == 0 and losses(uri, again) == [(0, 3.0)]
