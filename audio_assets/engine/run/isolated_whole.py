"""A collection or a training on a worker: whatever becomes of that process, the one that watches goes on."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from audio_assets.engine.declare.asset import EVERY_ITEM, Asset
from audio_assets.engine.declare.collection_asset import Collection, CollectionAsset
from audio_assets.engine.declare.item_asset import MODEL
from audio_assets.engine.declare.outcomes import ItemResult, NotApplicable, Outcome
from audio_assets.engine.declare.roles import Player
from audio_assets.engine.declare.training_asset import Trained, Training, TrainingAsset, TrainingError
from audio_assets.engine.platform import Platform
from audio_assets.engine.run import stopping
from audio_assets.engine.run.importing import CodeChanged, importable
from audio_assets.engine.run.pools import in_pool
from audio_assets.engine.workers.session import (
    Cause,
    Crew,
    Died,
    Done,
    Emit,
    Limits,
    Part,
    Raised,
    Work,
)

CALLER = f"{__name__}:caller"
WEEK_S = 7 * 24 * 3600.0
WHOSE_LIMIT = {
    Cause.ITSELF: "",
    Cause.TIME: " (time_limit_s of the asset)",
    Cause.MEMORY: " (memory_limit_gib of the asset)",
}

Rows = Mapping[str, Sequence[Mapping[str, Any]]]


class EndedBadly(Exception):
    """The function raised, or its worker died; `result` is how the ledger has it."""

    def __init__(self, result: ItemResult) -> None:
        super().__init__(result.reason)
        self.result = result
        if result.detail:
            self.add_note(result.detail)


class TrainingFailed(EndedBadly, TrainingError):
    """A training raised, or its worker died."""


@dataclass(frozen=True)
class Caller:
    """What a worker loads: an asset by its module and name, and its code as the run has read it.

    `backends` play its roles, `model` is the folder of the checkpoint it starts from.
    """

    module: str
    name: str
    code: str
    backends: Mapping[str, Player]
    model: Path | None


@dataclass(frozen=True)
class Call:
    """What the asset's function is called with."""

    data: Collection | Training
    config: BaseModel | None
    parameters: Mapping[str, Any]


def collect(
    platform: Platform, asset: CollectionAsset, collection: Collection, parameters: Mapping[str, Any]
) -> Rows:
    """The rows of a collection's tables, computed by a worker within the limits of the asset.

    The worker reads the lake, and cannot write to it.

    Raises:
        EndedBadly: the function raised, or its worker died.
        WorkerError: the asset cannot be imported.
    """
    lake = replace(collection.lake, read_only=True)
    call = Call(replace(collection, lake=lake), None, parameters)
    rows: Rows = _call(platform, asset, call, crew=Crew(limits=_limits(asset)), failed=EndedBadly)
    return rows


def train(platform: Platform, asset: TrainingAsset, training: Training, config: BaseModel) -> Trained:
    """Train on a worker within the limits of the asset; `training.log` gets what it logs.

    The worker reads the lake, and cannot write to it. However this function is left, the worker ends.

    Raises:
        TrainingFailed: the training raised, or its worker died.
        CheckpointError: the checkpoint that it starts from is gone.
        WorkerError: the training cannot be imported.
    """
    lake = replace(training.lake, read_only=True)
    call = Call(replace(training, lake=lake, log=print), config, {})
    crew = Crew(limits=_limits(asset), threads=None, keep=False)  # it has the machine, or the GPU, to itself
    trained = _call(platform, asset, call, crew=crew, failed=TrainingFailed, log=training.log)
    if not isinstance(trained, Trained):
        raise TrainingError(f"{asset.name} returned a {type(trained).__name__}, wanted a Trained")
    return trained


def _call(
    platform: Platform,
    asset: CollectionAsset | TrainingAsset,
    call: Call,
    *,
    crew: Crew,
    failed: type[EndedBadly],
    log: Callable[[str], None] = print,
) -> Any:
    module, name = asset.reference
    choices = platform.graph.choices(platform.settings)
    backends = {role.name: choices[role.name] for role in asset.roles}
    caller = Caller(module, name, asset.code(choices).digest, backends, _starting_model(platform, asset))
    work = Work(CALLER, caller, frozenset({module.partition(".")[0]}))
    with (
        stopping.stopping(),
        in_pool(platform, asset.pool, asset.name),
        closing(platform.session.map(work, [call], crew, tick_s=stopping.LOOK_S)) as events,
    ):
        for event in events:
            stopping.check()
            match event:
                case Part(_, str() as line):
                    log(line)
                case Done(_, returned):
                    return returned
                case Raised() | Died():
                    raise failed(_ended(event, asset.name))
    raise AssertionError("a worker ended without an end")


def _limits(asset: Asset) -> Limits:
    memory = math.inf if asset.memory_limit_gib is None else asset.memory_limit_gib * 2**30
    return Limits(asset.time_limit_s or WEEK_S, memory)


def _starting_model(platform: Platform, asset: Asset) -> Path | None:
    if asset.model is None:
        return None
    adopted = platform.adopted([asset.name])[asset.model]
    return adopted.checkpoint.local(platform.objects, platform.settings.home / "cache")


def caller(setup: Caller, emit: Emit) -> Callable[[Call], Any]:
    """For workers: what calls the function of the asset that `setup` names."""
    asset = importable(setup.module, setup.name, Asset)
    if asset.code(setup.backends).digest != setup.code:
        raise CodeChanged(setup.name)

    def log(line: object) -> None:
        emit(str(line))

    def called(call: Call) -> Any:
        given: dict[str, Any] = {role.name: setup.backends[role.name].make() for role in asset.roles}
        if asset.model is not None:
            given[MODEL] = setup.model
        if isinstance(call.data, Training):
            return asset.fn(replace(call.data, log=log), call.config, **given)
        return asset.fn(call.data, **call.parameters, **given)

    return called


def _ended(event: Raised | Died, asset: str) -> ItemResult:
    if isinstance(event, Died):
        reason = event.reason + WHOSE_LIMIT[event.cause]
        return ItemResult(asset, EVERY_ITEM, Outcome.FAILED, [], reason, event.detail, died=True)
    if event.is_a(NotApplicable):
        return ItemResult(asset, EVERY_ITEM, Outcome.NOT_APPLICABLE, [], event.reason)
    return ItemResult(asset, EVERY_ITEM, Outcome.FAILED, [], event.reason, event.detail)
