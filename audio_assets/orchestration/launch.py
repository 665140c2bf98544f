"""Running assets from the command line or a notebook: what `audio-assets run` does.

A run is planned from the ledger first. If nothing is to be done, no Dagster run is made, and Dagster is
not even loaded; else `dagster_runs` has Dagster do it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from audio_assets.engine.platform import Platform
from audio_assets.engine.run.collections import plan_collection
from audio_assets.engine.run.progress import observer
from audio_assets.engine.run.trainings import needs_training
from audio_assets.engine.state.plan import DEFAULT, RunOptions, State
from audio_assets.errors import UserError
from audio_assets.resources.lake import quoted
from audio_assets.settings import get_settings

if TYPE_CHECKING:
    from audio_assets.orchestration.runs import DagsterRuns, RunEnded

ROUNDS = 3  # items, what is computed from all of them, trainings, then items that need the trained models


class LaunchError(UserError, ValueError):
    """What was asked for does not exist; the message says what does."""


@dataclass(frozen=True)
class Finished:
    """The Dagster runs that were made, and what made them fail besides single items.

    `waiting` says for each asset how many items wait in the end, and for what.
    """

    run_ids: tuple[str, ...]
    errors: tuple[str, ...]
    waiting: Mapping[str, tuple[int, str]]


def select_assets(platform: Platform, selection: str | None) -> list[str]:
    """Names of the assets that `selection`, in Dagster's syntax, chooses; None and * choose all.

    Raises:
        LaunchError: the selection cannot be read, or chooses no item asset.
    """
    names = [asset.name for asset in platform.graph.assets]
    names += [asset.name for asset in platform.collections]
    names += [asset.name for asset in platform.trainings]
    if selection in (None, "*"):
        return names
    if selection in names:
        return [selection]
    from audio_assets.orchestration.runs import resolve_selection

    try:
        found = resolve_selection(selection)
    except Exception as error:
        raise LaunchError(
            f"{selection!r} is no asset selection: {error}\nAssets: {', '.join(names)}"
        ) from error
    if not found & set(names):
        raise LaunchError(f"{selection!r} selects no asset. There are {', '.join(names)}.")
    return [name for name in names if name in found]


def select_items(platform: Platform, keys: Sequence[str]) -> list[str]:
    """Full item keys for `keys`, each of which may be a unique beginning.

    Raises:
        LaunchError: a key fits no item, or several.
    """
    everything = [key for kind in platform.graph.kinds for key in platform.items(kind)]
    found = []
    for key in keys:
        fitting = [k for k in everything if k == key] or [k for k in everything if k.startswith(key)]
        if len(fitting) != 1:
            raise LaunchError(
                f"{key!r} fits {'no item' if not fitting else f'{len(fitting)} items'}"
                + (f", e.g. {', '.join(fitting[:3])}" if fitting else "")
                + "; `audio-assets sql 'SELECT item FROM tracks'` lists the keys."
            )
        found += fitting
    return found


def launch(
    platform: Platform,
    names: Sequence[str],
    options: RunOptions = DEFAULT,
    keys: Sequence[str] | None = None,
) -> Finished:
    """Compute what the plan finds to do, one Dagster run per kind of item.

    Raises:
        LaunchError: `platform` has other settings than this process, which Dagster's job would use.
    """
    if platform.settings != get_settings():
        raise LaunchError(
            "Dagster jobs take their settings from the environment; set AUDIO_ASSETS_* variables "
            "instead of passing other settings."
        )
    launcher = _Launcher(platform, set(names))
    for _ in range(ROUNDS):
        before = len(launcher.run_ids)
        launcher.items(options, keys)
        if keys is None:
            launcher.collections(options)
            launcher.trainings(options)
        options = DEFAULT  # what failed or drifted was tried in the first round
        if len(launcher.run_ids) == before or launcher.errors:
            break
    return Finished(tuple(launcher.run_ids), tuple(launcher.errors), launcher.waiting)


class _Launcher:
    """Makes Dagster runs and keeps what became of them."""

    def __init__(self, platform: Platform, names: set[str]) -> None:
        self._platform = platform
        self._names = names
        self.run_ids: list[str] = []
        self.errors: list[str] = []
        self.waiting: dict[str, tuple[int, str]] = {}

    def items(self, options: RunOptions, keys: Sequence[str] | None) -> None:
        """A run for each kind of item that has something to do."""
        platform = self._platform
        for kind in platform.graph.kinds:
            selected = [a.name for a in platform.graph.assets if a.item is kind and a.name in self._names]
            if not selected:
                continue
            items = platform.items(kind)
            chosen = list(items) if keys is None else [key for key in keys if key in items]
            if not chosen:
                continue
            plan = platform.plan(kind, selected, {key: items[key] for key in chosen}, options)
            for name, part in plan.items():
                self.waiting.pop(name, None)
                if part.blocked:
                    self.waiting[name] = (len(part.blocked), next(iter(part.blocked.values())))
            needed = [name for name, part in plan.items() if part.fingerprints]
            if needed:
                self._keep(self._dagster.run_items(kind, needed, items, chosen, options))

    def collections(self, options: RunOptions) -> None:
        """A run for what is computed from all items, one after the other: each may need the one before."""
        for asset in self._platform.collections:
            if asset.name in self._names and plan_collection(self._platform, asset).is_computed(options):
                self._keep(self._dagster.run_collection(asset, options))

    def trainings(self, options: RunOptions) -> None:
        """A run for each training whose data are not those of its newest checkpoint."""
        for training in self._platform.trainings:
            if training.name in self._names and needs_training(self._platform, training, options):
                observer().training(training.name)
                self._keep(self._dagster.run_training(training))

    @cached_property
    def _dagster(self) -> DagsterRuns:
        from audio_assets.orchestration.runs import (
            DagsterRuns,  # takes a second: only once there is something to run
        )

        return DagsterRuns(self._platform)

    def _keep(self, ended: RunEnded) -> None:
        self.run_ids.append(ended.run_id)
        self.errors += ended.errors


def counts(states: Mapping[str, State]) -> dict[State, int]:
    """How many items are in each state."""
    found = dict.fromkeys(State, 0)
    for state in states.values():
        found[state] += 1
    return found


def bad_items(
    platform: Platform, names: Sequence[str], run_ids: Sequence[str] | None = None
) -> list[tuple[str, str, str, str]]:
    """Asset, item, outcome and reason of all failed and quarantined values of `names`."""
    query = (
        "SELECT asset, item, outcome, reason FROM ledger "
        f"WHERE outcome IN ('failed', 'quarantined') AND asset IN (SELECT unnest({quoted(names)}))"
    )
    if run_ids is not None:
        query += f" AND run_id IN (SELECT unnest({quoted(run_ids)}))"
    rows = platform.lake.rows(f"{query} ORDER BY item, asset")
    return [(str(a), str(b), str(c), str(d)) for a, b, c, d in rows]
