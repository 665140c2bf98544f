"""Trained models on a file that is not in the catalog: what `audio-assets predict` does.

The steps are the assets' own functions, so that a file is heard as an episode of the catalog would be.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audio_assets.assets.podcasts.dialogue_frames import dialogue_frames
from audio_assets.assets.podcasts.laughter_predictions import stored_frames, tell_laughter
from audio_assets.assets.podcasts.speaker_turns import speaker_turns
from audio_assets.audio.signal import Signal
from audio_assets.backends.dialogue_frames import DIALOGUE_FRAMES_ROLE
from audio_assets.backends.voice_activity import VOICE_ACTIVITY_ROLE
from audio_assets.backends.weights import MissingWeightsError
from audio_assets.engine.declare.roles import Role
from audio_assets.engine.platform import Platform
from audio_assets.engine.state.checkpoints import Checkpoint, latest_checkpoint
from audio_assets.errors import UserError


class PredictError(UserError, ValueError):
    """The model cannot be used, or there is none; the message says what to do."""


@dataclass(frozen=True)
class Laugh:
    """A laugh of one speaker, in seconds from the start of the file."""

    start_s: float
    end_s: float
    speaker: str
    confidence: float


def predict_laughter(platform: Platform, path: Path) -> list[Laugh]:
    """The laughs in an audio file, by the newest `laughter_predictor`, in order of time.

    Raises:
        PredictError: no predictor has been trained, its checkpoint is damaged or of frames of another
            backend, or weights are missing.
        AudioError: the file is no usable audio.
        NotApplicable: nobody speaks in it.
    """
    checkpoint = latest_checkpoint(platform.lake, "laughter_predictor")
    if checkpoint is None:
        raise PredictError(
            "No laughter_predictor has been trained in this home: annotate some episodes and "
            "`audio-assets run laughter_predictor`, or try it with `audio-assets demo`."
        )
    settings = platform.settings
    model = checkpoint.local(platform.objects, settings.home / "cache")
    _check(checkpoint, model)
    voice_activity, backend = _made(platform, VOICE_ACTIVITY_ROLE), _made(platform, DIALOGUE_FRAMES_ROLE)
    signal = Signal(path)
    duration_s = sum(block.shape[1] for block in signal.blocks(30.0, 16_000, mono=True)) / 16_000
    turns = speaker_turns(signal, None, voice_activity=voice_activity, record={"duration_s": duration_s})
    laughs = []
    for row in dialogue_frames(signal, turns, dialogue_frames=backend):
        told = _told(model, stored_frames(row["frames"].data, row["context_frames"]), backend.name)
        spans = zip(told["start_s"], told["end_s"], told["confidence"], strict=True)
        laughs += [Laugh(start, end, row["user_speaker"], sure) for start, end, sure in spans]
    return sorted(laughs, key=lambda laugh: (laugh.start_s, laugh.speaker))


def _made(platform: Platform, role: Role) -> Any:
    """The backend of a role, with its weights."""
    player = role.player(platform.settings)
    try:
        return player.make()
    except MissingWeightsError as error:
        raise PredictError(f"the backend {player.choice!r} of {role.name} has no weights. {error}") from error


def _check(checkpoint: Checkpoint, model: Path) -> None:
    """Refuse a checkpoint that cannot be read before anything is decoded for it."""
    from models.common.checkpoint import CheckpointError
    from models.laughter.predictor import LaughterPredictor

    try:
        LaughterPredictor.load(model)
    except (CheckpointError, ValueError, KeyError) as error:
        raise PredictError(
            f"the newest laughter_predictor cannot be read: {error}. Remove the folder {model}, forget the "
            'checkpoint (`audio-assets sql --write "DELETE FROM checkpoints WHERE checkpoint = '
            f"'{checkpoint.checkpoint}'\"`), and `audio-assets run {checkpoint.asset}` trains it again."
        ) from error


def _told(model: Path, frames: Any, backend: str) -> dict[str, Any]:
    """As `tell_laughter`, of frames that `backend` made."""
    try:
        return tell_laughter(model, frames)
    except ValueError as error:
        raise PredictError(
            f"the newest laughter_predictor does not fit the frames of {backend}: {error}. Set "
            "AUDIO_ASSETS_DIALOGUE_FRAMES_BACKEND to the backend it was trained on, or train one on these "
            "with `audio-assets run '*laughter_predictor'`."
        ) from error
