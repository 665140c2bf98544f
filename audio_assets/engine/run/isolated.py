"""Items on workers: how tasks are shared out, and what a worker's death costs."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing

from audio_assets.engine.declare.item_asset import ItemAsset
from audio_assets.engine.declare.outcomes import ItemResult, Outcome
from audio_assets.engine.declare.roles import EMBEDDED, Player
from audio_assets.engine.platform import Platform
from audio_assets.engine.run.tasks import ItemTask, Task, WorkerSetup
from audio_assets.engine.state.checkpoints import Checkpoint
from audio_assets.engine.workers.session import (
    EVENTS_AHEAD,
    Cause,
    Crew,
    Died,
    Limits,
    Part,
    Raised,
    Session,
    Work,
)
from audio_assets.resources.accelerator import visible_gpus
from audio_assets.settings import Settings

COMPUTER = "audio_assets.engine.run.compute:Computer"
DEATHS_PER_TASK = 2
GPU_POOL = "gpu"
WHOSE_LIMIT = {
    Cause.ITSELF: "",
    Cause.TIME: " (AUDIO_ASSETS_TIME_LIMIT_S, or time_limit_s of the asset)",
    Cause.MEMORY: " (AUDIO_ASSETS_MEMORY_LIMIT_GIB, or memory_limit_gib of the asset)",
}


def compute_tasks(
    platform: Platform,
    assets: Sequence[ItemAsset],
    models: Mapping[str, Checkpoint],
    tasks: Iterable[Task],
    *,
    items: int,
    ahead: int,
    tick_s: float | None = None,
) -> Generator[ItemResult | None]:
    """Have the platform's workers compute `tasks`, which are of so many `items`; see `run_tasks`."""
    setup = worker_setup(platform, assets, models)
    crew = crew_of(platform, assets, items)
    return run_tasks(platform.session, setup, crew, tasks, ahead=ahead, tick_s=tick_s)


def run_tasks(
    session: Session,
    setup: WorkerSetup,
    crew: Crew,
    tasks: Iterable[Task],
    *,
    ahead: int = EVENTS_AHEAD,
    tick_s: float | None = None,
) -> Generator[ItemResult | None]:
    """Every asset of every item of every task, exactly once, whatever happens to the worker that had it.

    None comes whenever no result has for `tick_s`; up to `ahead` results wait to be taken.
    """
    work = Work(COMPUTER, setup, frozenset(module.partition(".")[0] for module, _ in setup.assets))
    with closing(session.map(work, tasks, crew, left=tasks_left, ahead=ahead, tick_s=tick_s)) as events:
        for event in events:
            match event:
                case None:
                    yield None
                case Part(_, ItemResult() as result):
                    yield result
                case Died():
                    yield from lost_results(event)
                case Raised():
                    raise RuntimeError(f"Items could not be computed: {event.reason}\n{event.detail}")


def worker_setup(
    platform: Platform, assets: Sequence[ItemAsset], models: Mapping[str, Checkpoint]
) -> WorkerSetup:
    """What a worker loads to compute `assets`, wherever it is."""
    choices = platform.graph.choices(platform.settings)
    usual = usual_limits(platform.settings)
    return WorkerSetup(
        assets=tuple(asset.reference for asset in assets),
        parameters=platform.settings.parameters,
        backends=choices,
        objects=platform.objects,
        code={asset.name: asset.code(choices).digest for asset in assets},
        models={
            name: checkpoint.local(platform.objects, platform.settings.home / "cache")
            for name, checkpoint in models.items()
        },
        limits={
            asset.name: Limits(
                asset.time_limit_s or usual.time_s,
                asset.memory_limit_gib * 2**30 if asset.memory_limit_gib else usual.memory_bytes,
            )
            for asset in assets
        },
    )


def usual_limits(settings: Settings) -> Limits:
    """What may be used for one item, or one file, by whatever has no limits of its own."""
    return Limits(settings.time_limit_s, settings.memory_limit_gib * 2**30)


def crew_of(platform: Platform, assets: Sequence[ItemAsset], items: int) -> Crew:
    """Workers for `assets`, no more than there are items, nor GPUs for them to share."""
    settings = platform.settings
    return Crew(
        min(settings.workers, items),
        # What computes on an accelerator would hold its memory.
        keep=all(asset.pool is None for asset in assets),
        devices=tuple(visible_gpus())
        if settings.device != "cpu" and _wants_gpu(assets, platform.graph.choices(settings))
        else (),
    )


def _wants_gpu(assets: Iterable[ItemAsset], choices: Mapping[str, Player]) -> bool:
    """Whether one of `assets` computes on a GPU if there is one; embedded backends need the cores instead."""
    return any(
        asset.pool == GPU_POOL
        and (not asset.roles or any(choices[role.name].choice != EMBEDDED for role in asset.roles))
        for asset in assets
    )


def lost_results(died: Died) -> list[ItemResult]:
    """The results that a worker's death costs.

    Of a batch none: it is computed again one by one, so that only the culprit pays. An item costs the asset
    that was computed; one that has cost `DEATHS_PER_TASK` workers costs no more: what is left of it fails.
    """
    task, left = _left(died)
    if len(left) != 1:
        return []
    (item,), deaths = left, task.deaths + 1
    lost = [name for name in item.fingerprints if name == died.step or deaths == DEATHS_PER_TASK]
    return [_lost(item, name, died, deaths) for name in lost]


def tasks_left(died: Died) -> list[Task]:
    """What is still to be done of a task after a worker's death."""
    task, left = _left(died)
    if len(left) > 1:
        return [Task((item,), task.deaths) for item in left]
    rest = [item.after(lost_results(died)) for item in left]
    return [Task((item,), task.deaths + 1) for item in rest if item.fingerprints]


def _left(died: Died) -> tuple[Task, list[ItemTask]]:
    task: Task = died.input
    items = [item.after(died.parts) for item in task.items]
    return task, [item for item in items if item.fingerprints]


def _lost(item: ItemTask, asset: str, died: Died, deaths: int) -> ItemResult:
    reason = died.reason + WHOSE_LIMIT[died.cause]
    if asset != died.step:
        reason = f"not computed, since {deaths} workers died of this item: {reason}"
    return ItemResult(asset, item.item.key, Outcome.FAILED, [], reason, died.detail, died=True)
