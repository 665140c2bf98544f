"""The backend of a role that cannot be played here: it says what would play it."""

from __future__ import annotations

from typing import ClassVar

from audio_assets.engine.declare.outcomes import NotApplicable


class Absent:
    """Cannot be made, so that nothing is decoded for it; subclasses give the `reason`.

    Raises:
        NotApplicable: always, with the reason.
    """

    name = "none"
    revision = "1"
    licence = "Apache-2.0"

    reason: ClassVar[str]

    def __init__(self) -> None:
        raise NotApplicable(self.reason)
