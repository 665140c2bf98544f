"""The check `up_to_date` of what is computed from many items: collections, trainings.

Dagster looks at no upstream asset of 100 partitions or more to tell whether a value is stale, so there the
planner tells. The check runs with every materialization, by itself from the UI, and without a run, by the
sensor, whenever the lake has changed. The sensor also tells which checkpoints were adopted.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import dagster as dg

from audio_assets.engine.declare.collection_asset import CollectionAsset
from audio_assets.engine.declare.training_asset import TrainingAsset
from audio_assets.engine.platform import Platform
from audio_assets.engine.state.states import State
from audio_assets.orchestration.adoptions import untold_adoptions

CHECK = "up_to_date"
DESCRIPTION = "What it was computed from is what there is now, by the planner of `audio-assets status`."
WHY = {
    State.STALE: "What it was made from has changed since.",
    State.MISSING: "There is nothing yet.",
    State.FAILED: "The last try failed, and what it was made from is still the same.",
    State.QUARANTINED: "It was tried too often and is left alone.",
    State.DRIFTED: "The code or a library has changed under the same code version.",
}

Asset = CollectionAsset | TrainingAsset


@dataclass(frozen=True)
class Standing:
    """What the planner says of an asset."""

    state: State

    @property
    def is_up_to_date(self) -> bool:
        """Whether a run would leave it as it is because nothing has changed."""
        return self.state not in WHY or self.state is State.DRIFTED

    def metadata(self) -> dict[str, str]:
        """For people who look at the check."""
        return {"state": self.state.value, "why": WHY.get(self.state, "")}


def standing(platform: Platform, asset: Asset) -> Standing:
    """Ask the planner where a collection or training asset stands."""
    (state,) = platform.plan([asset.name])[asset.name].states
    return Standing(state)


def build_up_to_date_checks(platform: Platform) -> list[dg.AssetChecksDefinition]:
    """A check for each collection and training."""
    return [_check(platform, asset) for asset in _assets(platform)]


def _assets(platform: Platform) -> tuple[Asset, ...]:
    return (*platform.graph.collections, *platform.graph.trainings)


def _check(platform: Platform, asset: Asset) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=asset.name, name=CHECK, description=DESCRIPTION)
    def check() -> dg.AssetCheckResult:
        platform.prepare()
        found = standing(platform, asset)
        return dg.AssetCheckResult(
            passed=found.is_up_to_date, severity=dg.AssetCheckSeverity.WARN, metadata=found.metadata()
        )

    return check


def build_up_to_date_sensor(platform: Platform) -> dg.SensorDefinition:
    """A sensor that reports the checks whose answer has changed; it asks for no runs, and so is running."""

    @dg.sensor(
        name=CHECK,
        minimum_interval_seconds=300,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Says of what is computed from many items whether it is up to date.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        if not platform.lake.exists:
            return dg.SkipReason("There is no lake yet.")
        platform.prepare()
        before = json.loads(context.cursor) if context.cursor else {"snapshot": None, "states": {}}
        snapshot = platform.lake.snapshot()
        if snapshot == before["snapshot"]:
            return dg.SkipReason("Nothing has been written since.")
        states = {asset.name: standing(platform, asset) for asset in _assets(platform)}
        cursor = {"snapshot": snapshot, "states": {name: found.state for name, found in states.items()}}
        told = before["states"]
        changed = [n for n, found in states.items() if told.get(n, State.MISSING) != found.state]
        events: list[dg.AssetMaterialization | dg.AssetCheckEvaluation] = [
            *untold_adoptions(platform, context.instance),
            *(_evaluation(name, states[name]) for name in changed),
        ]
        return dg.SensorResult(asset_events=events, cursor=json.dumps(cursor))

    return sensor


def _evaluation(name: str, found: Standing) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(name),
        check_name=CHECK,
        passed=found.is_up_to_date,
        severity=dg.AssetCheckSeverity.WARN,
        metadata=found.metadata(),
    )
