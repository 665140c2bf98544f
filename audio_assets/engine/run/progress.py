"""How a run tells whoever watches how far it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from audio_assets.engine.declare.outcomes import ItemResult


class Observer(Protocol):
    """Is told of the items to compute for each asset, then of each result as it comes."""

    def planned(self, totals: Mapping[str, int]) -> None:
        """The number of items to compute, by asset."""

    def finished(self, result: ItemResult) -> None:
        """One asset of one item has ended; it is not yet stored."""

    def training(self, name: str) -> None:
        """A training begins."""

    def stored(self, count: int) -> None:
        """So many values are safe in the lake."""

    def waiting(self, text: str) -> None:
        """Nothing is done for now; the text says for what."""


class _Nobody:
    def planned(self, totals: Mapping[str, int]) -> None:
        pass

    def finished(self, result: ItemResult) -> None:
        pass

    def training(self, name: str) -> None:
        pass

    def stored(self, count: int) -> None:
        pass

    def waiting(self, text: str) -> None:
        pass


_observer: ContextVar[Observer | None] = ContextVar("observer", default=None)


def observer() -> Observer:
    """Whoever watches the runs of this context."""
    return _observer.get() or _Nobody()


@contextmanager
def watching(watcher: Observer) -> Iterator[None]:
    """Let `watcher` see the runs within the block."""
    token = _observer.set(watcher)
    try:
        yield
    finally:
        _observer.reset(token)
