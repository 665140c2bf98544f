"""Planning: which items of which assets need computing, and why.

The fingerprint of a value is a hash of its item's bytes, its asset's recipe (name, code version,
parameters, backend and revision) and the fingerprints of its upstream values. A value whose
fingerprint stands in the ledger with a good outcome is never computed again unasked.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from audio_assets.engine.code.state import CodeState
from audio_assets.engine.declare.graph import AssetGraph
from audio_assets.engine.declare.item_asset import ItemAsset, Recipe
from audio_assets.engine.declare.outcomes import Outcome
from audio_assets.engine.declare.tables import Item
from audio_assets.engine.state.ledger import Entries, Entry


class State(StrEnum):
    """Where an item stands for an asset. ``stale``: something it was made from has changed.

    ``drifted``: only the code or a library has, under the same code version.
    """

    OK = "ok"
    NOT_APPLICABLE = "not_applicable"
    FAILED = "failed"
    QUARANTINED = "quarantined"
    STALE = "stale"
    DRIFTED = "drifted"
    MISSING = "missing"


@dataclass(frozen=True)
class RunOptions:
    """What a run computes besides missing and stale values."""

    failed: bool = False
    drifted: bool = False
    everything: bool = False


DEFAULT = RunOptions()


@dataclass
class AssetPlan:
    """One asset's part of a plan; `fingerprints` has the items to compute."""

    states: dict[str, State] = field(default_factory=dict)
    fingerprints: dict[str, str] = field(default_factory=dict)
    upstream: dict[str, dict[str, str]] = field(default_factory=dict)
    blocked: dict[str, str] = field(default_factory=dict)


Plan = dict[str, AssetPlan]


def make_plan(
    graph: AssetGraph,
    selected: Iterable[str],
    items: Mapping[str, Item],
    *,
    entries: Entries,
    recipes: Mapping[str, Recipe],
    code: Mapping[str, CodeState],
    options: RunOptions,
) -> Plan:
    """Plan the `selected` assets for `items`.

    `entries` must hold the ledger of the selected assets and of their upstream. Items whose upstream
    has no value and gets none in this run are blocked: they are left as they are. So are all items of an
    asset without a recipe: the model it needs has not been trained.
    """
    wanted = set(selected)
    plan: Plan = {}
    current: dict[str, dict[str, str]] = {}
    for asset in graph.assets:
        if asset.name in wanted:
            sources = {
                name: current[name] if name in wanted else good_fingerprints(entries[name])
                for name in asset.upstream
            }
            plan[asset.name], current[asset.name] = _plan_asset(
                asset,
                items,
                entries=entries[asset.name],
                recipe=recipes.get(asset.name),
                code_hash=code[asset.name].digest,
                sources=sources,
                options=options,
            )
    return plan


def fingerprint(item: Item, recipe: Recipe, inputs: Sequence[str]) -> str:
    """What a value is made from, as 24 hexadecimal digits; `inputs` besides bytes and recipe."""
    text = "\x1f".join((item.content_hash, recipe.identity, *inputs))
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def good_fingerprints(entries: Mapping[str, Entry]) -> dict[str, str]:
    """The fingerprints of the values that are there, by item."""
    return {item: e.fingerprint for item, e in entries.items() if e.outcome.is_good}


def _plan_asset(
    asset: ItemAsset,
    items: Mapping[str, Item],
    *,
    entries: Mapping[str, Entry],
    recipe: Recipe | None,
    code_hash: str,
    sources: Mapping[str, Mapping[str, str]],
    options: RunOptions,
) -> tuple[AssetPlan, dict[str, str]]:
    plan = AssetPlan()
    current: dict[str, str] = {}
    for key, item in items.items():
        entry = entries.get(key)
        absent = [name for name, source in sources.items() if key not in source]
        if recipe is None:
            absent.append(asset.model or "its model")
        if absent or recipe is None:
            plan.states[key] = state_of(entry, None, code_hash)
            plan.blocked[key] = f"waits for {', '.join(absent)}"
            continue
        upstream = {name: source[key] for name, source in sources.items()}
        read = [f"{name}={item.record.get(name)}" for name in asset.reads]
        expected = fingerprint(item, recipe, [*read, *upstream.values()])
        state = state_of(entry, expected, code_hash)
        plan.states[key] = state
        compute = is_computed(state, entry, options)
        if compute:
            plan.fingerprints[key] = expected
            plan.upstream[key] = upstream
        if compute or state not in (State.FAILED, State.QUARANTINED):
            current[key] = expected
    return plan, current


def state_of(entry: Entry | None, expected: str | None, code_hash: str) -> State:
    """Where a value stands whose fingerprint would be `expected` now (None: it cannot be told)."""
    if entry is None:
        return State.MISSING
    if entry.outcome is Outcome.QUARANTINED:
        return State.QUARANTINED
    if entry.fingerprint != expected:
        return State.STALE
    if entry.outcome is Outcome.FAILED:
        return State.FAILED
    if entry.code_hash != code_hash:
        return State.DRIFTED
    return State.OK if entry.outcome is Outcome.OK else State.NOT_APPLICABLE


def is_computed(state: State, entry: Entry | None, options: RunOptions) -> bool:
    """Whether a run with `options` computes a value in this state."""
    if state in (State.MISSING, State.STALE):
        return True
    if state is State.QUARANTINED:
        return False
    if state is State.FAILED:
        retried = entry is not None and entry.is_retried
        return options.failed or options.everything or retried
    if state is State.DRIFTED:
        return options.drifted or options.everything
    return options.everything


def upstream_json(plan: AssetPlan, item: str) -> str:
    """The upstream fingerprints of `item` as JSON, for the ledger."""
    return json.dumps(plan.upstream.get(item, {}), sort_keys=True)
