"""Separating in overlapping chunks and fading from each to the next: memory for two chunks, not for a mix.

The gains of a fade add up to one, so stems that sum to the mix in each chunk do so everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import numpy as np

from audio_assets.audio.chunk import concatenate, cross_fade, reblock
from audio_assets.audio.downmix import Samples
from audio_assets.backends.separation import SAMPLE_RATE, STEMS, SeparationError

SeparateChunks = Callable[[list[Samples]], list[Samples]]
"""Chunks ``[2, n]`` to stems ``[4, 2, n]``, each of its own length."""


def overlapping_chunks(blocks: Iterable[Samples], length: int, overlap: int) -> Iterator[Samples]:
    """Chunks ``[..., length]`` of a stream, each sharing `overlap` samples with the next.

    The last is as short as what is left. `audio_assets.audio.chunk.cross_fade` puts them together again.

    >>> [chunk.tolist() for chunk in overlapping_chunks([np.arange(8)], length=4, overlap=1)]
    [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7]]

    Raises:
        ValueError: `overlap` is not in 0..`length` / 2, so that samples would be in three chunks.
    """
    if length < 1 or not 0 <= 2 * overlap <= length:
        raise ValueError(
            f"found chunks of {length} samples overlapping by {overlap}; wanted a positive length and an "
            "overlap of at most half of it"
        )
    before: Samples | None = None
    given = False
    for block in reblock(blocks, length - overlap):
        if before is not None:
            yield concatenate([before, block[..., :overlap]])
            given = True
        before = block
    # A rest no longer than the overlap was in the chunk before.
    if before is not None and (not given or before.shape[-1] > overlap):
        yield before


def separate_in_chunks(
    blocks: Iterable[Samples], separate: SeparateChunks, length: int, overlap: int, batch: int = 1
) -> Iterator[Samples]:
    """The stems of a stream, from chunks of `length` that are separated `batch` at a time.

    Shape:
        - blocks: each ``[2, m]``, of any sizes
        - Yields: ``[4, 2, m]``; as many samples in all as there were in `blocks`

    Raises:
        SeparationError: `separate` gave other shapes, or values that are NaN or infinite.
    """

    def separated() -> Iterator[Samples]:
        chunks = overlapping_chunks(blocks, length, overlap)
        index = 0
        while several := list(islice(chunks, batch)):
            for chunk, stems in zip(several, separate(several), strict=True):
                _check(stems, chunk, index * (length - overlap) / SAMPLE_RATE)
                index += 1
                yield stems

    return cross_fade(separated(), overlap)


def _check(stems: Samples, chunk: Samples, start_s: float) -> None:
    wanted = (len(STEMS), *chunk.shape)
    if stems.shape != wanted:
        raise SeparationError(f"found stems of shape {stems.shape}; wanted {wanted}")
    bad = stems.size - np.count_nonzero(np.isfinite(stems))
    if bad:
        raise SeparationError(
            f"found {bad} of {stems.size} samples of the stems NaN or infinite in the chunk at "
            f"{start_s:.1f} s; wanted finite ones: weights or number type do not fit the model"
        )
