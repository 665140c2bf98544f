"""A training's events as MLflow has them: a run, its logged model, and a version in the registry.

Every event can be sent again: a process may be killed after MLflow has heard of it and before that is
written down. So runs and models are looked for by the journal they belong to, and versions by their
checkpoint, before one is made.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audio_assets.resources.journal import Event, Sent
from audio_assets.resources.scratch import scratch_folder

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

JOURNAL_TAG = "audio_assets.journal"
CHECKPOINT_TAG = "checkpoint"
VERSIONS_TAG = "mlflow.modelVersions"
DESCRIPTION_CHARACTERS = 5000
"""What the registry's database holds."""
FINISHED, FAILED = "FINISHED", "FAILED"
EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}
"""Else MLflow's pages take what they show of an experiment for that of a GenAI application."""

log = logging.getLogger(__name__)


@dataclass
class MlflowRun:
    """What the events of one journal make.

    `sent` gets MLflow's ids; `artifacts` is where files of new experiments go, None where the server says.
    """

    client: MlflowClient
    sent: Sent
    artifacts: str | None

    def send(self, event: Event) -> None:
        """Tell MLflow of an event; the first must be a start, unless it is an alias."""
        if event["kind"] == "start":
            self._start(event)
        elif event["kind"] == "alias":
            self._alias(event)
        else:
            assert self.sent.run_id is not None and self.sent.model_id is not None
            self._log(event, self.sent.run_id, self.sent.model_id)

    def _log(self, event: Event, run_id: str, model_id: str) -> None:
        from mlflow.entities import Metric, Param

        client, when = self.client, event["time_ms"]
        match event["kind"]:
            case "params":
                client.log_batch(run_id, params=[Param(k, v) for k, v in event["values"].items()])
            case "metrics":
                metrics = [Metric(k, v, when, event["step"]) for k, v in event["values"].items()]
                client.log_batch(run_id, metrics=metrics)
            case "dataset":
                client.log_inputs(run_id, datasets=[_dataset_input(event)])
            case "file":
                client.log_artifact(run_id, event["path"], event["folder"] or None)
            case "model":
                self._model(event, run_id, model_id)
            case "end":
                if event["status"] == FAILED:
                    client.finalize_logged_model(model_id, "FAILED")
                client.set_terminated(run_id, event["status"], end_time=when)

    def _start(self, event: Event) -> None:
        """The run and, as MLflow 3 tells trainings by their models from evaluations, a pending model."""
        from mlflow.entities import LoggedModelOutput

        client, tags = self.client, {**event["tags"], JOURNAL_TAG: event["journal"]}
        mine = f"tags.`{JOURNAL_TAG}` = '{event['journal']}'"
        experiment_id = self._experiment(event["experiment"])
        runs = client.search_runs([experiment_id], mine, max_results=1)
        run = next(iter(runs), None) or client.create_run(
            experiment_id, start_time=event["time_ms"], tags=tags, run_name=event["name"]
        )
        models = client.search_logged_models([experiment_id], mine, max_results=1)
        model = next(iter(models), None) or client.create_logged_model(
            experiment_id, event["experiment"], source_run_id=run.info.run_id, tags=tags
        )
        outputs = client.get_run(run.info.run_id).outputs
        if outputs is None or not outputs.model_outputs:
            client.log_outputs(run.info.run_id, [LoggedModelOutput(model.model_id, 0)])
        self.sent.run_id, self.sent.model_id = str(run.info.run_id), str(model.model_id)

    def _experiment(self, name: str) -> str:
        found = self.client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        return str(self.client.create_experiment(name, self.artifacts, tags=EXPERIMENT_TAGS))

    def _model(self, event: Event, run_id: str, model_id: str) -> None:
        client, name, tags = self.client, event["name"], event["tags"]
        with scratch_folder() as folder:
            path = Path(event["path"])
            if event["pyfunc"] is not None:
                path = _packed(event, folder / "model", run_id, model_id)
            client.log_model_artifacts(model_id, str(path))
        client.set_logged_model_tags(model_id, tags)
        client.finalize_logged_model(model_id, "READY")
        source = f"models:/{model_id}"
        version = self._version(name, tags[CHECKPOINT_TAG])
        if version is None:
            self._register(name, event["summary"])
            description = _shortened(event["description"])
            version = client.create_model_version(
                name, source, run_id=run_id, tags=tags, description=description, model_id=model_id
            )
        if version.source == source:  # a server notes it by itself, a database does not
            versions = [{"name": name, "version": str(version.version)}]
            client.set_logged_model_tags(model_id, {VERSIONS_TAG: json.dumps(versions)})
        self.sent.model_version = str(version.version)

    def _version(self, name: str, checkpoint: str) -> ModelVersion | None:
        """The registry version made from a checkpoint."""
        query = f"name = '{name}' AND tags.{CHECKPOINT_TAG} = '{checkpoint}'"
        return next(iter(self.client.search_model_versions(query)), None)

    def _register(self, name: str, summary: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self.client.create_registered_model(name, description=_shortened(summary))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _alias(self, event: Event) -> None:
        """Give an alias to a checkpoint's version, unless it was given to another one later."""
        name, checkpoint, alias = event["name"], event["checkpoint"], event["alias"]
        version = self._version(name, checkpoint)
        if version is None:
            log.warning("MLflow has no version of %s from checkpoint %s to call %r.", name, checkpoint, alias)
            return
        given = f"{alias}_at_ms"
        if int(self.client.get_registered_model(name).tags.get(given, 0)) > event["time_ms"]:
            return  # this event was kept while the server was away
        self.client.set_registered_model_alias(name, alias, version.version)
        self.client.set_registered_model_tag(name, given, str(event["time_ms"]))


def _packed(event: Event, folder: Path, run_id: str, model_id: str) -> Path:
    """The checkpoint of a model event as a folder that `mlflow.pyfunc.load_model` reads, without pickles."""
    from mlflow.models import Model, ModelSignature
    from mlflow.pyfunc import save_model

    pyfunc = event["pyfunc"]
    save_model(
        folder,
        loader_module=pyfunc["loader_module"],
        data_path=event["path"],
        mlflow_model=Model(run_id=run_id, model_id=model_id),
        signature=ModelSignature(_schema(pyfunc["inputs"]), _schema(pyfunc["outputs"])),
        input_example=_frame(pyfunc["example"]),
        model_config=pyfunc["config"],
        pip_requirements=pyfunc["requirements"],
        metadata=event["tags"],
    )
    return folder


def _schema(columns: Mapping[str, str]) -> Any:
    from mlflow.types import ColSpec, Schema
    from mlflow.types.schema import Array

    types = {n: Array(kind[:-2]) if kind.endswith("[]") else kind for n, kind in columns.items()}
    return Schema([ColSpec(kind, name) for name, kind in types.items()])


def _frame(rows: list[dict[str, Any]]) -> Any:
    import pandas as pd

    return pd.DataFrame(rows)


def _shortened(text: str) -> str:
    return text if len(text) <= DESCRIPTION_CHARACTERS else f"{text[: DESCRIPTION_CHARACTERS - 1]}…"


def _dataset_input(event: Event) -> Any:
    """The data set, with a source that `mlflow.data.get_source` finds: where the lake's files are."""
    from mlflow.data.dataset_source_registry import resolve_dataset_source
    from mlflow.entities import Dataset, DatasetInput, InputTag

    source = resolve_dataset_source(event["source"])
    dataset = Dataset(
        name=event["name"],
        digest=event["digest"],
        source_type=source._get_source_type(),
        source=source.to_json(),
        profile=json.dumps(event["profile"]),
    )
    return DatasetInput(dataset, tags=[InputTag("mlflow.data.context", "training")])
