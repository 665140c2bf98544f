"""Dagster runs made by this process: the same jobs that the UI and the schedules launch."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import dagster as dg

from audio_assets.engine.declare.collection_asset import CollectionAsset
from audio_assets.engine.declare.tables import ItemKind
from audio_assets.engine.declare.training_asset import TrainingAsset
from audio_assets.engine.platform import Platform
from audio_assets.engine.run import stopping
from audio_assets.engine.run.progress import observer
from audio_assets.engine.state.kept import KeptPlan
from audio_assets.engine.state.states import DEFAULT, RunOptions
from audio_assets.orchestration import definitions
from audio_assets.orchestration.instance import open_instance
from audio_assets.orchestration.run_plans import PLAN_TAG
from audio_assets.orchestration.run_requests import range_tags, run_config
from audio_assets.orchestration.schedules import COLLECTION_JOB, job_name
from audio_assets.orchestration.steps import end_dead_runs, release_run

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class RunEnded:
    """A Dagster run that was made, and what made it fail besides single items."""

    run_id: str
    errors: tuple[str, ...]
    is_success: bool


def resolve_selection(selection: str) -> set[str]:
    """Names of the assets that `selection`, in Dagster's syntax, chooses.

    Raises:
        Exception: as Dagster finds it wrong.
    """
    graph = definitions.definitions().resolve_asset_graph()
    return {key.to_user_string() for key in dg.AssetSelection.from_string(selection).resolve(graph)}


class DagsterRuns:
    """Runs within this process, kept in the instance of the platform's home."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    @cached_property
    def _instance(self) -> dg.DagsterInstance:
        instance = open_instance(self._platform.settings)
        for run_id in end_dead_runs(self._platform.settings, instance):
            observer().waiting(f"run {run_id[:8]} was found dead and is ended")
        return instance

    def run_items(self, kind: ItemKind, names: Sequence[str], plan: KeptPlan) -> RunEnded:
        """Compute what the plan says of the assets `names`, which is all that the run is over."""
        tags = range_tags(self._platform, kind, plan.items_of(names), self._instance)
        config = run_config(self._platform, names, DEFAULT)
        return self._execute(job_name(kind), names, config, {**tags, PLAN_TAG: plan.id})

    def run_collection(self, asset: CollectionAsset, options: RunOptions) -> RunEnded:
        """Compute what is computed from all items."""
        config = {
            "failed": options.failed,
            "drifted": options.drifted,
            "everything": options.everything,
        }
        names = [table.name for table in asset.tables]
        return self._execute(COLLECTION_JOB, names, {"ops": {asset.name: {"config": config}}})

    def run_training(
        self, training: TrainingAsset, parameters: Mapping[str, Any], *, again: bool
    ) -> RunEnded:
        """Train with `parameters` in the place of those in force; `again` although there is a checkpoint."""
        config = {**parameters, "again": again}
        return self._execute(training.job_name, config={"ops": {training.name: {"config": config}}})

    def _execute(
        self,
        job: str,
        names: Sequence[str] | None = None,
        config: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> RunEnded:
        try:
            result = dg.execute_job(
                dg.build_reconstructable_job(definitions.__name__, definitions.find_job.__name__, (job,)),
                instance=self._instance,
                raise_on_error=False,
                asset_selection=None if names is None else [dg.AssetKey(name) for name in names],
                run_config={**(config or {}), **QUIET},
                tags=tags,
            )
        except dg.DagsterExecutionInterruptedError as interrupted:
            stopping.check()
            raise stopping.Stopped(signal.SIGINT) from interrupted  # it came while Dagster was at work
        stopping.check()
        release_run(self._platform.settings, result.run_id)
        failures = (event for event in result.all_events if event.is_step_failure)
        errors = (error for event in failures if (error := _step_error(event)) is not None)
        return RunEnded(result.run_id, tuple(errors), result.success)


def _step_error(event: dg.DagsterEvent) -> str | None:
    """Why a step failed, or None if only because of single items, which the ledger holds."""
    failure = event.step_failure_data
    if failure.user_failure_data is not None or failure.error is None:
        return None
    cause = failure.error.cause or failure.error
    return f"{event.step_key}: {cause.message.strip()}"
