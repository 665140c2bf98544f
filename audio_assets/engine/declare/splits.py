"""Splits that do not change when items are added: each item's part depends on its own key alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

SHARES = {"train": 0.7, "validation": 0.15, "test": 0.15}


def split_items(
    keys: Iterable[str], *, seed: int = 0, shares: Mapping[str, float] = SHARES
) -> dict[str, str]:
    """A part for every key, by a hash of key and seed; parts have about their shares.

    With few keys a part may stay empty; then the key whose hash lies nearest to the part goes there.

    >>> split_items(["a", "b", "c"]) == split_items(["c", "b", "a"])
    True
    """
    places = {key: _place(key, seed) for key in sorted(keys)}
    bounds, start = {}, 0.0
    for part, share in shares.items():
        bounds[part] = (start, start + share)
        start += share
    found = {
        key: next((part for part, (low, high) in bounds.items() if low <= place < high), list(shares)[-1])
        for key, place in places.items()
    }
    for part, (low, high) in bounds.items():
        if part not in found.values() and len(found) >= len(shares):
            crowded = {p for p in shares if list(found.values()).count(p) > 1}
            movable = [key for key in found if found[key] in crowded]
            found[min(movable, key=lambda key: abs(places[key] - (low + high) / 2))] = part
    return found


def _place(key: str, seed: int) -> float:
    digest = hashlib.blake2b(f"{seed}\x1f{key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
