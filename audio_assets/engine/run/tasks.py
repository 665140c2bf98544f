"""What a run has workers compute: assets of items, alone or in batches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from audio_assets.engine.declare.outcomes import ItemResult
from audio_assets.engine.declare.roles import Player
from audio_assets.engine.declare.tables import Item, Row
from audio_assets.engine.workers.session import Limits
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
    """Items that a worker computes together; one, unless the assets work on batches.

    `deaths` is how many workers they have cost.
    """

    items: tuple[ItemTask, ...]
    deaths: int = 0


@dataclass(frozen=True)
class WorkerSetup:
    """What a worker loads once: assets by module and name, in order, and their settings.

    `code` has the digest of each asset's code, as the run has read it; `models` the folders of the
    checkpoints that assets need, by training asset; `limits` what an asset may use for one item.
    """

    assets: tuple[tuple[str, str], ...]
    code: Mapping[str, str]
    parameters: Mapping[str, Mapping[str, Any]]
    backends: Mapping[str, Player]
    objects: Objects
    models: Mapping[str, Path] = field(default_factory=dict)
    limits: Mapping[str, Limits] = field(default_factory=dict)
