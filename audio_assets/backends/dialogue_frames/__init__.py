"""Dialogue frames: what is going on between two speakers, one vector every 80 ms.

Frame ``i`` is of the time ``[i / 12.5, (i + 1) / 12.5)`` seconds and knows nothing of what comes
later, but for the few milliseconds of an analysis window. There are as many frames as it takes to
cover the episode. One of the speakers is the *user*, the one that is asked about; the frames of an
episode are made once with each of the two as the user.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from audio_assets.engine.declare.roles import Role

FRAME_RATE_HZ = 12.5

Streams = Iterable[NDArray[np.float32]]
Frames = NDArray[np.float16]


class DialogueFrames(Protocol):
    """What plays the role `dialogue_frames`."""

    sample_rate: int
    """Rate of the streams it hears, Hz."""

    context_frames: int
    """Frames on either side that a reader joins to each frame; see `context`."""

    def frames(self, streams: Streams) -> list[Frames]:
        """Frames with the first speaker as the user, and with the second.

        Shape:
            - streams: blocks ``[2, m]`` of the two speakers, at `sample_rate`, of any sizes
            - Output: two arrays ``[T, D]``, T = ceil(12.5 * n / sample_rate) for n samples in all
        """
        ...


DIALOGUE_FRAMES_ROLE = Role(
    "dialogue_frames",
    {
        "embedded": "audio_assets.backends.dialogue_frames.embedded:AcousticDialogueFrames",
        "published": "audio_assets.backends.dialogue_frames.moshi:MoshiDialogueFrames",
    },
)
