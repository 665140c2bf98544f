"""Assets in a worker: found where the run found them, and with the code that it has read."""

from __future__ import annotations

import importlib
from typing import TypeVar

from audio_assets.errors import UserError

Found = TypeVar("Found")


class CodeChanged(UserError):
    """Files were edited after the run began."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the code of {name} was edited during the run; start the run again")


def importable(module: str, name: str, kind: type[Found]) -> Found:
    """The asset of a kind by its module and its name there.

    Raises:
        TypeError: it is none, or stands in a script.
    """
    if module == "__main__":
        raise TypeError(
            f"{name} is defined in a script or notebook; workers can import it from a module only"
        )
    found = getattr(importlib.import_module(module), name)
    if not isinstance(found, kind):
        raise TypeError(f"{module}.{name} is {type(found).__name__}, wanted {kind.__name__}")
    return found
