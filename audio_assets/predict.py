"""Trained models on a file that is not in the catalog: what `audio-assets predict` does.

The steps are the assets' own functions, so that a file is heard as an episode of the catalog would be.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from audio_assets.assets.podcasts.dialogue_frames import BACKENDS, dialogue_frames
from audio_assets.assets.podcasts.laughter_predictions import stored_frames, tell_laughter
from audio_assets.assets.podcasts.speaker_turns import VOICE_ACTIVITY, speaker_turns
from audio_assets.audio.signal import Signal
from audio_assets.engine.checkpoints import latest_checkpoint
from audio_assets.engine.platform import Platform
from audio_assets.errors import UserError


class PredictError(UserError, ValueError):
    """There is no model to predict with; the message says how to get one."""


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
        PredictError: no predictor has been trained.
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
    voice_activity = VOICE_ACTIVITY.backend(settings.backend_of(VOICE_ACTIVITY.name))()
    backend = BACKENDS.backend(settings.backend_of(BACKENDS.name))()
    signal = Signal(path)
    duration_s = sum(block.shape[1] for block in signal.blocks(30.0, 16_000, mono=True)) / 16_000
    turns = speaker_turns(signal, None, voice_activity=voice_activity, record={"duration_s": duration_s})
    laughs = []
    for row in dialogue_frames(signal, turns, dialogue_frames=backend):
        told = tell_laughter(model, stored_frames(row["frames"].data, row["context_frames"]))
        spans = zip(told["start_s"], told["end_s"], told["confidence"], strict=True)
        laughs += [Laugh(start, end, row["user_speaker"], sure) for start, end, sure in spans]
    return sorted(laughs, key=lambda laugh: (laugh.start_s, laugh.speaker))
