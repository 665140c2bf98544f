"""Lake and object storage belong together: both carry the id of the lake.

A mistyped address or a lost catalog makes a pair that does not. Nothing is written to such a pair, and above all
nothing deleted: what a lake does not name may be all that another one has.
"""

from __future__ import annotations

from collections.abc import Callable

from audio_assets.resources.lake import LakeError
from audio_assets.resources.objects import Objects

_CHECK = "check AUDIO_ASSETS_OBJECTS and AUDIO_ASSETS_LAKE_CATALOG, or AUDIO_ASSETS_HOME"


class BelongingError(LakeError):
    """A lake and an object storage that do not belong together."""


def check_unused(objects: Objects) -> None:
    """Make sure that a new lake is not given the objects of another one.

    Raises:
        BelongingError: there are objects.
    """
    if objects.holds_any():
        raise BelongingError(
            f"The lake is new, and there are objects in {objects.root}, which it does not know: {_CHECK}. If its "
            "catalog was lost, put it back from a backup; if the objects are to be lost, move them away."
        )


def settle_objects(objects: Objects, lake_id: str, names_objects: Callable[[], bool]) -> None:
    """Make sure that objects belong to a lake, or write down that they do where it names none yet.

    Raises:
        BelongingError: they belong to another one, or are not there though the lake names some.
    """
    if objects.lake_id is None and not names_objects():
        objects.belong_to(lake_id)
    check_objects(objects, lake_id)


def check_objects(objects: Objects, lake_id: str) -> None:
    """Make sure that objects belong to a lake.

    Raises:
        BelongingError: they do not.
    """
    found = objects.lake_id
    if found == lake_id:
        return
    if found is None:
        raise BelongingError(
            f"The objects that the lake names are not in {objects.root}: {_CHECK}. If they are lost, "
            "`audio-assets repair` lets them be made again. Nothing was changed."
        )
    raise BelongingError(
        f"The objects in {objects.root} belong to lake {found}, and this is lake {lake_id}: {_CHECK}. "
        "Nothing was changed."
    )
