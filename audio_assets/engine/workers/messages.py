"""What goes through the pipe between a session and one of its worker processes.

Down: `Load`, answered by `Here` at once and then by `Ready` or `Broken`; `Take`, answered by `Began`, any
number of `Emitted`, and `Returned` or `Failed`; `Rest`, which is not answered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from audio_assets.engine.workers.session import Work


@dataclass(frozen=True)
class Load:
    """Import the function and set it up."""

    work: Work


@dataclass(frozen=True)
class Take:
    """Call the function with an input."""

    value: Any


@dataclass(frozen=True)
class Rest:
    """Drop what was loaded, and wait a while for something else to do."""


@dataclass(frozen=True)
class Here:
    """The worker lives and reads."""


@dataclass(frozen=True)
class Ready:
    """The function is loaded."""


@dataclass(frozen=True)
class Broken:
    """The function cannot be loaded."""

    reason: str


@dataclass(frozen=True)
class Began:
    """An input was received whole; what happens from now on is its own doing."""


@dataclass(frozen=True)
class Emitted:
    """A part of the input in hand, or a `Step`."""

    value: Any


@dataclass(frozen=True)
class Returned:
    """The function returned."""

    value: Any


@dataclass(frozen=True)
class Failed:
    """The function raised."""

    reason: str
    detail: str
    classes: tuple[str, ...]


Answer = Here | Ready | Broken | Began | Emitted | Returned | Failed
