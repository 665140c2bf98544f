"""Dialogue frames from signal processing alone: no weights, no download."""

from __future__ import annotations

import numpy as np

from audio_assets.backends.dialogue_frames import Frames, Streams
from audio_assets.backends.dialogue_frames.acoustic import SAMPLE_RATE, acoustic_frames


class AcousticDialogueFrames:
    """The acoustic frames of the other speaker, then those of the user: 126 columns.

    Stored without the frames around them, which are joined when they are read (`context`).
    """

    name = "acoustic"
    revision = "1"
    licence = "Apache-2.0"

    sample_rate = SAMPLE_RATE
    context_frames = 4

    def frames(self, streams: Streams) -> list[Frames]:
        """As `DialogueFrames.frames`."""
        both = acoustic_frames(streams).astype(np.float16)
        return [np.concatenate([both[1 - user], both[user]], axis=1) for user in (0, 1)]
