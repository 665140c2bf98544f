"""Trained models on files that are in no catalog: what `audio-assets predict` does."""

from __future__ import annotations

from pathlib import Path

from audio_assets.engine.declare.predictor import PredictError, Predictor
from audio_assets.engine.declare.roles import Player
from audio_assets.engine.declare.tables import Row
from audio_assets.engine.declare.training_asset import TrainingAsset
from audio_assets.engine.platform import Platform
from audio_assets.engine.state.checkpoints import Checkpoint, CheckpointError


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
    backends = predictor.backends(players_of(platform, predictor))
    checkpoint = adopted.checkpoint
    try:
        folder = checkpoint.local(platform.objects, platform.settings.home / "cache")
    except CheckpointError as error:
        raise PredictError(str(error)) from error
    try:
        tell = predictor.load(folder, backends)
    except Exception as error:  # whatever a damaged file makes of its reader
        raise PredictError(_damaged(checkpoint, folder, error)) from error
    return tell(path)


def players_of(platform: Platform, predictor: Predictor) -> dict[str, Player]:
    """Who plays each role of a predictor under the settings in force."""
    return {role.name: role.player(platform.settings) for role in predictor.roles}


def _damaged(checkpoint: Checkpoint, folder: Path, error: Exception) -> str:
    return (
        f"{checkpoint.asset} {checkpoint.checkpoint} cannot be read: {error}. Remove the folder {folder}, forget the "
        'checkpoint (`audio-assets sql --write "DELETE FROM checkpoints WHERE checkpoint = '
        f"'{checkpoint.checkpoint}'\"`), and `audio-assets run {checkpoint.asset} --all` trains it again."
    )
