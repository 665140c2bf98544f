"""Voice activity: how likely each frame of 32 ms holds speech.

Frame ``i`` covers the samples ``[512 i, 512 (i + 1))`` at 16 kHz; times are seconds from the start.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from audio_assets.engine.declare.roles import Role

Float32 = NDArray[np.float32]

SAMPLE_RATE = 16_000
FRAME_LENGTH = 512
FRAME_S = FRAME_LENGTH / SAMPLE_RATE


class VoiceActivity(Protocol):
    """What plays the role `voice_activity`."""

    def probabilities(self, blocks: Iterable[Float32]) -> Float32:
        """Speech probability of each frame, 0..1.

        Shape:
            - blocks: each ``[m]``, mono at `SAMPLE_RATE`, of any sizes
            - Output: ``[ceil(n / 512)]`` for n samples in all
        """
        ...


VOICE_ACTIVITY_ROLE = Role(
    "voice_activity",
    # Its weights are so small that they come with the platform: no method without weights is needed.
    dict.fromkeys(
        ("embedded", "learned", "published"),
        "audio_assets.backends.voice_activity.silero:SileroVoiceActivity",
    ),
)
