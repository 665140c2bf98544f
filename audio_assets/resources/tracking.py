"""MLflow tracking that a training can rely on: whatever happens to the server, nothing is lost.

Every event of a training (parameters, metrics, figures, model, end) is first appended to a journal in the
training's folder and then sent. If the server cannot be reached, events stay in the journal, the training
goes on, and the next event, the end of the training or `Tracker.flush` sends them, in order and with
their own times.
"""

from __future__ import annotations

import logging
import os
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audio_assets.resources.journal import JOURNAL, Event, Journal
from audio_assets.resources.mlflow_run import FAILED, FINISHED, MlflowRun
from audio_assets.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["ADOPTED", "ARTIFACTS", "FAILED", "FINISHED", "Pyfunc", "Tracker", "flush_all", "training_root"]

ADOPTED = "adopted"
ARTIFACTS = "artifacts"
RETRY_AFTER_S = 30.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pyfunc:
    """How `mlflow.pyfunc.load_model` makes a model of a checkpoint's files.

    Attributes:
        loader_module: has `_load_pyfunc(folder, config)`.
        config: what it is given; `load_model(…, model_config=…)` changes it.
        inputs: MLflow's type of each input column, by name.
        outputs: the same of what it answers.
        example: rows to try it with.
        requirements: what must be installed, as pip reads it.
    """

    loader_module: str
    config: Mapping[str, Any]
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    example: Sequence[Mapping[str, Any]]
    requirements: Sequence[str]


class Tracker:
    """One training's MLflow run, by way of a journal in `folder`.

    A tracker opened on a folder with a journal goes on with the same run.
    """

    def __init__(self, uri: str, folder: Path) -> None:
        self._uri = uri
        self._journal = Journal(folder)
        self._sent = self._journal.sent()
        self._client: MlflowClient | None = None
        self._not_before = 0.0

    def __getstate__(self) -> dict[str, Any]:
        """For a process of the same training: it makes a connection of its own."""
        return {**vars(self), "_client": None}

    @property
    def _database(self) -> Path | None:
        return database_of(self._uri)

    @property
    def run_id(self) -> str | None:
        """The MLflow run, None while the server has not heard of it."""
        return self._sent.run_id

    @property
    def model_version(self) -> str | None:
        """The registry version of the model, None until it is registered."""
        return self._sent.model_version

    @property
    def pending(self) -> int:
        """Number of events not yet sent."""
        return len(self._journal.events()) - self._sent.count

    @property
    def has_begun(self) -> bool:
        """Whether the journal has a run, sent or not."""
        return _beginning(self._journal.events()) is not None

    @property
    def is_finished(self) -> bool:
        """Whether the run has come to a good end and has not gone on since."""
        ends = [event["status"] for event in self._journal.events() if event and event["kind"] == "end"]
        return ends[-1:] == [FINISHED]

    def count(self, kind: str, prefix: str) -> int:
        """Number of events of `kind` so far that have a value whose name begins with `prefix`."""
        events = (event["values"] for event in self._journal.events() if event and event["kind"] == kind)
        return sum(any(name.startswith(prefix) for name in values) for values in events)

    def start(self, experiment: str, name: str, tags: Mapping[str, str]) -> None:
        """Begin the run; a journal that has begun already is continued."""
        if not self.has_begun:
            self._add("start", experiment=experiment, name=name, tags=dict(tags), journal=uuid.uuid4().hex)
        else:
            self.flush()

    def params(self, values: Mapping[str, object]) -> None:
        """Log parameters."""
        self._add("params", values={key: str(value) for key, value in values.items()})

    def dataset(self, name: str, digest: str, source: str, profile: Mapping[str, object]) -> None:
        """Log the data set that is read: `source` is a folder or address, `digest` that of its contents."""
        self._add("dataset", name=name, digest=digest, source=source, profile=dict(profile))

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """Log metrics of a step or epoch."""
        self._add("metrics", values=dict(values), step=step)

    def file(self, path: Path, folder: str = "") -> None:
        """Log a file, e.g. a figure; it must stay where it is until it is sent."""
        self._add("file", path=str(path), folder=folder)

    def model(
        self,
        name: str,
        path: Path,
        tags: Mapping[str, str],
        *,
        summary: str,
        description: str,
        pyfunc: Pyfunc | None,
    ) -> None:
        """Log a checkpoint's folder and make it a version of the registered model `name`, once.

        `tags` must have a `checkpoint`, by which a version is known; `summary` describes the registered
        model and `description` the version, Markdown. Without `pyfunc` the files are logged as they are.
        """
        how = None if pyfunc is None else asdict(pyfunc)
        texts = {"summary": summary, "description": description}
        self._add("model", name=name, path=str(path), tags=dict(tags), **texts, pyfunc=how)

    def alias(self, name: str, checkpoint: str, alias: str = ADOPTED) -> None:
        """Let `alias` of the registered model `name` be the version made from `checkpoint`.

        The training's run need not have been begun by this tracker. Of several that are sent late, the one
        that was asked for last stays.
        """
        self._add("alias", name=name, checkpoint=checkpoint, alias=alias)

    def end(self, status: str) -> None:
        """End the run as `FINISHED` or `FAILED`."""
        self._add("end", status=status)
        self.flush(now=True)

    def flush(self, *, now: bool = False) -> bool:
        """Send what is pending; whether all is sent. Waits between tries unless `now`."""
        if not now and time.monotonic() < self._not_before:
            return False
        try:
            with self._journal.alone():
                self._sent = self._journal.sent()
                return self._send_pending(self._journal.events())
        except Exception as error:  # whatever the server or the network does
            self._not_before = time.monotonic() + RETRY_AFTER_S
            log.warning(
                "MLflow at %s cannot be reached (%s); %d events are kept in %s and sent later.",
                self._uri, repr(error).splitlines()[0], self.pending, self._journal.path,
            )  # fmt: skip
            return False

    def _send_pending(self, events: Sequence[Event | None]) -> bool:
        pending = events[self._sent.count :]
        beginning = _beginning(events)
        if beginning is None and any(event and event["kind"] != "alias" for event in pending):
            log.warning("%s has lost its beginning; it is sent when its training runs.", self._journal.path)
            return False
        if not pending:
            return True
        run = MlflowRun(self._connected(), self._sent, self._artifacts())
        if self._sent.model_id is None and beginning is not None:
            run.send(beginning)  # wherever it stands: damaged lines may be before it
        for event in pending:
            if event is not None and event["kind"] != "start":
                self._send_or_refuse(run, event)
            self._sent.count += 1
            self._save()
        return True

    def _send_or_refuse(self, run: MlflowRun, event: Event) -> None:
        """Send an event; one that the server will never take is left out, so that it holds up no other."""
        from mlflow.exceptions import MlflowException

        try:
            run.send(event)
        except MlflowException as error:
            if error.error_code != "INVALID_PARAMETER_VALUE":
                raise
            log.warning("MLflow at %s refuses the %s: %s", self._uri, event["kind"], error.message)

    def _add(self, kind: str, **values: object) -> None:
        self._journal.append({"kind": kind, "time_ms": int(time.time() * 1000), **values})
        self.flush()

    def _save(self) -> None:
        self._journal.save(self._sent)

    def _artifacts(self) -> str | None:
        """Where files of new experiments go: beside a database; None where a server says."""
        return (self._database.parent / ARTIFACTS).as_uri() if self._database else None

    def _connected(self) -> MlflowClient:
        # a training must not hang for minutes on a server that is down, nor tell others of itself
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        import mlflow

        mlflow.set_tracking_uri(self._uri)  # models:/ addresses are resolved through it
        if self._client is None:
            logging.getLogger("mlflow").setLevel(logging.WARNING)
            if self._database is not None:
                self._database.parent.mkdir(parents=True, exist_ok=True)
            self._client = mlflow.MlflowClient(self._uri)
        return self._client


def database_of(uri: str) -> Path | None:
    """The file of an MLflow in SQLite, None with a server."""
    prefix = "sqlite:///"
    return Path(uri.removeprefix(prefix)) if uri.startswith(prefix) else None


def _beginning(events: Sequence[Event | None]) -> Event | None:
    return next((event for event in events if event and event["kind"] == "start"), None)


def flush_all(settings: Settings) -> Sequence[tuple[str, bool]]:
    """Send what is pending of all trainings under this home: folder names, and whether all is sent."""
    folders = sorted(path.parent for path in training_root(settings).rglob(JOURNAL))
    trackers = [(folder.name, Tracker(settings.mlflow_uri, folder)) for folder in folders]
    return [(name, tracker.flush(now=True)) for name, tracker in trackers if tracker.pending]


def training_root(settings: Settings) -> Path:
    """The folder in which trainings keep their resumable state."""
    return settings.home / "trainings"
