"""Audio in pieces: blocks of a stream, overlapping chunks of an array, and their seamless sum.

Arrays are float32 `[..., n]` with time last; lengths and overlaps are in samples.
`overlap_add(split(x, …), …)` is `x` bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from audio_assets.audio.downmix import Samples


def concatenate(parts: Sequence[Samples]) -> Samples:
    """Parts `[..., m]` one after another in time, as a new C-contiguous `[..., n]`."""
    length = sum(part.shape[-1] for part in parts)
    whole = np.empty((*parts[0].shape[:-1], length), dtype=parts[0].dtype)
    return np.concatenate(parts, axis=-1, out=whole)


def reblock(parts: Iterable[Samples], size: int) -> Iterator[Samples]:
    """The same samples in parts of `size`, the last one shorter; holds one part and one block.

    >>> [block.tolist() for block in reblock([np.arange(3), np.arange(3, 4), np.arange(4, 5)], 2)]
    [[0, 1], [2, 3], [4]]
    """
    gathered: list[Samples] = []
    missing = size
    for part in parts:
        start = 0
        while start < part.shape[-1]:
            taken = part[..., start : start + missing]
            start += taken.shape[-1]
            missing -= taken.shape[-1]
            gathered.append(taken)
            if not missing:
                yield concatenate(gathered)
                gathered, missing = [], size
    if gathered:
        yield concatenate(gathered)


def chunk_starts(n: int, length: int, overlap: int) -> list[int]:
    """Where the chunks that cover `n` samples begin: every `length - overlap`, at least one.

    >>> chunk_starts(10, length=4, overlap=1)
    [0, 3, 6]

    Raises:
        ValueError: `length` is not positive, or `overlap` is not in 0..`length` / 2 (a sample
        belongs to at most two chunks).
    """
    if length < 1 or not 0 <= 2 * overlap <= length:
        raise ValueError(
            f"found chunks of {length} samples overlapping by {overlap}; wanted a positive "
            "length and an overlap of at most half of it"
        )
    return list(range(0, max(1, n - overlap), length - overlap))


def split(samples: Samples, length: int, overlap: int) -> Iterator[Samples]:
    """Chunks `[..., length]`, each sharing `overlap` samples with the next; zeros fill the last.

    Raises:
        ValueError: as `chunk_starts`.
    """
    n = samples.shape[-1]
    for start in chunk_starts(n, length, overlap):
        chunk = samples[..., start : start + length]
        missing = length - chunk.shape[-1]
        yield np.pad(chunk, [(0, 0)] * (chunk.ndim - 1) + [(0, missing)]) if missing else chunk


def cross_fade(chunks: Iterable[Samples], overlap: int) -> Iterator[Samples]:
    """The seamless sum of `split`'s chunks, in consecutive parts `[..., m]`.

    Neighbours are faded linearly over their overlap. The gains of a fade add up to one, as they
    must for chunks of one signal. The last chunk may be shorter than the others, but is longer than
    `overlap`. Lazy: two chunks at a time are held.
    """
    fade = ((np.arange(overlap) + 0.5) / max(1, overlap)).astype(np.float32)
    tail: Samples | None = None
    for chunk in chunks:
        end = max(chunk.shape[-1] - overlap, 0 if tail is None else overlap)
        if tail is None:
            yield chunk[..., :end]
        else:
            # In this form equal chunks give exactly themselves.
            yield tail + fade * (chunk[..., :overlap] - tail)
            yield chunk[..., overlap:end]
        tail = chunk[..., end:]
    if tail is not None:
        yield tail


def overlap_add(chunks: Iterable[Samples], n: int, overlap: int) -> Samples:
    """The whole `[..., n]` from `split`'s chunks, without the zeros that filled up the last.

    Raises:
        ValueError: there is no chunk, or they hold fewer than `n` samples.
    """
    parts = list(cross_fade(chunks, overlap))
    length = sum(part.shape[-1] for part in parts)
    if not parts or length < n:
        raise ValueError(
            f"found chunks of {length} samples in all; wanted at least {n}: "
            "pass every chunk of the split, in order"
        )
    return concatenate(parts)[..., :n]
