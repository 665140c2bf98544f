"""Runs whose process is gone are ended, and no others."""

from __future__ import annotations

import dagster as dg
import pytest

from audio_assets.orchestration.steps import end_dead_runs
from audio_assets.resources.leases import Lease
from audio_assets.settings import Settings


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def begun(instance: dg.DagsterInstance) -> str:
    run = instance.create_run_for_job(dg.GraphDefinition("nothing").to_job())
    instance.report_dagster_event(dg.DagsterEvent("PIPELINE_START", run.job_name), run.run_id)
    return run.run_id


def test_only_a_run_whose_lease_nobody_holds_is_ended(tmp_path, instance):
    settings = Settings(home=tmp_path)
    folder = tmp_path / "locks" / "runs"
    lives, dead, elsewhere = (begun(instance) for _ in range(3))
    with Lease(folder / lives, "alive") as held, Lease(folder / dead, "dead") as lost:
        assert held.take() and lost.take()
        assert end_dead_runs(settings, instance) == []
        lost.release()
        assert end_dead_runs(settings, instance) == [dead]
        assert end_dead_runs(settings, instance) == []
    statuses = {run.run_id: run.status for run in instance.get_runs()}
    assert statuses == {
        lives: dg.DagsterRunStatus.STARTED,
        dead: dg.DagsterRunStatus.FAILURE,
        elsewhere: dg.DagsterRunStatus.STARTED,  # on another machine, where its lease is
    }
    assert [path.name for path in folder.iterdir()] == [lives]
