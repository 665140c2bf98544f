"""What the planner must answer, in plain Python over dicts: slow, and easy to believe."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from audio_assets.engine.declare.asset import Asset, fingerprint
from audio_assets.engine.declare.graph import AssetGraph
from audio_assets.engine.declare.item_asset import ItemAsset
from audio_assets.engine.declare.outcomes import Outcome
from audio_assets.engine.declare.training_asset import TrainingAsset
from audio_assets.engine.state.ledger import DEATHS_TO_QUARANTINE
from audio_assets.engine.state.plans import Question, item_digest, value_fingerprint, whole_fingerprint
from audio_assets.engine.state.states import State, Why


@dataclass(frozen=True)
class CatalogRow:
    kind: str
    content_hash: str
    texts: Mapping[str, str | None]


@dataclass(frozen=True)
class LedgerRow:
    outcome: Outcome
    fingerprint: str
    recipe: str
    code_version: str
    parameters_json: str
    revision: str | None
    code_hash: str
    content_hash: str
    reads_hash: str | None
    deaths: int = 0
    run_id: str = "before"


@dataclass(frozen=True)
class Verdict:
    """Where a value stands, why it would be computed, whether it is, and as what."""

    state: State
    why: Why | None
    is_computed: bool
    fingerprint: str | None
    waits: str | None


Ledger = dict[tuple[str, str], LedgerRow]


def verdicts(
    question: Question, catalog: Mapping[str, CatalogRow], ledger: Ledger
) -> dict[str, dict[str, Verdict]]:
    """By asset and item; values of all items together stand at ``*``."""
    graph: AssetGraph = question.graph
    found: dict[str, dict[str, Verdict]] = {}
    current: dict[str, dict[str, tuple[str, bool]]] = {}
    deferred: set[str] = set()
    for asset in graph.assets:
        if asset.name not in question.selected:
            current[asset.name] = {
                item: (row.fingerprint, row.outcome is Outcome.OK)
                for (name, item), row in ledger.items()
                if name == asset.name and row.outcome in (Outcome.OK, Outcome.NOT_APPLICABLE)
            }
            continue
        if isinstance(asset, ItemAsset):
            per_item = {
                item: _of_item(question, asset, item, row, ledger, current, deferred)
                for item, row in catalog.items()
                if row.kind == asset.item.name
            }
        else:
            per_item = {"*": _of_all(question, asset, catalog, ledger, current, deferred)}
            if isinstance(asset, TrainingAsset) and per_item["*"].is_computed:
                deferred.add(asset.name)
        found[asset.name] = per_item
        current[asset.name] = {
            item: (v.fingerprint, v.is_computed or v.state is not State.NOT_APPLICABLE)
            for item, v in per_item.items()
            if v.fingerprint and (v.is_computed or v.state not in (State.FAILED, State.QUARANTINED))
        }
    return found


def _of_item(question, asset, item, row, ledger, current, deferred) -> Verdict:
    recipe = question.recipes.get(asset.name)
    absent = [name for name in asset.upstream if item not in current[name]]
    if asset.model and (recipe is None or asset.model in deferred):
        absent.append(asset.model)
    reads = fingerprint(row.texts[name] for name in asset.reads) if asset.reads else None
    expected = None
    if not absent:
        upstream = [current[name][item][0] for name in asset.upstream]
        expected = value_fingerprint(recipe, row.content_hash, reads, upstream)
    entry = ledger.get((asset.name, item))
    changed = _changed(question, asset, entry, row.content_hash, reads)
    return _judge(question, asset, entry, expected, changed, ", ".join(absent) or None)


def _of_all(question, asset, catalog, ledger, current, deferred) -> Verdict:
    graph = question.graph
    recipe = question.recipes.get(asset.name)
    per_item = [name for name in asset.upstream if isinstance(graph.by_name[name], ItemAsset)]
    whole = [name for name in asset.upstream if name not in per_item]
    kinds = {kind.name for kind in asset.items}
    digests, there = [], set()
    for item, row in sorted(catalog.items()):
        if row.kind not in kinds:
            continue
        values = {name: current[name].get(item) for name in per_item}
        required = [
            name
            for name in per_item
            if name not in asset.optional_upstream and graph.by_name[name].items[0].name == row.kind
        ]
        if isinstance(asset, TrainingAsset) and not all(values[n] and values[n][1] for n in required):
            continue
        there |= {name for name, value in values.items() if value}
        reads = fingerprint(row.texts[name] for name in asset.reads) if asset.reads else None
        fingerprints = [value[0] if value else None for value in values.values()]
        digests.append(item_digest(item, row.content_hash, reads, fingerprints))
    values = {name: current[name].get("*", (None,))[0] for name in whole}
    needed = [name for name in (*per_item, *whole) if name not in asset.optional_upstream]
    absent = [name for name in needed if name not in there and values.get(name) is None]
    if asset.model and (recipe is None or asset.model in deferred):
        absent.append(asset.model)
    is_short = isinstance(asset, TrainingAsset) and len(digests) < asset.min_items
    expected = None
    if not absent and digests and not is_short:
        data = hashlib.sha256("".join(digests).encode()).hexdigest()[:32]
        expected = whole_fingerprint(recipe, data, [values[name] for name in whole])
    entry = ledger.get((asset.name, "*"))
    changed = _changed(question, asset, entry, None, None)
    verdict = _judge(question, asset, entry, expected, changed, None if expected else "something")
    asks = asset.name in question.options.asked or question.options.everything
    if isinstance(asset, TrainingAsset) and verdict.why is Why.UPSTREAM and not asks:
        return Verdict(verdict.state, verdict.why, False, expected, verdict.waits)
    return verdict


def _changed(question, asset: Asset, entry: LedgerRow | None, content_hash, reads) -> Why | None:
    recipe = question.recipes.get(asset.name)
    if entry is None or recipe is None:
        return None
    if entry.recipe != recipe.digest:
        if entry.code_version != asset.code_version:
            return Why.CODE
        if entry.parameters_json != recipe.parameters_json:
            return Why.PARAMETERS
        return Why.WEIGHTS if entry.revision != recipe.revision else Why.CODE
    if content_hash is not None and entry.content_hash != content_hash:
        return Why.SOUND
    if content_hash is not None and entry.reads_hash != reads:
        return Why.READS
    return Why.UPSTREAM


def _judge(question, asset, entry, expected, changed, waits) -> Verdict:
    options = question.options
    if entry is None:
        state = State.MISSING
    elif entry.outcome is Outcome.QUARANTINED:
        state = State.QUARANTINED
    elif entry.fingerprint != expected:
        state = State.STALE
    elif entry.outcome is Outcome.FAILED:
        state = State.FAILED
    elif entry.code_hash != question.code[asset.name].digest:
        state = State.DRIFTED
    else:
        state = State(entry.outcome.value)
    why, wanted = {
        State.MISSING: (Why.NEW, True),
        State.STALE: (changed, True),
        State.QUARANTINED: (None, False),
        State.FAILED: (
            Why.RETRY,
            options.failed
            or options.everything
            or (entry is not None and 0 < entry.deaths < DEATHS_TO_QUARANTINE),
        ),
        State.DRIFTED: (Why.DRIFTED, options.drifted or options.everything),
        State.OK: (Why.ASKED, options.everything),
        State.NOT_APPLICABLE: (Why.ASKED, options.everything),
    }[state]
    is_tried = entry is not None and entry.run_id in options.tried and entry.fingerprint == expected
    return Verdict(state, why, wanted and expected is not None and not is_tried, expected, waits)
