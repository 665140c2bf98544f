"""Running assets from the command line or a notebook: what `audio-assets run` does.

A run is planned first. If nothing is to be done, no Dagster run is made, and Dagster is not even loaded; else
`runs` has Dagster do it: items first, then what is computed over all of them, or trained, one after the other,
and planned anew after each, until there is nothing left that this launch has not tried.
"""

from __future__ import annotations

import importlib
import re
import threading
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cached_property
from typing import TYPE_CHECKING, Any

from audio_assets.engine.declare.collection_asset import CollectionAsset
from audio_assets.engine.declare.item_asset import ItemAsset
from audio_assets.engine.declare.training_asset import TrainingAsset
from audio_assets.engine.platform import Platform
from audio_assets.engine.run.progress import observer
from audio_assets.engine.state.adoption import is_adopted
from audio_assets.engine.state.checkpoints import Checkpoint, checkpoints_of
from audio_assets.engine.state.kept import KeptPlan, drop_plan, keep_plan
from audio_assets.engine.state.ledger import checkpoints_made
from audio_assets.engine.state.plans import Plan
from audio_assets.engine.state.states import DEFAULT, RunOptions, Why
from audio_assets.errors import UserError
from audio_assets.resources.lake import quote, quoted
from audio_assets.settings import get_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from audio_assets.orchestration.runs import DagsterRuns, RunEnded

Parameters = Mapping[str, Mapping[str, Any]]


class LaunchError(UserError, ValueError):
    """What was asked for does not exist; the message says what does."""


@dataclass(frozen=True)
class Finished:
    """The Dagster runs that were made, and what made them fail besides single items; the last plan.

    `checkpoints` are what trainings ended with: `candidate_because` is None where one is adopted now.
    """

    run_ids: tuple[str, ...]
    errors: tuple[str, ...]
    plan: Plan
    checkpoints: tuple[Checkpoint, ...]


def select_assets(platform: Platform, selection: str | None) -> list[str]:
    """Names of the assets that `selection` chooses; None and * choose all.

    It is names with commas, spaces or "or" between them, or what Dagster's syntax allows.

    Raises:
        LaunchError: the selection cannot be read, or chooses no asset.
    """
    names = [asset.name for asset in platform.graph.assets]
    if selection in (None, "*"):
        return names
    words = [word for word in re.split(r"[,\s]+|\bor\b", selection) if word]
    if words and set(words) <= set(names):
        return [name for name in names if name in words]
    unknown = [word for word in words if word not in names]
    if words and all(re.fullmatch(r"\w+", word) for word in words):
        meant = [close for word in unknown for close in get_close_matches(word, names, 1)]
        raise LaunchError(
            f"There is no asset {', '.join(unknown)}."
            + (f" Did you mean {', '.join(meant)}?" if meant else "")
            + " `audio-assets status` lists all; several are chosen as in loudness,tempo."
        )
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


def load_ahead() -> None:
    """Begin to load Dagster, which takes a second, beside what this process does."""

    def load() -> None:
        with suppress(Exception):  # whatever it is comes again where it is needed
            importlib.import_module("audio_assets.orchestration.runs")

    threading.Thread(target=load, daemon=True).start()


def asked_by_name(platform: Platform, selection: str | None) -> frozenset[str]:
    """The trainings that a selection names, rather than chooses among all."""
    if selection is None:
        return frozenset()
    return frozenset(t.name for t in platform.graph.trainings if t.name in selection)


def select_items(platform: Platform, keys: Sequence[str]) -> list[str]:
    """Full item keys for `keys`, each of which may be a unique beginning.

    Raises:
        LaunchError: a key fits no item, or several.
    """
    found = []
    for key in keys:
        fitting = [
            item
            for kind in platform.graph.kinds
            for (item,) in platform.lake.rows(
                f'SELECT item FROM "{kind.plural}" WHERE starts_with(item, {quote(key)}) '
                f"ORDER BY item <> {quote(key)}, item LIMIT 4"
            )
        ]
        if len(fitting) > 1 and key in fitting:
            fitting = [key]
        if len(fitting) != 1:
            raise LaunchError(
                f"{key!r} fits {'no item' if not fitting else 'several items'}"
                + (f", e.g. {', '.join(fitting[:3])}" if fitting else "")
                + "; `audio-assets sql 'SELECT item FROM tracks'` lists the keys."
            )
        found += fitting
    return found


def per_item(platform: Platform, names: Sequence[str]) -> list[str]:
    """Those of the assets `names` that are computed per item, where only some items are meant.

    Raises:
        LaunchError: there are none.
    """
    found = [asset.name for asset in platform.graph.item_assets if asset.name in set(names)]
    if not found:
        raise LaunchError(
            f"{', '.join(names)}: computed from all items together, so that single items cannot be chosen."
        )
    return found


def launch(
    platform: Platform,
    names: Sequence[str],
    options: RunOptions = DEFAULT,
    keys: Sequence[str] | None = None,
    *,
    parameters: Parameters | None = None,
    on_plan: Callable[[Plan], None] = lambda plan: None,
) -> Finished:
    """Compute what the plan finds to do; `on_plan` is told the first plan, before anything is computed.

    With `keys` only values of these items are. Trainings that have other `parameters` than those in force make
    candidate checkpoints, after all else, whatever the plan says of them.

    Raises:
        LaunchError: `platform` has other settings than this process, which Dagster's job would use; or with `keys`,
            nothing of `names` is computed per item.
    """
    if platform.settings != get_settings():
        raise LaunchError(
            "Dagster jobs take their settings from the environment and the home; set AUDIO_ASSETS_* variables "
            "instead of passing other settings."
        )
    if keys is not None:
        names = per_item(platform, names)
    return _Launcher(platform, names, keys, parameters or {}).run(options, on_plan)


class _Launcher:
    """Makes Dagster runs and keeps what became of them."""

    def __init__(
        self, platform: Platform, names: Sequence[str], keys: Sequence[str] | None, parameters: Parameters
    ) -> None:
        self._platform = platform
        self._names = names
        self._keys = keys
        self._parameters = parameters
        self._run_ids: list[str] = []
        self._errors: list[str] = []
        self._checkpoints: list[Checkpoint] = []

    def run(self, options: RunOptions, on_plan: Callable[[Plan], None]) -> Finished:
        """Plan and compute in turn, until the plan is empty or a run fails as a whole; then train candidates."""
        names = [name for name in self._names if name not in self._parameters]
        before: list[int] = []
        while True:
            id = uuid.uuid4().hex
            tried = replace(options, tried=frozenset(self._run_ids))
            plan, kept = keep_plan(self._platform, id, names, self._keys, tried)
            todo = [part.count for part in plan.assets.values()]
            try:
                if not before:
                    on_plan(plan)
                    counts = {name: part.count + part.later for name, part in plan.assets.items()}
                    observer().planned(counts | dict.fromkeys(self._parameters, 1))
                if plan.is_empty or self._errors or todo == before:
                    break
                self._stage(plan, kept, options)
            finally:
                drop_plan(self._platform, id)
            before = todo
        self._platform.settle_shown(names)
        for name, values in self._parameters.items():
            if not self._errors:
                self._candidate(name, values, again=options.everything)
        return Finished(tuple(self._run_ids), tuple(self._errors), plan, tuple(self._checkpoints))

    def _candidate(self, name: str, values: Mapping[str, Any], *, again: bool) -> None:
        """Train with other parameters than those in force."""
        part = self._platform.plan([name], parameters=self._parameters)[name]
        if part.fingerprint is None:
            self._errors.append(f"{name} cannot begin: it waits for {', '.join(part.waiting)}.")
        else:
            self._train(name, values, part.fingerprint, again=again)

    def _train(self, name: str, values: Mapping[str, Any], value: str | None, *, again: bool) -> None:
        """Have a checkpoint of fingerprint `value` trained, and note which it is."""
        training = self._platform.graph.by_name[name]
        assert isinstance(training, TrainingAsset)
        observer().training(name)
        ended = self._dagster.run_training(training, values, again=again)
        self._keep(ended)
        made = checkpoints_made(self._platform.lake, name, value or "") if ended.is_success else []
        for checkpoint in checkpoints_of(self._platform.lake, made[-1:]).values():
            adopted = is_adopted(checkpoint, self._platform.adopted([name]))
            self._checkpoints.append(replace(checkpoint, candidate_because=None) if adopted else checkpoint)

    def _stage(self, plan: Plan, kept: KeptPlan, options: RunOptions) -> None:
        """Items, if there are any to compute; else the first asset of all items, or training, that is."""
        needed = [self._platform.graph.by_name[name] for name in plan.needed]
        items = [asset for asset in needed if isinstance(asset, ItemAsset)]
        for kind in self._platform.graph.kinds:
            names = [asset.name for asset in items if asset.item is kind]
            if names:
                self._keep(self._dagster.run_items(kind, names, kept))
        if items:
            return
        match needed[0]:
            case CollectionAsset() as collection:
                self._keep(self._dagster.run_collection(collection, options))
            case TrainingAsset() as training:
                part = plan[training.name]
                again = bool(part.todo.keys() & {Why.DRIFTED, Why.ASKED})
                self._train(training.name, {}, part.fingerprint, again=again)

    @cached_property
    def _dagster(self) -> DagsterRuns:
        from audio_assets.orchestration.runs import (
            DagsterRuns,  # takes a second: only once there is something to run
        )

        return DagsterRuns(self._platform)

    def _keep(self, ended: RunEnded) -> None:
        self._run_ids.append(ended.run_id)
        self._errors += ended.errors


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
