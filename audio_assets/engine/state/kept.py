"""Plans kept for the steps of a run: which values to compute, under an id, in object storage.

A run asks the planner once; its steps, on whatever machine, read their part. A plan is refused by a step whose
code or parameters are not those that the plan was made with.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from audio_assets.engine.platform import Platform
from audio_assets.engine.state.plans import Plan
from audio_assets.engine.state.states import RunOptions, State
from audio_assets.errors import UserError
from audio_assets.resources.objects import ObjectError
from audio_assets.resources.scratch import scratch_folder

FOLDER = "plans"
SUMMARY = "plan.json"
BATCH_ROWS = 4096


class StalePlanError(UserError, RuntimeError):
    """A plan that a step cannot go by any more; the message says why."""


@dataclass(frozen=True)
class Value:
    """A value to compute; `upstream` has the fingerprints it is made from, in the asset's order."""

    asset: str
    item: str
    fingerprint: str
    upstream: tuple[str, ...]
    deaths: int


@dataclass(frozen=True)
class Counts:
    """What a plan says of one asset: values to compute, and those that are not, by why."""

    todo: int
    up_to_date: int
    not_retried: int
    waiting: int
    recipe: str
    code: str


@dataclass(frozen=True)
class KeptPlan:
    """A plan by its id, and when it was made. `counts` by asset."""

    id: str
    snapshot: int
    made_at: datetime
    counts: Mapping[str, Counts]
    platform: Platform

    def values(self, bundle: str) -> Iterator[list[Value]]:
        """The values of a bundle's assets to compute, those of one item together, largest items first."""
        if not any(
            self.counts[asset.name].todo
            for asset in self.platform.graph.item_assets
            if asset.bundle == bundle and asset.name in self.counts
        ):
            return
        file = self.platform.objects.local_file(_key(self.id, f"{bundle}.parquet"), self._cache)
        yield from (list(group) for _, group in groupby(_read(file), attrgetter("item")))

    @property
    def _cache(self) -> Path:
        return self.platform.settings.home / "cache"

    def items(self, bundle: str, asset: str) -> set[str]:
        """The items of which `asset` is to be computed."""
        return {value.item for group in self.values(bundle) for value in group if value.asset == asset}

    def items_of(self, names: Iterable[str]) -> list[str]:
        """The items of which some of the assets `names` are to be computed, in order."""
        by_name = {asset.name: asset.bundle for asset in self.platform.graph.item_assets}
        return sorted({item for name in names for item in self.items(by_name[name], name)})

    def check(self, names: Sequence[str]) -> None:
        """Make sure that this process computes `names` as the plan was made for.

        Raises:
            StalePlanError: their code or parameters are others now.
        """
        recipes = self.platform.recipes_with(self.platform.adopted(names))
        for name in names:
            planned = self.counts.get(name)
            if planned is None or not planned.todo:
                continue
            recipe = recipes.get(name)
            what = None
            if self.platform.code[name].digest != planned.code:
                what = "code"
            elif recipe is None or recipe.digest != planned.recipe:
                what = "recipe (parameters, backends or trained model)"
            if what:
                raise StalePlanError(
                    f"The {what} of {name} is not what this run was planned with; start the run again."
                )


def keep_plan(
    platform: Platform,
    id: str,
    names: Sequence[str],
    items: Sequence[str] | None,
    options: RunOptions,
    *,
    keep_empty: bool = False,
) -> tuple[Plan, KeptPlan]:
    """Plan `names` for `items` and keep what is to be computed of single items under `id`.

    A plan with nothing to compute is kept only with `keep_empty`, for the next step that asks.
    """
    made_at = datetime.now(UTC)  # before anything is read
    with scratch_folder() as folder:
        plan = platform.plan(names, items, options, keep=folder)
        recipes = platform.recipes_with(platform.adopted(names))
        counts = {
            name: Counts(
                todo=part.count,
                up_to_date=part.left[State.OK] + part.left[State.NOT_APPLICABLE] + part.left[State.DRIFTED],
                not_retried=part.left[State.FAILED] + part.left[State.QUARANTINED],
                waiting=part.waiting.total(),
                recipe=recipes[name].digest if name in recipes else "",
                code=platform.code[name].digest,
            )
            for name, part in plan.assets.items()
        }
        files = sorted(folder.glob("*.parquet"))
        summary = {
            "snapshot": plan.snapshot,
            "made_at": made_at.isoformat(),
            "counts": {n: vars(c) for n, c in counts.items()},
        }
        for file in files:
            platform.objects.put(_key(id, file.name), file)
        if files or keep_empty:
            platform.objects.put(_key(id, SUMMARY), json.dumps(summary).encode())
    return plan, KeptPlan(id, plan.snapshot, made_at, counts, platform)


def kept_plan(platform: Platform, id: str) -> KeptPlan | None:
    """The plan kept under `id`; None: there is none."""
    try:
        summary = json.loads(platform.objects.get(_key(id, SUMMARY)))
    except ObjectError:
        return None
    counts = {name: Counts(**values) for name, values in summary["counts"].items()}
    made_at = datetime.fromisoformat(summary["made_at"])
    return KeptPlan(id, summary["snapshot"], made_at, counts, platform)


def items_to_compute(platform: Platform, names: Sequence[str]) -> list[str]:
    """The items of which something of `names` is to be computed now, in order."""
    from pyarrow.parquet import read_table

    with scratch_folder() as folder:
        platform.plan(names, keep=folder)
        files = folder.glob("*.parquet")
        return sorted(
            {key for file in files for key in read_table(file, columns=["item"])["item"].to_pylist()}
        )


def drop_plan(platform: Platform, id: str) -> None:
    """Remove a plan that no run needs any more."""
    names = [SUMMARY, *(f"{bundle.name}.parquet" for bundle in platform.graph.bundles)]
    there = [key for key in (_key(id, name) for name in names) if platform.objects.holds(key)]
    if there:
        platform.objects.delete(there)
    shutil.rmtree(platform.settings.home / "cache" / FOLDER / id, ignore_errors=True)


def _key(id: str, name: str) -> str:
    return f"{FOLDER}/{id}/{name}"


def _read(file: Path) -> Iterator[Value]:
    from pyarrow.parquet import ParquetFile

    with ParquetFile(file) as parquet:
        for batch in parquet.iter_batches(BATCH_ROWS, use_threads=False):
            for row in batch.to_pylist():
                yield Value(**{**row, "upstream": tuple(row["upstream"])})
