"""An episode as two streams, one for each of its main speakers.

With one speaker on each channel the channels are the streams. Else each stream is the mix without the
turns that are the other's alone: what the speaker has the floor for (see `turns`). It fades in and out
over `FADE_S`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from audio_assets.audio.downmix import Samples
from audio_assets.audio.signal import Signal
from audio_assets.dialogue.turns import Spans, Turn, floor, own_channels

FADE_S = 0.01
BLOCK_S = 10.0


def speaker_streams(
    episode: Signal, turns: Sequence[Turn], speakers: Sequence[str], rate: int
) -> Iterator[Samples]:
    """The streams of `speakers` in blocks, in memory independent of the episode's length.

    Args:
        episode: the recording.
        turns: its speaker turns.
        speakers: one or two of them; with one, the second stream is silent.
        rate: sample rate of the streams in Hz.

    Yields:
        [2, m] float32.
    """
    channels = own_channels(turns, speakers)
    if channels is not None:
        for block in episode.blocks(BLOCK_S, rate):
            yield _two(block[channels])
        return
    spans = floor(turns, speakers)
    start = 0
    for block in episode.blocks(BLOCK_S, rate, mono=True):
        gains = [_gain(spans[speaker], start, block.shape[1], rate) for speaker in speakers]
        yield _two(block * np.stack(gains))
        start += block.shape[1]


def _two(streams: Samples) -> Samples:
    return streams if len(streams) == 2 else np.concatenate([streams, np.zeros_like(streams)])


def _gain(spans: Spans, start: int, length: int, rate: int) -> Samples:
    """0..1 for each of `length` samples from `start` on."""
    first_s, last_s = start / rate - FADE_S, (start + length) / rate + FADE_S
    near = spans[(spans[:, 1] > first_s) & (spans[:, 0] < last_s)]
    # Ends beyond the block, some infinite, are moved to where they no longer matter.
    edges_s = np.clip(near, first_s - FADE_S, last_s + FADE_S)
    corners_s = (edges_s[:, :, None] + [-FADE_S / 2, FADE_S / 2]).reshape(-1)
    if not corners_s.size:
        return np.zeros(length, np.float32)
    levels = np.tile([0.0, 1.0, 1.0, 0.0], len(near))
    times_s = (start + np.arange(length)) / rate
    gain: Samples = np.interp(times_s, np.maximum.accumulate(corners_s), levels).astype(np.float32)
    return gain
