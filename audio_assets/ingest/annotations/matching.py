"""Which episode a collection means by a name.

Names are compared without regard to case, to how accents are composed (Unicode NFC) and to runs of
white space; a name may have the file's extension or not.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath


@dataclass(frozen=True)
class Matches:
    """The item of each name; the names that fit none, and those that fit several."""

    items: dict[str, str]
    unmatched: tuple[str, ...]
    ambiguous: dict[str, tuple[str, ...]]


def match_recordings(names: Iterable[str], locations: Iterable[tuple[str, str]]) -> Matches:
    """Match `names` to items by the names of their files.

    Args:
        names: as the collection writes them, such as `podcast_filename`.
        locations: (item, path) of every place where an item's bytes are; an item may have many.
    """
    known: dict[str, set[str]] = defaultdict(set)
    for item, path in locations:
        file = PurePath(path)
        for name in (file.name, file.stem):
            known[_comparable(name)].add(item)
    found = {name: tuple(sorted(known.get(_comparable(name), ()))) for name in dict.fromkeys(names)}
    return Matches(
        items={name: items[0] for name, items in found.items() if len(items) == 1},
        unmatched=tuple(name for name, items in found.items() if not items),
        ambiguous={name: items for name, items in found.items() if len(items) > 1},
    )


def _comparable(name: str) -> str:
    return " ".join(unicodedata.normalize("NFC", name).casefold().split())
