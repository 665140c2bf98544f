"""Laughter in an audio file that is not in the catalog: how the model of `laughter_predictor` is used.

The steps are the assets' own functions, so that a file is heard as an episode of the catalog would be; and
a worker computes them, so that a file that crashes a decoder ends with a message.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from audio_assets.assets.podcasts.dialogue_frames import dialogue_frames
from audio_assets.assets.podcasts.laughter_predictions import load_predictor, stored_frames, tell_laughter
from audio_assets.assets.podcasts.speaker_turns import speaker_turns
from audio_assets.audio.signal import Signal
from audio_assets.backends.dialogue_frames import DIALOGUE_FRAMES_ROLE, DialogueFrames
from audio_assets.backends.voice_activity import VOICE_ACTIVITY_ROLE, VoiceActivity
from audio_assets.engine import FLOAT, TEXT, Column, PredictError, predictor

COLUMNS = (
    Column("start_s", FLOAT, unit="s", low=0, nullable=False, doc="When the laugh begins"),
    Column("end_s", FLOAT, unit="s", low=0, nullable=False, doc="When it ends"),
    Column("speaker", TEXT, nullable=False, doc="Who laughs"),
    Column("confidence", FLOAT, low=0, high=1, nullable=False, doc="Highest probability within the laugh"),
)


@predictor(tells="laughter", columns=COLUMNS, roles=(VOICE_ACTIVITY_ROLE, DIALOGUE_FRAMES_ROLE))
def laughs(
    model: Path, *, voice_activity: VoiceActivity, dialogue_frames: DialogueFrames
) -> Callable[[Path], list[dict[str, Any]]]:
    """The laughs in a file, in order of time, seconds from its start.

    The function of a file raises `PredictError` if the frames are not those the model was trained on,
    `AudioError` if the file is no usable audio, and `NotApplicable` if nobody speaks in it.
    """
    load_predictor(model)  # a damaged checkpoint is told before anything is decoded for it
    return lambda path: _laughs(path, model, voice_activity, dialogue_frames)


def _laughs(path: Path, model: Path, voice_activity: VoiceActivity, backend: Any) -> list[dict[str, Any]]:
    signal = Signal(path)
    duration_s = sum(block.shape[1] for block in signal.blocks(30.0, 16_000, mono=True)) / 16_000
    turns = speaker_turns(signal, None, voice_activity=voice_activity, record={"duration_s": duration_s})
    found = []
    for row in dialogue_frames(signal, turns, dialogue_frames=backend):
        told = _told(model, stored_frames(row["frames"].data, row["context_frames"]), backend.name)
        spans = zip(told["start_s"], told["end_s"], told["confidence"], strict=True)
        found += [
            {"start_s": start, "end_s": end, "speaker": row["user_speaker"], "confidence": sure}
            for start, end, sure in spans
        ]
    return sorted(found, key=lambda laugh: (laugh["start_s"], laugh["speaker"]))


def _told(model: Path, frames: Any, backend: str) -> dict[str, Any]:
    """As `tell_laughter`, of frames that `backend` made."""
    try:
        return tell_laughter(model, frames)
    except ValueError as error:
        raise PredictError(
            f"the adopted laughter_predictor does not fit the frames of {backend}: {error}. Set "
            "AUDIO_ASSETS_DIALOGUE_FRAMES_BACKEND to the backend it was trained on, or train one on these "
            "with `audio-assets run '*laughter_predictor'`."
        ) from error
