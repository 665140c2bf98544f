"""What travels between a run and its workers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, Self

from audio_assets.engine.declare.outcomes import ItemResult
from audio_assets.engine.declare.roles import Player
from audio_assets.engine.declare.tables import Item, Row
from audio_assets.resources.objects import Objects


@dataclass(frozen=True)
class Upstream:
    """An upstream's value for one item: its rows, or why it is not applicable."""

    rows: list[Row] | None
    many: bool = False
    reason: str | None = None

    @property
    def value(self) -> Row | list[Row] | None:
        """What the asset's function gets, and may change: a row, a list of rows, or None."""
        if self.rows is None:
            return None
        return [dict(row) for row in self.rows] if self.many else dict(self.rows[0])


@dataclass(frozen=True)
class ItemTask:
    """What to compute for one item.

    `fingerprints` has an entry for each asset to compute, in order; `upstream` the values of assets
    that are not computed in this run; `done` what an earlier worker computed of the task before it died.
    """

    item: Item
    fingerprints: Mapping[str, str]
    upstream: Mapping[str, Upstream] = field(default_factory=dict)
    done: tuple[ItemResult, ...] = ()

    def after(self, results: Iterable[ItemResult]) -> ItemTask:
        """What is left of the task when those of `results` that are its own are done."""
        done = tuple(result for result in results if result.item == self.item.key)
        finished = {result.asset for result in done}
        left = {name: fp for name, fp in self.fingerprints.items() if name not in finished}
        return replace(self, fingerprints=left, done=self.done + done)


@dataclass(frozen=True)
class Task:
    """Items that a worker computes together; one, unless the assets work on batches."""

    items: tuple[ItemTask, ...]
    deaths: int = 0


@dataclass(frozen=True)
class WorkerSetup:
    """What a worker loads once: assets by module and name, in order, and their settings.

    `code` has the digest of each asset's code, as the run has read it; `models` the folders of the
    checkpoints that assets need, by training asset.
    """

    assets: tuple[tuple[str, str], ...]
    code: Mapping[str, str]
    parameters: Mapping[str, Mapping[str, Any]]
    backends: Mapping[str, Player]
    objects: Objects
    models: Mapping[str, Path] = field(default_factory=dict)


RESULTS_AHEAD = 100

REST = ("rest",)
"""Sent to a worker whose run is done with it, and that may serve another."""


@dataclass(frozen=True)
class Limits:
    """What one worker may use for one asset of one item."""

    time_s: Mapping[str, float]
    memory_bytes: Mapping[str, float]


class Workers(Protocol):
    """Where tasks are computed, used within a ``with`` block. `LocalWorkers` are those of this machine."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    @abstractmethod
    def run_ticking(
        self, tasks: Iterable[Task], tick_s: float | None, ahead: int = RESULTS_AHEAD
    ) -> Iterator[ItemResult | None]:
        """Compute all tasks; results come as they are ready, in any order.

        Every asset of every item of every task comes back exactly once, whatever happens to the
        worker that had it. None comes whenever no result has for `tick_s`. Workers may go on while
        results are not taken, until `ahead` of them wait.
        """
        ...

    def run(self, tasks: Iterable[Task]) -> Iterator[ItemResult]:
        """The results alone."""
        return (result for result in self.run_ticking(tasks, None) if result is not None)
