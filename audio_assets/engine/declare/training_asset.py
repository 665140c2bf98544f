"""`training_asset`: a function becomes a tracked, reproducible training.

The function takes a `Training` (what it may read and where it runs) and its configuration, and returns a
`Trained`. The engine gives it the lake as of one snapshot, the items that have all upstream values then, a
seed, a device, a folder for resumable state and an MLflow run; and it keeps the checkpoint, its model
card, and which items it was made from.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from audio_assets.engine.code.state import CodeState, code_state
from audio_assets.engine.declare.tables import TEXT, Column, Item, ItemKind, ResultTable
from audio_assets.resources.lake import Lake, quoted
from audio_assets.resources.objects import Objects
from audio_assets.resources.tracking import Tracker

if TYPE_CHECKING:
    import polars as pl
    from lightning.pytorch.loggers import Logger

SPLITS = ("train", "validation", "test")


class TrainingError(ValueError):
    """A training cannot begin or its result is incomplete; the message says what is wanted."""


class EvaluationTable(ResultTable):
    """A table that a training fills with rows about its checkpoint, e.g. metrics."""

    @property
    def all_columns(self) -> tuple[Column, ...]:
        """The checkpoint, then the table's own columns."""
        return (Column("checkpoint", TEXT, doc="See `checkpoints`", nullable=False), *self.columns)


@dataclass(frozen=True)
class Trained:
    """What a training function returns.

    `folder` holds the checkpoint: `model.safetensors` and `config.json`, from which the network is built.
    `split` says for each item used whether it trained, validated or tested; `metrics` are the final ones;
    `evaluation` has rows for the asset's evaluation tables; `summary` goes into the model card.
    """

    folder: Path
    split: Mapping[str, str]
    metrics: Mapping[str, float]
    evaluation: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    figures: Sequence[Path] = ()
    summary: str = ""


@dataclass(frozen=True)
class Training:
    """What a training function works with. Everything read is as of lake snapshot `snapshot`."""

    name: str
    checkpoint: str
    snapshot: int
    items: Mapping[str, Item]
    upstream: Sequence[str]
    seed: int
    device: str
    dtype: str
    folder: Path
    tracker: Tracker
    lake: Lake
    objects: Objects
    log: Callable[[str], None]

    def rows(self, table: str) -> pl.DataFrame:
        """The rows of `table` for the training's items, at the snapshot.

        Raises:
            TrainingError: the table is not among the upstream assets, so lineage would not show it.
        """
        if table not in self.upstream:
            raise TrainingError(f"{self.name} reads {table}, which is not among its upstream assets.")
        with self.lake.get_connection() as connection:
            query = (
                f'SELECT * FROM "{table}" AT (VERSION => {self.snapshot}) '
                f"WHERE item IN (SELECT unnest({quoted(self.items)})) ORDER BY item"
            )
            return connection.execute(query).pl()

    def lightning_logger(self) -> Logger:
        """A logger for Lightning's `Trainer` that sends the metrics of every epoch to MLflow."""
        from audio_assets.engine.run.lightning_logger import TrackerLogger

        return TrackerLogger(self.tracker)

    def object(self, key: str) -> Path:
        """An object as a local file."""
        return self.objects.local_file(key, self.folder / "objects")


@dataclass(frozen=True)
class TrainingAsset:
    """A training; made by the `training_asset` decorator."""

    fn: Callable[[Training, Any], Trained]
    name: str
    item: ItemKind
    upstream: tuple[str, ...]
    config: type[BaseModel]
    evaluation: tuple[EvaluationTable, ...]
    group: str
    code_version: str
    description: str
    min_items: int = 1
    pool: str | None = None

    def __call__(self, training: Training, config: Any) -> Trained:
        return self.fn(training, config)

    @property
    def reference(self) -> tuple[str, str]:
        """Module and name of the function."""
        return self.fn.__module__, self.fn.__qualname__

    @property
    def job_name(self) -> str:
        """The job that trains it."""
        return f"train_{self.name}"

    @cached_property
    def code(self) -> CodeState:
        """The code behind the training."""
        return code_state([self.fn])

    def fingerprint(self, config: BaseModel, seed: int, upstream: Mapping[str, Mapping[str, str]]) -> str:
        """What a checkpoint is made from: code version, configuration, seed, items and their values."""
        text = json.dumps(
            [self.name, self.code_version, config.model_dump(mode="json"), seed, upstream],
            sort_keys=True,
        )
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def training_asset(
    *,
    item: ItemKind,
    upstream: Sequence[str],
    config: type[BaseModel],
    group: str,
    code_version: str,
    evaluation: Sequence[EvaluationTable] = (),
    min_items: int = 1,
    pool: str | None = None,
) -> Callable[[Callable[[Training, Any], Trained]], TrainingAsset]:
    """Make a function a training asset; the asset has the function's name.

    `upstream` are the item assets it reads, `config` its Dagster configuration; with fewer than
    `min_items` items that have all of `upstream` it does not begin.
    """

    def decorate(fn: Callable[[Training, Any], Trained]) -> TrainingAsset:
        return TrainingAsset(
            fn=fn,
            name=fn.__name__,
            item=item,
            upstream=tuple(upstream),
            config=config,
            evaluation=tuple(evaluation),
            group=group,
            code_version=code_version,
            description=inspect.getdoc(fn) or "",
            min_items=min_items,
            pool=pool,
        )

    return decorate
