"""Near-duplicates: recordings that are the same but for coding, level, silence or cuts.

Two recordings with equal words of their fingerprints at one shift in time are compared there word for
word. Of unrelated recordings half of the bits differ; of one recording coded twice, a few per cent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audio_assets.features.audio_fingerprint import STEP_S, Words

MAX_ERROR_RATE = 0.2
MIN_OVERLAP_S = 5.0

_MIN_EQUAL_WORDS = 3
_MAX_OCCURRENCES = 50  # a word that is everywhere, such as silence, tells nothing


@dataclass(frozen=True)
class Duplicate:
    """A pair of recordings; `offset_s` is where the start of `second` lies in `first`."""

    first: str
    second: str
    offset_s: float
    overlap_s: float
    bit_error_rate: float


def find_duplicates(
    fingerprints: Mapping[str, Words],
    *,
    max_error_rate: float = MAX_ERROR_RATE,
    min_overlap_s: float = MIN_OVERLAP_S,
) -> list[Duplicate]:
    """All pairs that agree in all but `max_error_rate` of the bits over at least `min_overlap_s`.

    Time and memory grow with the number of words, not of pairs: only recordings that share words are
    compared.
    """
    keys = sorted(fingerprints)
    found = []
    for first, second, shift in _candidates([fingerprints[key] for key in keys]):
        left, right = fingerprints[keys[first]], fingerprints[keys[second]]
        start = max(0, shift)
        length = min(len(left) - start, len(right) - (start - shift))
        if length * STEP_S < min_overlap_s:
            continue
        differ = left[start : start + length] ^ right[start - shift : start - shift + length]
        rate = float(np.bitwise_count(differ).mean() / 32)
        if rate <= max_error_rate:
            pair = Duplicate(keys[first], keys[second], shift * STEP_S, length * STEP_S, rate)
            found.append(pair)
    return found


def _candidates(words: list[Words]) -> list[tuple[int, int, int]]:
    """Pairs of recordings and the shift at which most of their words are equal."""
    lengths = [len(w) for w in words]
    value = np.concatenate([np.empty(0, np.uint32), *words])
    owner = np.repeat(np.arange(len(words)), lengths)
    position = np.concatenate([np.empty(0, int), *(np.arange(n) for n in lengths)])
    # Of equal words in a row only the first counts: held notes would outvote everything else.
    new = np.concatenate([[True], (value[1:] != value[:-1]) | (owner[1:] != owner[:-1])])[: len(value)]
    value, owner, position = value[new], owner[new], position[new]
    order = np.lexsort((position, owner, value))
    value, owner, position = value[order], owner[order], position[order]
    starts = np.flatnonzero(np.concatenate([[True], value[1:] != value[:-1]])[: len(value)])
    counts = np.diff(np.append(starts, len(value)))
    telling = np.repeat(counts, counts) <= _MAX_OCCURRENCES
    pairs: list[NDArray[np.int64]] = []
    for distance in range(1, _MAX_OCCURRENCES):
        same = telling[:-distance] & (value[distance:] == value[:-distance])
        if not same.any():
            break
        a = np.flatnonzero(same & (owner[distance:] != owner[:-distance]))
        b = a + distance
        pairs.append(np.stack([owner[a], owner[b], position[a] - position[b]], axis=1))
    if not pairs:
        return []
    votes, number = np.unique(np.concatenate(pairs), axis=0, return_counts=True)
    strong = number >= _MIN_EQUAL_WORDS
    votes, number = votes[strong], number[strong]
    order = np.lexsort((-number, votes[:, 1], votes[:, 0]))
    best = votes[order]
    new_pair = np.concatenate([[True], (best[1:, :2] != best[:-1, :2]).any(axis=1)])[: len(best)]
    return [(int(a), int(b), int(shift)) for a, b, shift in best[new_pair]]


def groups(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """For every member of a pair, the first member (in alphabetical order) of all it is tied to.

    >>> groups([("b", "c"), ("a", "b"), ("x", "y")])
    {'a': 'a', 'b': 'a', 'c': 'a', 'x': 'x', 'y': 'x'}
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    names = sorted({name for pair in pairs for name in pair})
    index = {name: n for n, name in enumerate(names)}
    if not pairs:
        return {}
    rows, columns = zip(*((index[a], index[b]) for a, b in pairs), strict=True)
    graph = coo_array((np.ones(len(pairs)), (rows, columns)), shape=(len(names), len(names)))
    _, labels = connected_components(graph, directed=False)
    first: dict[int, str] = {}
    for name, label in zip(names, labels.tolist(), strict=True):
        first.setdefault(label, name)
    return {name: first[label] for name, label in zip(names, labels.tolist(), strict=True)}
