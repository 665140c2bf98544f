"""How the computation of one asset for one item ends."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from enum import StrEnum

from audio_assets.engine.declare.tables import Row

REASON_CHARACTERS = 1000
DETAIL_CHARACTERS = 4000


class Outcome(StrEnum):
    """What the ledger says of an item.

    ``ok`` and ``not_applicable`` are final for a fingerprint. ``failed`` is tried again when asked, or
    by itself if a worker died of it; ``quarantined`` items wait for a release.
    """

    OK = "ok"
    NOT_APPLICABLE = "not_applicable"
    FAILED = "failed"
    QUARANTINED = "quarantined"

    @property
    def is_good(self) -> bool:
        """Whether Dagster may call the partition materialized."""
        return self in (Outcome.OK, Outcome.NOT_APPLICABLE)


class NotApplicable(Exception):
    """Raised by an asset's function where the question has no answer for the item.

    >>> raise NotApplicable("the vocals stem is silent")
    Traceback (most recent call last):
    ...
    audio_assets.engine.declare.outcomes.NotApplicable: the vocals stem is silent
    """


@dataclass(frozen=True)
class ItemResult:
    """The outcome of one asset for one item, with its rows or the reason there are none."""

    asset: str
    item: str
    outcome: Outcome
    rows: list[Row]
    reason: str | None = None
    detail: str | None = None
    seconds: float = 0.0
    died: bool = False


def ended(asset: str, item: str, error: Exception, seconds: float = 0.0) -> ItemResult:
    """The outcome of a computation that raised `error`."""
    if isinstance(error, NotApplicable):
        return ItemResult(asset, item, Outcome.NOT_APPLICABLE, [], _text(str(error)), seconds=seconds)
    is_general = type(error).__module__ == "builtins"
    reason = f"{type(error).__name__}: {error}" if is_general or not str(error) else str(error)
    detail = "".join(traceback.format_exception(error))[-DETAIL_CHARACTERS:]
    return ItemResult(
        asset, item, Outcome.FAILED, [], _text(reason[:REASON_CHARACTERS]), _text(detail), seconds
    )


def _text(text: str) -> str:
    """Text that any database takes, whatever is in the file names and tags that it quotes."""
    return text.encode(errors="backslashreplace").decode().replace("\0", "\\0")
