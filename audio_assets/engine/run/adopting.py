"""Adopting a checkpoint by hand."""

from __future__ import annotations

from dataclasses import replace

from audio_assets.engine.declare.training_asset import TrainingAsset
from audio_assets.engine.platform import Platform
from audio_assets.engine.run.tracked import track_adoption
from audio_assets.engine.state.adoption import Adopted, adopt
from audio_assets.engine.state.checkpoints import Checkpoint, CheckpointError
from audio_assets.engine.state.planner import make_plan
from audio_assets.engine.state.plans import AssetPlan
from audio_assets.engine.state.states import State


def adopt_checkpoint(platform: Platform, checkpoint: Checkpoint) -> None:
    """Adopt and pin a checkpoint, here and in MLflow.

    Raises:
        CheckpointError: its objects are gone, or its training is no asset any more.
    """
    if not isinstance(platform.graph.by_name.get(checkpoint.asset), TrainingAsset):
        raise CheckpointError(
            f"{checkpoint.asset}, which {checkpoint.checkpoint} is of, is no training here."
        )
    checkpoint.local(platform.objects, platform.settings.home / "cache")
    platform.lake.write(lambda c: adopt(c, checkpoint, is_pinned=True))
    track_adoption(platform, checkpoint.asset, checkpoint.checkpoint)


def unpin_training(platform: Platform, name: str) -> None:
    """Let checkpoints of a training be adopted by themselves again; the adopted one stays until then.

    Raises:
        CheckpointError: it has no adopted checkpoint.
    """
    adopted = platform.adopted([name] if name in platform.graph.by_name else []).get(name)
    if adopted is None:
        raise CheckpointError(f"{name!r} is no training with an adopted checkpoint.")
    platform.lake.write(lambda c: adopt(c, adopted.checkpoint, is_pinned=False))


def stale_by_adopting(platform: Platform, checkpoint: Checkpoint) -> dict[str, int]:
    """How many good values of each asset would be good no more if the checkpoint were adopted.

    They are of assets that use it, and of all that is made from those.
    """
    names: list[str] = []
    for asset in platform.graph.assets:
        if asset.model in {checkpoint.asset, *names} or set(asset.upstream) & set(names):
            names.append(asset.name)
    if not names:
        return {}
    question = platform.question(names)
    adopted = {**platform.adopted(names), checkpoint.asset: Adopted(checkpoint, is_pinned=True)}
    now = make_plan(platform.lake, question)
    then = make_plan(platform.lake, replace(question, recipes=platform.recipes_with(adopted)))
    lost = {name: _good(now[name]) - _good(then[name]) for name in names}
    return {name: count for name, count in lost.items() if count > 0}


def _good(part: AssetPlan) -> int:
    return sum(part.states[state] for state in (State.OK, State.NOT_APPLICABLE, State.DRIFTED))
