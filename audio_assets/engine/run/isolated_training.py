"""A training on a worker: whatever becomes of the process that trains, the one that watches goes on."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from audio_assets.engine.declare.item_asset import MODEL
from audio_assets.engine.declare.outcomes import ItemResult, NotApplicable, Outcome
from audio_assets.engine.declare.roles import Player
from audio_assets.engine.declare.training_asset import Trained, Training, TrainingAsset, TrainingError
from audio_assets.engine.platform import Platform
from audio_assets.engine.run.importing import CodeChanged, importable
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

TRAINER = f"{__name__}:trainer"
WEEK_S = 7 * 24 * 3600.0
WHOSE_LIMIT = {
    Cause.ITSELF: "",
    Cause.TIME: " (time_limit_s of the training)",
    Cause.MEMORY: " (memory_limit_gib of the training)",
}


class TrainingFailed(TrainingError):
    """The training raised, or its worker died; `result` is how the ledger has it."""

    def __init__(self, result: ItemResult) -> None:
        super().__init__(result.reason)
        self.result = result
        if result.detail:
            self.add_note(result.detail)


@dataclass(frozen=True)
class Trainer:
    """What a worker loads: a training by its module and name, and its code as the run has read it.

    `backends` play its roles, `model` is the folder of the checkpoint it starts from.
    """

    module: str
    name: str
    code: str
    backends: Mapping[str, Player]
    model: Path | None


@dataclass(frozen=True)
class Lesson:
    """What a worker trains on."""

    training: Training
    config: BaseModel


def train(
    platform: Platform, asset: TrainingAsset, training: Training, config: BaseModel, item: str
) -> Trained:
    """Train on a worker within the limits of the asset; `training.log` gets what it logs.

    The worker reads the lake, and cannot write to it. However this function is left, the worker ends.

    Raises:
        TrainingFailed: the training raised, or its worker died. The result is that of `item`.
        CheckpointError: the checkpoint that it starts from is gone.
        WorkerError: the training cannot be imported.
    """
    module, name = asset.reference
    memory = math.inf if asset.memory_limit_gib is None else asset.memory_limit_gib * 2**30
    limits = Limits(asset.time_limit_s or WEEK_S, memory)
    crew = Crew(limits=limits, threads=None, keep=False)  # it has the machine, or the GPU, to itself
    choices = platform.graph.choices(platform.settings)
    trainer = Trainer(
        module,
        name,
        asset.code(choices).digest,
        {role.name: choices[role.name] for role in asset.roles},
        _starting_model(platform, asset),
    )
    work = Work(TRAINER, trainer, frozenset({module.partition(".")[0]}))
    lake = replace(training.lake, read_only=True)
    lesson = Lesson(replace(training, lake=lake, log=print), config)
    with closing(platform.session.map(work, [lesson], crew)) as events:
        for event in events:
            match event:
                case Part(_, str() as line):
                    training.log(line)
                case Done(_, Trained() as trained):
                    return trained
                case Done(_, other):
                    raise TrainingError(f"{asset.name} returned a {type(other).__name__}, wanted a Trained")
                case Raised() | Died():
                    raise TrainingFailed(_ended(event, asset.name, item))
    raise AssertionError("a training ended without an end")


def _starting_model(platform: Platform, asset: TrainingAsset) -> Path | None:
    if asset.model is None:
        return None
    adopted = platform.adopted([asset.name])[asset.model]
    return adopted.checkpoint.local(platform.objects, platform.settings.home / "cache")


def trainer(setup: Trainer, emit: Emit) -> Callable[[Lesson], Any]:
    """For workers: what trains the asset that `setup` names."""
    asset = importable(setup.module, setup.name, TrainingAsset)
    if asset.code(setup.backends).digest != setup.code:
        raise CodeChanged(setup.name)

    def log(line: object) -> None:
        emit(str(line))

    def learn(lesson: Lesson) -> Any:
        given: dict[str, Any] = {role.name: setup.backends[role.name].make() for role in asset.roles}
        if asset.model is not None:
            given[MODEL] = setup.model
        return asset.fn(replace(lesson.training, log=log), lesson.config, **given)

    return learn


def _ended(event: Raised | Died, asset: str, item: str) -> ItemResult:
    if isinstance(event, Died):
        reason = event.reason + WHOSE_LIMIT[event.cause]
        return ItemResult(asset, item, Outcome.FAILED, [], reason, event.detail, died=True)
    if event.is_a(NotApplicable):
        return ItemResult(asset, item, Outcome.NOT_APPLICABLE, [], event.reason)
    return ItemResult(asset, item, Outcome.FAILED, [], event.reason, event.detail)
