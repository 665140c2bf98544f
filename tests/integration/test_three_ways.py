"""A value is the same whoever asks for it: the command, `dagster asset materialize`, or a backfill."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT, Command
from tests.ingest.tagging import retag

BACKFILL = """
import json, logging, sys, time
import dagster as dg
from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._core.execution.api import execute_run
from dagster._core.execution.backfill import PartitionBackfill
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.test_utils import (
    InProcessTestWorkspaceLoadTarget, create_test_daemon_workspace_context
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._daemon.backfill import execute_backfill_iteration

key = sys.argv[1]
loudness = dg.AssetKey("loudness")
with dg.DagsterInstance.get() as instance:
    from audio_assets.orchestration import definitions  # the instance has the partition from this on

    backfill = PartitionBackfill.from_asset_partitions(
        backfill_id="third", asset_graph=definitions.definitions().resolve_asset_graph(),
        partition_names=[key], asset_selection=[loudness], backfill_timestamp=time.time(), tags={},
        dynamic_partitions_store=instance, all_partitions=False,
        title=None, description=None, run_config=None,
    )
    instance.add_backfill(backfill)
    origin = LoadableTargetOrigin(executable_path=sys.executable, module_name="audio_assets.definitions")
    target = InProcessTestWorkspaceLoadTarget(InProcessCodeLocationOrigin(origin))
    with create_test_daemon_workspace_context(target, instance) as workspace:
        iterate = lambda: [e for e in execute_backfill_iteration(workspace, logging.getLogger("test")) if e]
        errors = iterate()
        assert not errors, errors
        (run,) = instance.get_runs(dg.RunsFilter(tags={"dagster/backfill": "third"}))
        starting = dg.DagsterEvent(dg.DagsterEventType.RUN_STARTING.value, run.job_name)
        instance.report_dagster_event(starting, run.run_id)  # as the queue does
        run = instance.get_run_by_id(run.run_id)
        repository = ReconstructableRepository.for_module("audio_assets.definitions", "defs")
        execute_run(repository.get_reconstructable_job(run.job_name), run, instance)
        errors += iterate()
    versions = instance.event_log_storage.get_latest_tags_by_partition(
        loudness, dg.DagsterEventType.ASSET_MATERIALIZATION, tag_keys=["dagster/data_version"]
    )
    print(json.dumps({
        "errors": [str(error) for error in errors],
        "status": instance.get_backfill("third").status.value,
        "versions": {item: tags["dagster/data_version"] for item, tags in versions.items()},
    }))
"""

STATUS = """
import json, sys
import dagster as dg
from dagster._core.definitions.data_version import CachingStaleStatusResolver
from dagster._core.loader import LoadingContextForTest

with dg.DagsterInstance.get() as instance:
    from audio_assets.orchestration import definitions

    graph = definitions.definitions().resolve_asset_graph()
    resolver = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
    found = {}
    for name in sys.argv[1:]:
        for partition in instance.get_dynamic_partitions("tracks"):
            key = dg.AssetKey(name)
            causes = resolver.get_stale_causes(key, partition)
            named = sorted({f"{c.reason}: {c.dependency_asset_key.to_user_string()}" for c in causes})
            found[f"{name} {partition}"] = [resolver.get_status(key, partition).value, *named]
    print(json.dumps(found))
"""


def dagster(command: Command, *arguments: str, home: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run Python on the home's Dagster instance, as operations.md says it, or on the one in `home`."""
    home = home or command.home / "state" / "dagster"
    done = subprocess.run(
        [sys.executable, *arguments],
        env={**command.environment(), "DAGSTER_HOME": str(home)},
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done


def test_a_new_item_is_the_same_by_command_by_dagster_and_by_backfill(command: Command, tones: Path):
    command("ingest", str(tones), "--as", "track")
    first, second, third = (str(row["item"]) for row in command.sql("SELECT item FROM tracks ORDER BY item"))

    # Dagster comes first: nothing but the ingest has told it of the items.
    selection = ["--select", "loudness", "--partition", second]
    dagster(command, "-m", "dagster", "asset", "materialize", "-m", "audio_assets.definitions", *selection)
    command("run", "loudness", "--items", first)
    told = json.loads(dagster(command, "-c", BACKFILL, third).stdout.splitlines()[-1])
    assert (told["errors"], told["status"]) == ([], "COMPLETED_SUCCESS")

    rows = command.sql("SELECT * FROM loudness ORDER BY item")
    assert [row["item"] for row in rows] == [first, second, third]
    filled = [{name for name, value in row.items() if value is not None} for row in rows]
    assert filled[0] == filled[1] == filled[2] and "lufs" in filled[0]

    entries = command.sql("SELECT * FROM ledger WHERE asset = 'loudness' ORDER BY item")
    assert {row["outcome"] for row in entries} == {"ok"}
    same = ("code_hash", "code_version", "parameters_json", "backend", "libraries_json")
    assert len({tuple(row.get(name) for name in same) for row in entries}) == 1
    assert len({row["run_id"] for row in entries}) == 3
    assert told["versions"] == {row["item"]: row["fingerprint"] for row in entries}
    assert "Nothing to do" in command("run", "loudness")

    def status(*assets: str) -> dict[str, list[str]]:
        """What Dagster itself says of every partition, with the causes."""
        return json.loads(dagster(command, "-c", STATUS, *assets).stdout.splitlines()[-1])

    items = (first, second, third)
    assert status("loudness") == {f"loudness {item}": ["FRESH"] for item in items}
    command("run", "musicbrainz_matches")
    retag(tones / "tone 440.wav", "Another")
    command("ingest", str(tones), "--as", "track")
    stale = ["STALE", "has a new dependency data version: tracks/title"]
    assert status("loudness", "musicbrainz_matches") == {
        **{f"loudness {item}": ["FRESH"] for item in items},
        **{f"musicbrainz_matches {item}": ["FRESH"] if item != second else stale for item in items},
    }
    command("run", "musicbrainz_matches")
    assert status("musicbrainz_matches") == {f"musicbrainz_matches {item}": ["FRESH"] for item in items}


@pytest.mark.parametrize("broken", ["instance", "lake"])
def test_definitions_load_where_partitions_cannot_be_read_or_written(
    command: Command, tmp_path: Path, broken: str
):
    home = tmp_path / "dagster"
    if broken == "lake":
        home.mkdir()
        (tmp_path / "no database").write_text("this is no catalog")
        command.settings["lake_catalog"] = f"sqlite:{tmp_path / 'no database'}"
    done = dagster(command, "-c", "from audio_assets.definitions import defs", home=home)
    assert "The partitions were not brought to the catalog's" in done.stderr
