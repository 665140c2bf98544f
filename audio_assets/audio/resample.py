"""Resampling with libsoxr at its "HQ" setting (20 bits, linear phase), whole or as a stream.

Arrays are `[n]` or `[channels, n]` float32; rates in Hz. n samples become
round(n · target / source). The stream gives the same samples as the whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import soxr

from audio_assets.audio.downmix import Samples


def resample(samples: Samples, source_rate: int, target_rate: int) -> Samples:
    """`samples` at `target_rate`; the same array if that is `source_rate`."""
    if source_rate == target_rate:
        return samples
    return np.ascontiguousarray(soxr.resample(samples.T, source_rate, target_rate, "HQ").T)


def resample_blocks(blocks: Iterable[Samples], source_rate: int, target_rate: int) -> Iterator[Samples]:
    """Consecutive blocks `[channels, m]` at `target_rate`, of lengths as the filter gives them."""
    if source_rate == target_rate:
        yield from blocks
        return
    stream: soxr.ResampleStream | None = None
    channels = 0
    for block in blocks:
        if stream is None:
            channels = block.shape[0]
            stream = soxr.ResampleStream(source_rate, target_rate, channels, "float32", "HQ")
        yield stream.resample_chunk(np.ascontiguousarray(block.T)).T
    if stream is not None:
        nothing = np.empty((0, channels), dtype=np.float32)
        yield stream.resample_chunk(nothing, last=True).T
