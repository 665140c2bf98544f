"""The plan of a Dagster run: made once, kept under the run's id, read by each of its steps.

A run that `audio-assets run` makes names the plan it was made for in a tag. Any other asks for itself when its
first step begins. A run that Dagster makes again after a failure asks anew: of the old plan much is done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import dagster as dg

from audio_assets.engine.declare.tables import ItemKind
from audio_assets.engine.platform import Platform
from audio_assets.engine.state.kept import KeptPlan, keep_plan, kept_plan
from audio_assets.engine.state.states import RunOptions

PLAN_TAG = "audio_assets/plan"


def plan_of_run(
    context: dg.AssetExecutionContext,
    platform: Platform,
    kind: ItemKind,
    items: Callable[[], Sequence[str]],
    options: RunOptions,
) -> KeptPlan:
    """The plan that the run goes by: for all assets of a kind that it is to compute, and for `items`.

    Those are asked for only if the plan is yet to be made.
    """
    run = context.run
    named = None if run.parent_run_id else run.tags.get(PLAN_TAG)
    id = named or f"{run.run_id}-{kind.plural}"
    found = kept_plan(platform, id)
    if found is not None:
        return found
    chosen = context.job_def.asset_layer.selected_asset_keys
    names = [
        asset.name
        for asset in platform.graph.item_assets
        if asset.item is kind and dg.AssetKey(asset.name) in chosen
    ]
    return keep_plan(platform, id, names, items(), options, keep_empty=True)[1]
