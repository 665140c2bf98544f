"""Batches of similar duration, so that padding wastes little and memory use is even."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from audio_assets.engine.declare.tables import Item


def batches(items: Sequence[Item], size: int) -> Iterator[list[Item]]:
    """`items` in groups of at most `size`, longest first.

    The longest come first so that memory runs out at the beginning if it does at all, and so that no
    long item is left over when all but one worker have finished.

    >>> from audio_assets.engine.declare.tables import Item
    >>> songs = [Item(key, key, "", seconds) for key, seconds in [("a", 10), ("b", 300), ("c", 12)]]
    >>> [[item.key for item in batch] for batch in batches(songs, 2)]
    [['b', 'c'], ['a']]
    """
    ordered = sorted(items, key=lambda item: -item.duration_s)
    for start in range(0, len(ordered), size):
        yield ordered[start : start + size]
