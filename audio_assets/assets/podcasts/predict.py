"""Trained models on a file that is not in the catalog: what `audio-assets predict` does.

The steps are the assets' own functions, so that a file is heard as an episode of the catalog would be; and
a worker computes them, so that a file that crashes a decoder ends with a message.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audio_assets.assets.podcasts.dialogue_frames import BACKENDS, dialogue_frames
from audio_assets.assets.podcasts.laughter_predictions import stored_frames, tell_laughter
from audio_assets.assets.podcasts.speaker_turns import VOICE_ACTIVITY, speaker_turns
from audio_assets.audio.decode import AudioError, readable
from audio_assets.audio.signal import Signal
from audio_assets.backends.weights import MissingWeightsError
from audio_assets.engine.declare.outcomes import NotApplicable
from audio_assets.engine.declare.roles import Role
from audio_assets.engine.platform import Platform
from audio_assets.engine.run.isolated import usual_limits
from audio_assets.engine.state.checkpoints import Checkpoint, latest_checkpoint
from audio_assets.engine.workers.session import Crew, Died, Done, Emit, Limits, Raised, Step, Work
from audio_assets.errors import UserError

PREDICTOR = f"{__name__}:predictor"


class PredictError(UserError, ValueError):
    """The model cannot be used, or there is none; the message says what to do."""


@dataclass(frozen=True)
class Laugh:
    """A laugh of one speaker, in seconds from the start of the file."""

    start_s: float
    end_s: float
    speaker: str
    confidence: float


@dataclass(frozen=True)
class Model:
    """What a worker needs: the checkpoint and its folder, and each role with the name of its backend."""

    checkpoint: Checkpoint
    folder: Path
    voice_activity: tuple[Role, str]
    dialogue_frames: tuple[Role, str]
    limits: Limits


def predict_laughter(platform: Platform, path: Path) -> list[Laugh]:
    """The laughs in an audio file, by the newest `laughter_predictor`, in order of time.

    Raises:
        PredictError: no predictor has been trained, its checkpoint is damaged or of frames of another
            backend, weights are missing, or the worker died of the file.
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
    model = Model(
        checkpoint,
        checkpoint.local(platform.objects, settings.home / "cache"),
        (VOICE_ACTIVITY, settings.backend_of(VOICE_ACTIVITY.name)),
        (BACKENDS, settings.backend_of(BACKENDS.name)),
        usual_limits(settings),
    )
    crew = Crew(limits=model.limits, threads=None)
    with closing(platform.session.map(Work(PREDICTOR, model), [path], crew)) as events:
        for event in events:
            match event:
                case Done(_, laughs):
                    return list(laughs)
                case Died():
                    raise PredictError(
                        f"{readable(path)}: {event.reason}, while it computed {event.step or 'nothing yet'}."
                    )
                case Raised():
                    raise _again(event)
    raise AssertionError("a prediction ended without an end")


def _again(raised: Raised) -> Exception:
    """What a worker raised, as this process raises it."""
    for kind in (AudioError, NotApplicable):
        if raised.is_a(kind):
            return kind(raised.reason)
    if raised.is_a(UserError):
        return PredictError(raised.reason)
    return RuntimeError(f"{raised.reason}\n{raised.detail}")


def predictor(model: Model, emit: Emit) -> Callable[[Path], list[Laugh]]:
    """For workers: what predicts the laughs of a file."""

    def predict(path: Path) -> list[Laugh]:
        _check(model.checkpoint, model.folder)
        voice_activity, backend = _made(*model.voice_activity), _made(*model.dialogue_frames)
        emit(Step("speaker_turns", model.limits))
        signal = Signal(path)
        duration_s = sum(block.shape[1] for block in signal.blocks(30.0, 16_000, mono=True)) / 16_000
        turns = speaker_turns(signal, None, voice_activity=voice_activity, record={"duration_s": duration_s})
        emit(Step("dialogue_frames", model.limits))
        laughs = []
        for row in dialogue_frames(signal, turns, dialogue_frames=backend):
            frames = stored_frames(row["frames"].data, row["context_frames"])
            told = _told(model.folder, frames, backend.name)
            spans = zip(told["start_s"], told["end_s"], told["confidence"], strict=True)
            laughs += [Laugh(start, end, row["user_speaker"], sure) for start, end, sure in spans]
        return sorted(laughs, key=lambda laugh: (laugh.start_s, laugh.speaker))

    return predict


def _made(role: Role, choice: str) -> Any:
    """The backend of a role, with its weights."""
    try:
        return role.backend(choice)()
    except (MissingWeightsError, FileNotFoundError) as error:
        raise PredictError(f"the backend {choice!r} of {role.name} has no weights. {error}") from error


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
