"""What every step of a Dagster run does first, and how one that is asked to stop ends.

A step holds a lease in its run's name for as long as its process lives. A run that Dagster takes for running, and
whose lease nobody holds, is dead: it is ended as failed, and gives back what it held in Dagster.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from audio_assets.engine.platform import Platform
from audio_assets.engine.run.pools import FOLDER
from audio_assets.engine.run.stopping import Stopped
from audio_assets.orchestration.dagster_private import end_run
from audio_assets.resources.leases import Lease, is_held
from audio_assets.settings import Settings

DEAD = "The process that ran this is gone: it was killed, or the machine stopped. What it had stored is kept."
UNDER_WAY = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]

_held: dict[Path, Lease] = {}


@contextmanager
def step(context: dg.AssetExecutionContext, platform: Platform) -> Iterator[None]:
    """Around all that a step does.

    Raises:
        DagsterExecutionInterruptedError: this process was asked to stop, and has stored what was computed.
    """
    platform.prepare()
    path = _lease(platform.settings, context.run_id)
    lease = _held[path] = _held.get(path) or Lease(path, f"run {context.run_id[:8]}")
    lease.take()
    try:
        yield
    except Stopped as stopped:
        raise dg.DagsterExecutionInterruptedError(str(stopped)) from stopped


def end_dead_runs(settings: Settings, instance: dg.DagsterInstance) -> list[str]:
    """End the runs whose process, of this machine, is gone; their ids."""
    dead = []
    folder = _lease(settings, "").parent
    there = {path.name: path for path in folder.glob("*")} if folder.is_dir() else {}
    if not there:
        return []
    for run in instance.get_runs(dg.RunsFilter(run_ids=list(there), statuses=UNDER_WAY)):
        if not is_held(there[run.run_id]):
            end_run(instance, run, DEAD)
            dead.append(run.run_id)
    for path in there.values():
        if not is_held(path):
            path.unlink(missing_ok=True)
    return dead


def is_alive(settings: Settings, run_id: str) -> bool:
    """Whether a process of this machine is at a run."""
    return is_held(_lease(settings, run_id))


def release_run(settings: Settings, run_id: str) -> None:
    """Give back the lease of a run that this process has brought to its end."""
    path = _lease(settings, run_id)
    if path in _held:
        _held.pop(path).release()
        path.unlink(missing_ok=True)


def _lease(settings: Settings, run_id: str) -> Path:
    return settings.home / FOLDER / "runs" / (run_id or "none")
