"""`training_asset`: a function becomes a tracked, reproducible training.

The function takes a `Training` (what it may read and where it runs) and its configuration, and returns a
`Trained`. The engine gives it the lake as of one snapshot, the items that have all upstream values then, a
seed, a device, a folder for resumable state and an MLflow run; and it keeps the checkpoint, its model
card, and which items it was made from. Keyword-only parameters named like a role receive that role's backend,
one named ``model`` the folder of the adopted checkpoint of the training that `starts_from` names.

The configuration, a pydantic model, and the seed are the asset's parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from audio_assets.engine.declare.asset import (
    Asset,
    DeclarationError,
    ParameterError,
    keyed,
    keyword_parameters,
    named,
)
from audio_assets.engine.declare.item_asset import MODEL
from audio_assets.engine.declare.predictor import Predictor
from audio_assets.engine.declare.roles import Role
from audio_assets.engine.declare.tables import CHECKPOINT, Item, ItemKind, Table, rows_at
from audio_assets.resources.lake import Lake, quoted
from audio_assets.resources.objects import Objects
from audio_assets.resources.tracking import Tracker

if TYPE_CHECKING:
    import polars as pl
    from lightning.pytorch.loggers import Logger

SPLITS = ("train", "validation", "test")
SEED = "seed"


class TrainingError(ValueError):
    """A training cannot begin or its result is incomplete; the message says what is wanted."""


@dataclass(frozen=True)
class Retrain:
    """When a training trains again though nothing but its data has changed.

    A first training, and changed code, parameters or weights, are planned as for all assets. `share` is how much
    of the data must have changed, None: none is enough, it must be asked for by name.
    """

    share: float | None

    def __str__(self) -> str:
        if self.share is None:
            return "asked"
        return f"changed({self.share:g})" if self.share else "always"


ASKED = Retrain(None)
"""Only when it is asked for by name; until then it is shown as stale."""

ALWAYS = Retrain(0.0)
"""Whenever its data have changed."""


def changed(share: float) -> Retrain:
    """When at least this share of its items is new, gone, or has other values than its adopted checkpoint saw."""
    if not 0 < share <= 1:
        raise DeclarationError(f"changed({share:g}): wanted a share between 0 and 1.")
    return Retrain(share)


@dataclass(frozen=True)
class Gate:
    """A checkpoint is adopted by itself only if it is no worse than the adopted one, by more than `margin`.

    `metric` is one of `Trained.metrics`, measured on validation items.
    """

    metric: str
    margin: float = 0.0
    higher_is_better: bool = True

    def lets_pass(self, new: Mapping[str, float], adopted: Mapping[str, float]) -> bool:
        """Whether metrics `new` are good enough beside those of the adopted checkpoint.

        A checkpoint without the metric does not pass; beside one without it every other does.
        """
        if self.metric not in new:
            return False
        if self.metric not in adopted:
            return True
        gain = new[self.metric] - adopted[self.metric]
        return (gain if self.higher_is_better else -gain) >= -self.margin


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
    """What a training function works with. Everything read is as of lake snapshot `snapshot`.

    `checkpoints` has, of upstream tables with values by checkpoint, the one whose values are read.
    """

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
    checkpoints: Mapping[str, str] = field(default_factory=dict)

    def rows(self, table: str) -> pl.DataFrame:
        """The rows of `table` for the training's items, at the snapshot.

        Raises:
            TrainingError: the table is not among the upstream assets, so lineage would not show it.
        """
        if table not in self.upstream:
            raise TrainingError(f"{self.name} reads {table}, which is not among its upstream assets.")
        with self.lake.get_connection() as connection:
            query = (
                f"FROM ({rows_at(table, self.snapshot, self.checkpoints.get(table))}) "
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


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingAsset(Asset):
    """A training; made by the `training_asset` decorator. Its tables hold the evaluations of its checkpoints.

    `model` is the training whose adopted checkpoint it starts from.
    """

    config: type[BaseModel]
    min_items: int = 1
    retrain: Retrain = ASKED
    gate: Gate | None = None
    predict: Predictor | None = None

    @property
    def job_name(self) -> str:
        """The job that trains it."""
        return f"train_{self.name}"

    def checked_parameters(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """All parameters: the configuration with the values `given`, and the seed.

        Raises:
            ParameterError: one that there is not, or a value that the configuration refuses.
        """
        unknown = sorted(set(given) - set(self.parameters))
        if unknown:
            return super().checked_parameters(given)  # which says what there is
        values = {**self.parameters, **given}
        seed = values.pop(SEED)
        if not isinstance(seed, int) or isinstance(seed, bool):
            raise ParameterError(f"{self.name}: parameter {SEED} is {seed!r}; wanted a whole number.")
        return {**self.configured(values).model_dump(mode="json"), SEED: seed}

    def configured(self, parameters: Mapping[str, Any]) -> BaseModel:
        """The configuration with these values; the seed is no part of it.

        Raises:
            ParameterError: a value that the configuration refuses.
        """
        try:
            return self.config(**{name: value for name, value in parameters.items() if name != SEED})
        except ValidationError as error:
            wrong = "; ".join(
                f"{'.'.join(map(str, e['loc']))} is {e['input']!r}: {e['msg']}"
                for e in error.errors(include_url=False)
            )
            raise ParameterError(f"{self.name}: {wrong}.") from error


def training_asset(
    *,
    items: ItemKind | Sequence[ItemKind],
    upstream: Sequence[str],
    config: type[BaseModel],
    group: str,
    code_version: str,
    optional: Sequence[str] = (),
    reads: Sequence[str] = (),
    roles: Sequence[Role] = (),
    starts_from: str | None = None,
    evaluation: Sequence[Table] = (),
    min_items: int = 1,
    retrain: Retrain = ASKED,
    gate: Gate | None = None,
    predict: Predictor | None = None,
    time_limit_s: float | None = None,
    memory_limit_gib: float | None = None,
    pool: str | None = None,
    kinds: Sequence[str] = (),
    owners: Sequence[str] = (),
) -> Callable[[Callable[..., Trained]], TrainingAsset]:
    """Make a function a training asset; the asset has the function's name.

    `upstream` are the assets it reads, those in `optional` also for items that have no value of them; `reads` the
    columns of the catalog that it looks at; `config` its parameters. With fewer than `min_items` items that have
    all of the required upstream it does not begin. `retrain` says when it trains again because of data alone,
    `gate` which checkpoints are adopted by themselves. `predict` is how its model is used on a file (see
    `predictor`); without it, MLflow has its checkpoints as files that only their own code loads.

    A worker trains; it is ended if it takes longer than `time_limit_s` (None: a week), or if it and the
    processes that it starts hold more than `memory_limit_gib` (None: whatever there is).

    Raises:
        DeclarationError: the function's signature does not fit; the message says how.
    """

    def decorate(fn: Callable[..., Trained]) -> TrainingAsset:
        where = named(fn, fn.__name__)
        given = {role.name for role in roles} | ({MODEL} if starts_from else set())
        if own := keyword_parameters(fn, given, where):
            raise DeclarationError(
                f"{where} has the parameters {', '.join(own)}; those of a training stand in {config.__name__}."
            )
        if SEED in config.model_fields:
            raise DeclarationError(
                f"{where}: {config.__name__} has a field {SEED}, which every training has."
            )
        return TrainingAsset(
            fn=fn,
            name=fn.__name__,
            tables=keyed([replace(table, rows="many") for table in evaluation], [CHECKPOINT]),
            items=(items,) if isinstance(items, ItemKind) else tuple(items),
            upstream=tuple(upstream),
            optional_upstream=frozenset(optional),
            reads=tuple(reads),
            parameters={**config().model_dump(mode="json"), SEED: 0},
            roles=tuple(roles),
            model=starts_from,
            group=group,
            code_version=code_version,
            config=config,
            min_items=min_items,
            retrain=retrain,
            gate=gate,
            predict=predict,
            time_limit_s=time_limit_s,
            memory_limit_gib=memory_limit_gib,
            pool=pool,
            kinds=frozenset(kinds) or frozenset({"pytorch", "mlflow"}),
            owners=tuple(owners),
        )

    return decorate
