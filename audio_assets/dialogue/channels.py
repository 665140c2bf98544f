"""Recordings with one speaker on each channel, as interviews are often made.

Their channels say who speaks better than any analysis of voices could. They are told by level: in
almost every frame with sound, one channel must be much louder than the other.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d

from audio_assets.audio.chunk import reblock
from audio_assets.audio.signal import Signal
from audio_assets.backends.voice_activity import (
    FRAME_S,
    SAMPLE_RATE,
    VoiceActivity,
    speech_segments,
)
from audio_assets.dialogue.turns import Turn

Float32 = NDArray[np.float32]

CHANNELS = ("left", "right")
"""The speakers' names, by channel."""

CHECKED_S = 600.0
"""The channels are compared over this long at the beginning."""

BLOCK_S = 10.0
LEVEL_FRAME_S = 0.08
SOUNDING_DB = 30.0
"""A frame has sound if it is no further below the loud ones (95th percentile)."""

APART_DB = 10.0
"""The louder channel's lead where one speaker speaks."""

STEADY_FRAMES = 7
"""Levels are those of the loudest of so many frames around (0.56 s), when turns are looked for."""

APART_SHARE = 0.8
"""Share of the frames with sound in which one channel leads; in the others both speak."""

LEAD_SHARE = 0.05
"""Least share of the frames with sound in which each channel leads: a dead channel is no speaker."""


def has_speaker_channels(episode: Signal) -> bool:
    """Whether the recording is stereo and its beginning `are_apart`."""
    first = next(episode.blocks(1.0), None)
    return first is not None and len(first) == len(CHANNELS) and are_apart(_levels(episode, CHECKED_S))


def are_apart(levels_db: Float32) -> bool:
    """Whether each channel holds a speaker of its own.

    Shape:
        - levels_db: ``[2, frames]``, level of each channel in frames of `LEVEL_FRAME_S`
    """
    loudest = levels_db.max(axis=0)
    lead = (levels_db[0] - levels_db[1])[loudest > np.percentile(loudest, 95) - SOUNDING_DB]
    leads = [(lead >= APART_DB).mean(), (lead <= -APART_DB).mean()]
    return bool(sum(leads) >= APART_SHARE and min(leads) >= LEAD_SHARE)


def channel_turns(episode: Signal, voice_activity: VoiceActivity, duration_s: float) -> list[Turn]:
    """The turns of a recording that `has_speaker_channels`, by voice activity on each of them.

    What of one speaker the other's microphone picks up is left out: speech that is fainter by
    `APART_DB` than what the other channel has around that time.
    """
    steady_db = maximum_filter1d(_levels(episode), STEADY_FRAMES, axis=1)
    turns = []
    for channel, speaker in enumerate(CHANNELS):
        probabilities = voice_activity.probabilities(
            block[channel] for block in episode.blocks(BLOCK_S, SAMPLE_RATE)
        )
        frames = (np.arange(len(probabilities)) * FRAME_S / LEVEL_FRAME_S).astype(int)
        audible = steady_db[channel] > steady_db[1 - channel] - APART_DB
        heard = probabilities * audible[np.minimum(frames, len(audible) - 1)]
        turns += [
            Turn(segment.start_s, segment.end_s, speaker, "channels")
            for segment in speech_segments(heard, duration_s)
        ]
    return sorted(turns, key=lambda turn: (turn.start_s, turn.end_s, turn.speaker))


def _levels(episode: Signal, limit_s: float | None = None) -> Float32:
    """Level of both channels, dB re full scale, ``[2, frames]``, of all or about the first `limit_s`."""
    size = round(LEVEL_FRAME_S * SAMPLE_RATE)
    blocks = reblock(episode.blocks(BLOCK_S, SAMPLE_RATE), 128 * size)
    count = None if limit_s is None else math.ceil(limit_s / (128 * LEVEL_FRAME_S))
    parts = []
    for block in itertools.islice(blocks, count):
        filled = np.pad(block, ((0, 0), (0, -block.shape[1] % size)))
        power = (filled.reshape(2, -1, size) ** 2).mean(axis=2)
        parts.append(10 * np.log10(power + np.float32(1e-10)))
    return np.concatenate(parts, axis=1)
