"""Trained models on files that are in no catalog: what `audio-assets predict` does.

A worker hears the file, so that one that crashes a decoder ends with a message.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from audio_assets.engine.declare.outcomes import NotApplicable
from audio_assets.engine.declare.predictor import PredictError, Predictor
from audio_assets.engine.declare.roles import Player
from audio_assets.engine.declare.tables import Row
from audio_assets.engine.declare.training_asset import TrainingAsset
from audio_assets.engine.platform import Platform
from audio_assets.engine.run.importing import importable
from audio_assets.engine.run.isolated import usual_limits
from audio_assets.engine.state.checkpoints import Checkpoint, CheckpointError
from audio_assets.engine.workers.session import Crew, Died, Done, Emit, Raised, Work
from audio_assets.errors import UserError

TELLER = f"{__name__}:teller"


def find_predictor(platform: Platform, what: str) -> tuple[TrainingAsset, Predictor]:
    """The training of the name `what`, or that tells it, with its predictor.

    Raises:
        PredictError: there is none; the message lists those there are.
    """
    found = [
        (training, training.predict) for training in platform.graph.trainings if training.predict is not None
    ]
    for training, predictor in found:
        if what in (training.name, predictor.tells):
            return training, predictor
    known = ", ".join(f"{predictor.tells} ({training.name})" for training, predictor in found)
    raise PredictError(f"No training tells {what!r}; there are: {known or 'none'}.")


def predict(platform: Platform, what: str, path: Path) -> list[Row]:
    """What the adopted checkpoint of the training `what` tells of a file.

    Raises:
        PredictError: nothing of that name, no checkpoint, one that is damaged or does not fit the backends
            in force, or weights are missing.
        NotApplicable: there is nothing to be told of the file.
    """
    training, predictor = find_predictor(platform, what)
    adopted = platform.adopted([training.name]).get(training.name)
    if adopted is None:
        raise PredictError(
            f"No {training.name} has been trained in this home: `audio-assets run '*{training.name}'` trains "
            "one where there are labels to learn from, or try it with `audio-assets demo`."
        )
    checkpoint = adopted.checkpoint
    try:
        folder = checkpoint.local(platform.objects, platform.settings.home / "cache")
    except CheckpointError as error:
        raise PredictError(str(error)) from error
    module, _, name = predictor.reference.partition(":")
    telling = Telling(module, name, folder, checkpoint, players_of(platform, predictor))
    crew = Crew(limits=usual_limits(platform.settings), threads=None)
    work = Work(TELLER, telling, frozenset({module.partition(".")[0]}))
    with closing(platform.session.map(work, [path], crew)) as events:
        for event in events:
            match event:
                case Done(_, rows):
                    return list(rows)
                case Died():
                    raise PredictError(f"{path}: {event.reason}.")
                case Raised():
                    raise _again(event)
    raise AssertionError("a prediction ended without an end")


def _again(raised: Raised) -> Exception:
    """What a worker raised, as this process raises it."""
    if raised.is_a(NotApplicable):
        return NotApplicable(raised.reason)
    if raised.is_a(UserError):
        return PredictError(raised.reason)
    return RuntimeError(f"{raised.reason}\n{raised.detail}")


@dataclass(frozen=True)
class Telling:
    """What a worker loads: a predictor by its module and name, a checkpoint in a folder, and the backends."""

    module: str
    name: str
    folder: Path
    checkpoint: Checkpoint
    players: Mapping[str, Player]


def teller(setup: Telling, emit: Emit) -> Callable[[Path], list[Row]]:
    """For workers: what tells of a file; everything is loaded when the first comes."""
    predictor = importable(setup.module, setup.name, Predictor)
    loaded: list[Callable[[Path], list[Row]]] = []

    def tell(path: Path) -> list[Row]:
        if not loaded:
            backends = predictor.backends(setup.players)
            try:
                loaded.append(predictor.load(setup.folder, backends))
            except Exception as error:  # whatever a damaged file makes of its reader
                raise PredictError(_damaged(setup.checkpoint, setup.folder, error)) from error
        return loaded[0](path)

    return tell


def players_of(platform: Platform, predictor: Predictor) -> dict[str, Player]:
    """Who plays each role of a predictor under the settings in force."""
    return {role.name: role.player(platform.settings) for role in predictor.roles}


def _damaged(checkpoint: Checkpoint, folder: Path, error: Exception) -> str:
    return (
        f"{checkpoint.asset} {checkpoint.checkpoint} cannot be read: {error}. Remove the folder {folder}, forget the "
        'checkpoint (`audio-assets sql --write "DELETE FROM checkpoints WHERE checkpoint = '
        f"'{checkpoint.checkpoint}'\"`), and `audio-assets run {checkpoint.asset} --all` trains it again."
    )
