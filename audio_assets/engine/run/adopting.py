"""Adopting a checkpoint by hand."""

from __future__ import annotations

from dataclasses import replace

from audio_assets.engine.declare.training_asset import TrainingAsset
from audio_assets.engine.platform import Platform
from audio_assets.engine.run.tracked import track_adoption
from audio_assets.engine.state.adoption import Adopted, adopt
from audio_assets.engine.state.checkpoints import Checkpoint, CheckpointError
from audio_assets.engine.state.planner import make_plan
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
    """How many good values of each asset would no longer be those of the adopted checkpoint."""
    names = [asset.name for asset in platform.graph.assets if asset.model == checkpoint.asset]
    if not names:
        return {}
    adopted = {**platform.adopted(names), checkpoint.asset: Adopted(checkpoint, is_pinned=True)}
    question = replace(platform.question(names), recipes=platform.recipes_with(adopted))
    plan = make_plan(platform.lake, question)
    good = (State.OK, State.NOT_APPLICABLE, State.DRIFTED)
    return {
        name: part.count + part.waiting.total()
        for name, part in plan.assets.items()
        if not all(state in good for state in part.states)
    }
