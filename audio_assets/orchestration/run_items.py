"""The items of a run that are not a whole range of partitions: a tag names them.

Dagster reads the tags of runs again and again, and a list of many keys is large, so the tag of more than
`FEW` names an object that holds the list. Maintenance deletes it with all that no table names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from audio_assets.engine.platform import Platform

ITEMS_TAG = "audio_assets/items"
FEW = 10
STORED = "stored:"


def items_tag(platform: Platform, chosen: Sequence[str]) -> dict[str, str]:
    """The tag of a run over `chosen`, which are kept for it."""
    text = ",".join(chosen)
    if len(chosen) <= FEW:
        return {ITEMS_TAG: text}
    name = hashlib.sha256(text.encode()).hexdigest()[:24]
    platform.objects.put(_object(name), text.encode())
    return {ITEMS_TAG: STORED + name}


def tagged_items(platform: Platform, tags: Mapping[str, str]) -> list[str] | None:
    """The keys of the items that a run with `tags` is over; None: all of its partitions.

    Raises:
        ObjectError: the list is gone; the run has to be asked for again.
    """
    tag = tags.get(ITEMS_TAG)
    if tag is None:
        return None
    if tag.startswith(STORED):
        tag = platform.objects.get(_object(tag.removeprefix(STORED))).decode()
    return tag.split(",")


def _object(name: str) -> str:
    return f"runs/{name}.items"
