"""Source separation: a stereo mix at 44.1 kHz becomes drums, bass, other and vocals.

Samples are float32, mixes ``[2, m]``, stems ``[4, 2, m]`` in the order of `STEMS`. Everything streams: a
separator reads the mix in blocks and yields the stems in parts, so a mix of two hours takes no more
memory than one of four minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from audio_assets.audio.downmix import Samples
from audio_assets.engine.declare.roles import Role

SAMPLE_RATE = 44_100

STEMS = ("drums", "bass", "other", "vocals")

Mix = Callable[[], Iterable[Samples]]
"""Gives the blocks ``[2, m]`` of a mix, of any sizes; from the start at each call."""


class SeparationError(RuntimeError):
    """A separator gave something that is no audio; the message says what and where."""


class Separation(Protocol):
    """What plays the role `separation`."""

    def separate(self, mix: Mix) -> Iterator[Samples]:
        """The stems of a mix at `SAMPLE_RATE`, in consecutive parts.

        `mix` may be called more than once, e.g. for its level before its samples.

        Shape:
            - Yields: ``[4, 2, m]``; as many samples in all as the mix has

        Raises:
            SeparationError: the stems are not finite numbers of the right shape.
        """
        ...


SEPARATION_ROLE = Role(
    "separation",
    {
        "embedded": "audio_assets.backends.separation.embedded:MaskSeparation",
        "published": "audio_assets.backends.separation.demucs:DemucsSeparation",
        "bs_roformer": "audio_assets.backends.separation.bs_roformer:RoformerSeparation",
    },
)
