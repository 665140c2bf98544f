"""Recordings with one speaker on each channel, as interviews are often made.

Their channels say who speaks better than any analysis of voices could. They are told by level: in
almost every frame with sound, one channel must be much louder than the other.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import scipy
from numpy.typing import NDArray

from audio_assets.audio.chunk import reblock
from audio_assets.audio.signal import Signal
from audio_assets.backends.voice_activity import (
    FRAME_S,
    SAMPLE_RATE,
    VoiceActivity,
)
from audio_assets.backends.voice_activity.segments import speech_segments
from audio_assets.dialogue.turns import Turn

Float32 = NDArray[np.float32]

CHANNELS = ("left", "right")
"""What speakers are called who are known by their channel."""

BLOCK_S = 10.0
LEVEL_FRAME_S = 0.08

_BLOCK_FRAMES = 125
_CHECKED_BLOCKS = 60
"""The channels are compared over the first ten minutes."""

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


def speaker_channels(episode: Signal) -> Float32 | None:
    """Level of both channels of a recording whose channels `are_apart`; None of any other.

    Shape:
        - Output: ``[2, frames]``, dB re full scale, in frames of `LEVEL_FRAME_S`
    """
    size = round(LEVEL_FRAME_S * SAMPLE_RATE)
    parts: list[Float32] = []
    for block in reblock(episode.blocks(BLOCK_S, SAMPLE_RATE), _BLOCK_FRAMES * size):
        if len(block) != len(CHANNELS):
            return None
        filled = np.pad(block, ((0, 0), (0, -block.shape[1] % size)))
        power = (filled.reshape(2, -1, size) ** 2).mean(axis=2)
        parts.append(10 * np.log10(power + np.float32(1e-10)))
        if len(parts) == _CHECKED_BLOCKS and not are_apart(np.concatenate(parts, axis=1)):
            return None
    levels_db = np.concatenate(parts, axis=1)
    return levels_db if len(parts) >= _CHECKED_BLOCKS or are_apart(levels_db) else None


def are_apart(levels_db: Float32) -> bool:
    """Whether each channel holds a speaker of its own.

    Shape:
        - levels_db: ``[2, frames]``
    """
    loudest = levels_db.max(axis=0)
    lead = (levels_db[0] - levels_db[1])[loudest > np.percentile(loudest, 95) - SOUNDING_DB]
    leads = [(lead >= APART_DB).mean(), (lead <= -APART_DB).mean()]
    return bool(sum(leads) >= APART_SHARE and min(leads) >= LEAD_SHARE)


def channel_turns(
    episode: Signal, levels_db: Float32, voice_activity: VoiceActivity, duration_s: float
) -> list[Turn]:
    """The turns of a recording with `speaker_channels`, by voice activity on each of them.

    What of one speaker the other's microphone picks up is left out: speech that is fainter by
    `APART_DB` than what the other channel has around that time.
    """
    steady_db = scipy.ndimage.maximum_filter1d(levels_db, STEADY_FRAMES, axis=1)
    turns = []
    for channel, speaker in enumerate(CHANNELS):
        probabilities = voice_activity.probabilities(
            block[channel] for block in episode.blocks(BLOCK_S, SAMPLE_RATE)
        )
        frames = (np.arange(len(probabilities)) * FRAME_S / LEVEL_FRAME_S).astype(int)
        audible = steady_db[channel] > steady_db[1 - channel] - APART_DB
        heard = probabilities * audible[np.minimum(frames, len(audible) - 1)]
        turns += [
            Turn(segment.start_s, segment.end_s, speaker, "channels", channel)
            for segment in speech_segments(heard, duration_s)
        ]
    return sorted(turns, key=lambda turn: (turn.start_s, turn.end_s, turn.speaker))


def assign_channels(turns: Sequence[Turn], levels_db: Float32) -> list[Turn]:
    """The turns, each with the channel that is louder during the turns of its speaker."""
    lead_db: dict[str, list[float]] = defaultdict(list)
    for turn in turns:
        left_db, right_db = loudness_db(levels_db, turn.start_s, turn.end_s)
        lead_db[turn.speaker].append((left_db - right_db) * (turn.end_s - turn.start_s))
    channels = {speaker: int(sum(leads) < 0) for speaker, leads in lead_db.items()}
    return [replace(turn, channel=channels[turn.speaker]) for turn in turns]


def loudness_db(levels_db: Float32, start_s: float, end_s: float) -> Float32:
    """Mean power in dB of each channel ``[2]`` in the frames that a stretch of time touches."""
    first = min(int(start_s / LEVEL_FRAME_S), levels_db.shape[1] - 1)
    last = max(math.ceil(end_s / LEVEL_FRAME_S), first + 1)
    loudness: Float32 = 10 * np.log10((10 ** (levels_db[:, first:last] / 10)).mean(axis=1))
    return loudness
