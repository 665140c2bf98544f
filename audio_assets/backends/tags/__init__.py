"""Tags: how likely each label of genre, mood and instrument is for a track, and what they are read from.

Probabilities are means over patches of about two seconds that overlap by half. Labels are those of the
published models, unchanged: ``Rock---Indie Rock``, ``melodic``, ``electricguitar``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from audio_assets.engine.declare.roles import Role

Float32 = NDArray[np.float32]

SAMPLE_RATE = 16_000
"""Rate of the samples that a tagger hears, Hz."""

FAMILIES = {"genre": 400, "mood_theme": 56, "instrument": 40}
"""Number of labels in each family: 496 in all."""

EMBEDDING_WIDTH = 1280


@dataclass(frozen=True)
class Label:
    """A label and its probability, 0..1."""

    family: str
    label: str
    probability: float


@dataclass(frozen=True)
class BinaryLabels:
    """Probabilities, 0..1, of one class of two: danceable or not, atonal or tonal, voice or none, female
    or male singer. `female` is None where there is probably no voice to have a gender.
    """

    danceable: float
    atonal: float
    voice: float
    female: float | None


@dataclass(frozen=True)
class TrackTags:
    """All that a tagger says of a track.

    Shape:
        - labels: 496, by family in the order of `FAMILIES`, each family in the order of its model
        - embedding: ``[EMBEDDING_WIDTH]``, the mean over `patch_count` patches
    """

    labels: tuple[Label, ...]
    binary: BinaryLabels
    embedding: Float32
    patch_count: int


class Tagger(Protocol):
    """What plays the role `tags`."""

    def tags(self, samples: Float32) -> TrackTags:
        """Tags of a track.

        Args:
            samples: ``[n]``, mono at `SAMPLE_RATE`.

        Raises:
            NotApplicable: the track is silent or too short, or there is no model.
        """
        ...


TAGS_ROLE = Role(
    "tags",
    {
        "embedded": "audio_assets.backends.tags.embedded:NoTags",
        "published": "audio_assets.backends.tags.published:EssentiaTags",
    },
)
