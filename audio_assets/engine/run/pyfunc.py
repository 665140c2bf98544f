"""Checkpoints as MLflow's Python functions: what is logged of a predictor, and what loads it again.

A model takes rows with the column `path` and answers with that path and the predictor's columns, a row for
each thing it tells: none for a file of which there is nothing to be told. It hears files with the backends
that were in force when it was trained; `load_model(…, model_config={"backends": {ROLE: CHOICE}})` has others.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audio_assets.engine.declare.outcomes import NotApplicable
from audio_assets.engine.declare.predictor import Predictor
from audio_assets.engine.declare.tables import BOOLEAN, FLOAT, INTEGER, TIMESTAMP, Column, Row
from audio_assets.resources.tracking import Pyfunc
from audio_assets.settings import get_settings

if TYPE_CHECKING:
    import pandas as pd

PATH = "path"
DISTRIBUTION = "audio-assets"
TYPES = {FLOAT: "double", INTEGER: "long", BOOLEAN: "boolean", TIMESTAMP: "datetime"}
"""MLflow's names of types; everything else is a string, and what is a list ends in `[]`."""


def pyfunc_of(predictor: Predictor, choices: Mapping[str, str], example: Path | str) -> Pyfunc:
    """How MLflow loads and calls a predictor; `choices` are its roles' backends, `example` is a file."""
    return Pyfunc(
        loader_module=__name__,
        config={"predictor": predictor.reference, "backends": dict(choices)},
        inputs={PATH: "string"},
        outputs={PATH: "string", **{column.name: _type(column) for column in predictor.columns}},
        example=[{PATH: str(example)}],
        requirements=[f"{DISTRIBUTION}=={importlib.metadata.version(DISTRIBUTION)}"],
    )


def _type(column: Column) -> str:
    return TYPES.get(column.type, "string") + ("[]" if column.length else "")


class FileModel:
    """What `mlflow.pyfunc.load_model` calls."""

    def __init__(self, predictor: Predictor, tell: Callable[[Path], list[Row]]) -> None:
        self._columns = [PATH, *(column.name for column in predictor.columns)]
        self._tell = tell

    def predict(self, data: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """What is told of each file of the column `path`, in order."""
        import pandas as pd

        rows = [{PATH: path, **row} for path in data[PATH] for row in self._told(Path(path))]
        return pd.DataFrame(rows, columns=self._columns)

    def _told(self, path: Path) -> list[Row]:
        try:
            return self._tell(path)
        except NotApplicable:
            return []


def _load_pyfunc(path: str, model_config: Mapping[str, Any]) -> FileModel:
    """MLflow's way in: the model of the checkpoint in the folder `path`."""
    module, _, name = model_config["predictor"].partition(":")
    predictor: Predictor = getattr(importlib.import_module(module), name)
    settings, choices = get_settings(), model_config["backends"]
    players = {r.name: replace(r.player(settings), choice=choices[r.name]) for r in predictor.roles}
    backends = predictor.backends(players)
    return FileModel(predictor, predictor.load(Path(path), backends))
