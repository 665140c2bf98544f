"""Aesthetics: how a trained listener would rate a recording, on four axes from 1 to 10."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from audio_assets.engine.declare.roles import Role

Float32 = NDArray[np.float32]

SAMPLE_RATE = 16_000
"""Rate of the samples that a judge hears, Hz."""


@dataclass(frozen=True)
class Aesthetics:
    """Ratings, 1..10; Tjandra et al., "Meta Audiobox Aesthetics", 2025, defines the axes."""

    content_enjoyment: float
    content_usefulness: float
    production_complexity: float
    production_quality: float


class AestheticsJudge(Protocol):
    """What plays the role `aesthetics`."""

    def rate(self, samples: Float32) -> Aesthetics:
        """Ratings of a track.

        Args:
            samples: ``[n]``, mono at `SAMPLE_RATE`.

        Raises:
            NotApplicable: the track is silent or too short, or there is no model.
        """
        ...


AESTHETICS_ROLE = Role(
    "aesthetics",
    {
        "embedded": "audio_assets.backends.aesthetics.embedded:NoAesthetics",
        "published": "audio_assets.backends.aesthetics.published:AudioboxAesthetics",
    },
)
