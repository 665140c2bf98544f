"""MLflow tracking that a training can rely on: whatever happens to the server, nothing is lost.

Every event of a training (parameters, metrics, figures, model, end) is first appended to a journal in the
training's folder and then sent. If the server cannot be reached, events stay in the journal, the training
goes on, and the next event, the end of the training or `Tracker.flush` sends them, in order and with
their own times.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from audio_assets.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

JOURNAL = "tracking.jsonl"
STATE = "tracking.json"
LOCK = "tracking.lock"
RETRY_AFTER_S = 30.0

log = logging.getLogger(__name__)


@dataclass
class _State:
    """How far the journal has been sent, and the server's ids for what it holds."""

    sent: int = 0
    run_id: str | None = None
    model_id: str | None = None
    model_version: str | None = None


class Tracker:
    """One training's MLflow run, by way of a journal in `folder`.

    A tracker opened on a folder with a journal goes on with the same run.
    """

    def __init__(self, uri: str, folder: Path) -> None:
        self._uri = uri
        self._folder = folder
        self._folder.mkdir(parents=True, exist_ok=True)
        self._state = self._stored_state()
        self._client: MlflowClient | None = None
        self._not_before = 0.0

    def __getstate__(self) -> dict[str, Any]:
        """For a process of the same training: it makes a connection of its own."""
        return {**vars(self), "_client": None}

    def _alone(self) -> FileLock:
        """Held while journal and state are changed: threads and processes of a training share them."""
        return FileLock(self._folder / LOCK)

    def _stored_state(self) -> _State:
        state = self._folder / STATE
        return _State(**json.loads(state.read_text())) if state.exists() else _State()

    @property
    def _database(self) -> Path | None:
        """The file of an MLflow in SQLite, None with a server."""
        prefix = "sqlite:///"
        return Path(self._uri.removeprefix(prefix)) if self._uri.startswith(prefix) else None

    @property
    def run_id(self) -> str | None:
        """The MLflow run, None while the server has not heard of it."""
        return self._state.run_id

    @property
    def model_version(self) -> str | None:
        """The registry version of the model, None until it is registered."""
        return self._state.model_version

    @property
    def pending(self) -> int:
        """Number of events not yet sent."""
        return len(self._events()) - self._state.sent

    def count(self, kind: str, prefix: str) -> int:
        """Number of events of `kind` so far that have a value whose name begins with `prefix`."""
        events = (event["values"] for event in self._events() if event["kind"] == kind)
        return sum(any(name.startswith(prefix) for name in values) for values in events)

    def start(self, experiment: str, name: str, tags: Mapping[str, str]) -> None:
        """Begin the run; a journal that has begun already is continued."""
        if not self._events():
            self._add("start", experiment=experiment, name=name, tags=dict(tags))
        else:
            self.flush()

    def params(self, values: Mapping[str, object]) -> None:
        """Log parameters."""
        self._add("params", values={key: str(value) for key, value in values.items()})

    def dataset(self, name: str, digest: str, source: str, profile: Mapping[str, object]) -> None:
        """Log the data set that is read."""
        self._add("dataset", name=name, digest=digest, source=source, profile=json.dumps(profile))

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Log metrics of a step or epoch."""
        self._add("metrics", values=dict(values), step=step)

    def file(self, path: Path, folder: str = "") -> None:
        """Log a file, e.g. a figure; it must stay where it is until it is sent."""
        self._add("file", path=str(path), folder=folder)

    def model(self, name: str, path: Path, tags: Mapping[str, str]) -> None:
        """Log a model folder and make it a version of the registered model `name`."""
        self._add("model", name=name, path=str(path), tags=dict(tags))

    def end(self, status: str) -> None:
        """End the run as FINISHED or FAILED."""
        self._add("end", status=status)
        self.flush(now=True)

    def flush(self, *, now: bool = False) -> bool:
        """Send what is pending; whether all is sent. Waits between tries unless `now`."""
        if not now and time.monotonic() < self._not_before:
            return False
        try:
            with self._alone():
                self._state = self._stored_state()
                for event in self._events()[self._state.sent :]:
                    self._send_or_refuse(event)
                    self._state.sent += 1
                    self._save()
        except Exception as error:  # whatever the server or the network does
            self._not_before = time.monotonic() + RETRY_AFTER_S
            log.warning(
                "MLflow at %s cannot be reached (%s); %d events are kept in %s and sent later.",
                self._uri, repr(error).splitlines()[0], self.pending, self._folder / JOURNAL,
            )  # fmt: skip
            return False
        return True

    def _send_or_refuse(self, event: dict[str, Any]) -> None:
        """Send an event; one that the server will never take is left out, so that it holds up no other."""
        from mlflow.exceptions import MlflowException

        try:
            self._send(event)
        except MlflowException as error:
            if error.error_code != "INVALID_PARAMETER_VALUE":
                raise
            log.warning("MLflow at %s refuses the %s: %s", self._uri, event["kind"], error.message)

    def _events(self) -> list[dict[str, Any]]:
        journal = self._folder / JOURNAL
        if not journal.exists():
            return []
        lines = journal.read_text(encoding="utf-8").split("\n")
        return [json.loads(line) for line in lines[:-1]]  # an unfinished last line was not added

    def _add(self, kind: str, **values: object) -> None:
        event = {"kind": kind, "time_ms": int(time.time() * 1000), **values}
        journal = self._folder / JOURNAL
        with self._alone():
            if journal.exists():
                text = journal.read_bytes()
                if text and not text.endswith(b"\n"):
                    journal.write_bytes(text[: text.rfind(b"\n") + 1])
            with journal.open("a", encoding="utf-8") as file:
                file.write(json.dumps(event) + "\n")
        self.flush()

    def _save(self) -> None:
        staged = self._folder / f"{STATE}.new"
        staged.write_text(json.dumps(vars(self._state)))
        staged.replace(self._folder / STATE)

    def _send(self, event: dict[str, Any]) -> None:
        client = self._connected()
        kind, when = event["kind"], event["time_ms"]
        if kind == "start":
            self._state.run_id = self._start(client, event)
            return
        run_id = self._state.run_id
        assert run_id is not None
        match kind:
            case "params":
                from mlflow.entities import Param

                client.log_batch(run_id, params=[Param(k, v) for k, v in event["values"].items()])
            case "metrics":
                from mlflow.entities import Metric

                metrics = [Metric(k, v, when, event["step"]) for k, v in event["values"].items()]
                client.log_batch(run_id, metrics=metrics)
            case "dataset":
                client.log_inputs(run_id, datasets=[_dataset_input(event)])
            case "file":
                client.log_artifact(run_id, event["path"], event["folder"] or None)
            case "model":
                self._send_model(client, run_id, event)
            case "end":
                client.set_terminated(run_id, event["status"], end_time=when)

    def _start(self, client: MlflowClient, event: dict[str, Any]) -> str:
        experiment = client.get_experiment_by_name(event["experiment"])
        if experiment is None:
            beside = self._database.parent / "artifacts" if self._database else None
            location = beside.as_uri() if beside else None  # else in the working directory
            experiment_id = client.create_experiment(event["experiment"], location)
        else:
            experiment_id = experiment.experiment_id
        run = client.create_run(
            experiment_id, start_time=event["time_ms"], tags=event["tags"], run_name=event["name"]
        )
        return str(run.info.run_id)

    def _send_model(self, client: MlflowClient, run_id: str, event: dict[str, Any]) -> None:
        from mlflow.entities import LoggedModelOutput
        from mlflow.exceptions import MlflowException

        if self._state.model_id is None:
            experiment_id = client.get_run(run_id).info.experiment_id
            model = client.create_logged_model(
                experiment_id, event["name"], source_run_id=run_id, tags=event["tags"]
            )
            client.log_model_artifacts(model.model_id, event["path"])
            client.finalize_logged_model(model.model_id, "READY")
            client.log_outputs(run_id, [LoggedModelOutput(model.model_id, 0)])
            self._state.model_id = model.model_id
            self._save()
        try:
            client.create_registered_model(event["name"])
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        version = client.create_model_version(
            event["name"],
            source=f"models:/{self._state.model_id}",
            run_id=run_id,
            tags=event["tags"],
            model_id=self._state.model_id,
        )
        self._state.model_version = str(version.version)

    def _connected(self) -> MlflowClient:
        if self._client is None:
            # a training must not hang for minutes on a server that is down
            os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
            os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
            import mlflow
            from mlflow import MlflowClient

            logging.getLogger("mlflow").setLevel(logging.WARNING)

            if self._database is not None:
                self._database.parent.mkdir(parents=True, exist_ok=True)
            mlflow.set_tracking_uri(self._uri)  # models:/ addresses are resolved through it
            self._client = MlflowClient(self._uri)
        return self._client


def _dataset_input(event: Mapping[str, Any]) -> Any:
    from mlflow.entities import Dataset, DatasetInput

    dataset = Dataset(
        name=event["name"],
        digest=event["digest"][:36],
        source_type="ducklake",
        source=event["source"],
        profile=event["profile"],
    )
    return DatasetInput(dataset, tags=[])


def flush_all(settings: Settings) -> Sequence[tuple[str, bool]]:
    """Send what is pending of all trainings under this home: folder names, and whether all is sent."""
    folders = sorted(path.parent for path in training_root(settings).rglob(JOURNAL))
    trackers = [(folder.name, Tracker(settings.mlflow_uri, folder)) for folder in folders]
    return [(name, tracker.flush(now=True)) for name, tracker in trackers if tracker.pending]


def training_root(settings: Settings) -> Path:
    """The folder in which trainings keep their resumable state."""
    return settings.home / "trainings"
