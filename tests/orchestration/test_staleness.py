"""Dagster's own stale status: FRESH where the planner says up to date, STALE with its cause elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver
from dagster._core.loader import LoadingContextForTest

from audio_assets.engine.declare.graph import AssetGraph
from audio_assets.engine.platform import Platform
from audio_assets.engine.run.adopting import adopt_checkpoint
from audio_assets.engine.state.checkpoints import read_checkpoint
from audio_assets.orchestration.adoptions import tell_adoptions, untold_adoptions
from audio_assets.orchestration.catalog_changes import sync_catalog
from audio_assets.orchestration.definitions import build_definitions
from audio_assets.orchestration.partitions import Partitions
from tests.engine import toys
from tests.engine.conftest import Bench
from tests.orchestration.tongues import (
    chains,
    counts,
    judgements,
    languages,
    make_library,
    mean_length,
    retag,
)

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
ITEM_ASSETS = (toys.lengths, languages, chains)
NAMES = [asset.name for asset in ITEM_ASSETS]


@dataclass
class Desk:
    """A platform of toys with all that Dagster has of it, and an instance."""

    bench: Bench
    instance: dg.DagsterInstance

    @property
    def platform(self) -> Platform:
        return self.bench.platform

    @property
    def definitions(self) -> dg.Definitions:
        return build_definitions(self.platform)

    def run(self, *names: str, keys: Sequence[str] | None = None, **tags: str) -> dg.ExecuteInProcessResult:
        """Materialize item assets from the UI's way: a job over a range of partitions."""
        sync_catalog(self.platform, self.instance)
        partitions = keys or self.instance.get_dynamic_partitions("notes") or ["00000", "00003"]
        return self.definitions.resolve_job_def("materialize_notes").execute_in_process(
            instance=self.instance,
            asset_selection=[dg.AssetKey(name) for name in names or NAMES],
            tags={
                "dagster/asset_partition_range_start": partitions[0],
                "dagster/asset_partition_range_end": partitions[-1],
                **tags,
            },
            run_config=QUIET,
            raise_on_error=False,
        )

    def compute(self, job: str) -> dg.ExecuteInProcessResult:
        """Run a collection's or a training's job."""
        return self.definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance, run_config=QUIET
        )

    def status(self, *names: str, keys: Sequence[str] | None = None) -> dict[str, str]:
        """What is not fresh, by asset and partition, with the causes."""
        graph = self.definitions.resolve_asset_graph()
        loading = LoadingContextForTest(self.instance)
        resolver = CachingStaleStatusResolver(self.instance, graph, loading)
        found = {}
        for key in map(dg.AssetKey, names or NAMES):
            for partition in keys or self._partitions(graph.get(key).partitions_def):
                status = resolver.get_status(key, partition).value
                causes = {
                    f"{cause.category.value} {cause.dependency_asset_key.to_user_string()}"
                    if cause.dependency
                    else cause.category.value
                    for cause in resolver.get_stale_causes(key, partition)
                }
                if status != "FRESH":
                    where = key.to_user_string() + (f":{partition}" if partition else "")
                    found[where] = " ".join([status, *sorted(causes)])
        return found

    def _partitions(self, definition: dg.PartitionsDefinition | None) -> Sequence[str | None]:
        if definition is None:
            return [None]
        return definition.get_partition_keys(dynamic_partitions_store=self.instance)

    def execute(self, sql: str) -> None:
        self.platform.lake.write(lambda connection: connection.execute(sql))


def make_desk(folder, instance: dg.DagsterInstance, **settings: object) -> Desk:
    assets = (*ITEM_ASSETS, judgements, counts, mean_length)
    return Desk(make_library(folder, assets, **{"workers": 1, **settings}), instance)


@pytest.fixture
def desk(tmp_path, new_mlflow) -> Iterator[Desk]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield make_desk(tmp_path, instance, mlflow_uri=new_mlflow(tmp_path / "mlflow.db"))


NOTES = {"a": "two words", "b": "three small words", "c": "one"}


def test_every_partition_is_fresh_after_a_run(desk: Desk):
    desk.bench.add(NOTES)
    assert set(desk.status("lengths", keys=["a"]).values()) == {"MISSING"}
    assert desk.run().success
    assert desk.status() == {}
    assert desk.run().success  # nothing to do
    assert desk.status() == {}


def test_it_is_fresh_when_each_step_is_a_run_of_its_own_and_when_a_backfill_reports_again(desk: Desk):
    desk.bench.add(NOTES)
    for name in NAMES:
        assert desk.run(name).success
    assert desk.status() == {}
    assert desk.run("lengths", **{"dagster/backfill": "some"}).success
    assert desk.status() == {}


def test_what_was_made_of_a_value_of_an_earlier_run_of_the_same_step_is_stale_when_that_changes(desk: Desk):
    desk.bench.add({"a": "two words"})
    desk.run("lengths", "languages")
    desk.run("languages", "chains")  # the first is up to date and known, so nothing of it is logged
    assert desk.status() == {}
    retag(desk.platform, "a", language="eesti")
    desk.run("languages")
    assert desk.status() == {"chains:a": "STALE DATA languages"}


def test_what_is_reported_late_is_fresh(desk: Desk):
    desk.bench.add(NOTES)
    desk.bench.run(NAMES)  # stores all, without Dagster knowing
    assert desk.run().success
    assert desk.status() == {}


def test_a_value_whose_upstream_is_reported_after_it_is_fresh_once_it_is_looked_at_again(desk: Desk):
    desk.bench.add(NOTES)
    desk.bench.run(["lengths"])
    desk.run("languages", "chains")
    assert desk.status("languages", "chains") == {}
    desk.run("lengths")
    assert desk.status(keys=["a"]) == {"chains:a": "STALE DATA lengths"}
    desk.run("languages", "chains")
    assert desk.status() == {}


def test_another_upstream_value_makes_stale_what_it_went_into_and_nothing_else(desk: Desk):
    desk.bench.add(NOTES)
    desk.run()
    desk.bench.add({"b": "quite another note"})
    desk.run("lengths", keys=["b"])
    assert desk.status() == {
        "languages:b": "STALE DATA notes",
        "chains:b": "STALE DATA lengths DATA notes",
    }


def test_a_column_that_changed_makes_stale_what_reads_it_and_nothing_else(desk: Desk):
    desk.bench.add(NOTES)
    desk.run()
    retag(desk.platform, "a", "c", language="eesti")
    sync_catalog(desk.platform, desk.instance)
    assert desk.status() == {
        "languages:a": "STALE DATA notes/language",
        "languages:c": "STALE DATA notes/language",
    }
    desk.run("languages", keys=["a"])
    assert desk.status() == {
        "chains:a": "STALE DATA languages",
        "languages:c": "STALE DATA notes/language",
    }
    desk.run()
    assert desk.status() == {}
    assert desk.bench.query("SELECT item, sum FROM chains ORDER BY item") == [
        ("a", 14),
        ("b", 17),
        ("c", 8),
    ]


def test_a_step_tells_of_a_changed_column_before_it_computes(desk: Desk):
    desk.bench.add(NOTES)
    desk.run()
    retag(desk.platform, "a", language="eesti")
    job = desk.definitions.resolve_job_def("materialize_notes")  # nobody has told of it
    tags = {"dagster/asset_partition_range_start": "a", "dagster/asset_partition_range_end": "c"}
    assert job.execute_in_process(instance=desk.instance, run_config=QUIET, tags=tags).success
    sync_catalog(desk.platform, desk.instance)
    assert desk.status() == {}


def test_items_that_come_make_nothing_stale(desk: Desk):
    desk.bench.add(NOTES)
    desk.run()
    desk.bench.add({"d": "a new note"})
    sync_catalog(desk.platform, desk.instance)
    assert desk.status(keys=["a", "b", "c"]) == {}
    assert set(desk.status(keys=["d"]).values()) == {"MISSING"}


def test_a_new_code_version_is_the_cause_that_is_named(desk: Desk):
    desk.bench.add(NOTES)
    desk.run()
    assets = [replace(a, code_version="2") if a is languages else a for a in ITEM_ASSETS]
    desk.bench.platform = replace(desk.platform, graph=AssetGraph.of(assets))
    assert desk.status() == {f"languages:{key}": "STALE CODE" for key in NOTES}


def test_a_shard_is_stale_when_an_item_comes_to_it_and_fresh_when_that_is_computed(tmp_path):
    with dg.DagsterInstance.ephemeral() as instance:
        desk = make_desk(tmp_path, instance, partitions="shards:4")
        desk.bench.add({f"n{index}": f"note {index}" for index in range(8)})
        assert desk.run().success
        assert desk.status() == {}
        desk.bench.add({"new": "a new note"})
        shard = Partitions(toys.NOTE, 4).of(desk.platform.items(toys.NOTE, ["new"])["new"])
        sync_catalog(desk.platform, instance)
        assert desk.status("lengths", "languages") == {
            f"lengths:{shard}": "STALE DATA notes",
            f"languages:{shard}": "STALE DATA notes DATA notes/language",
        }
        assert desk.run(keys=[shard]).success
        assert desk.status() == {}


def test_a_schedule_or_the_ui_finds_by_the_sensor_what_the_planner_says_of_collections(desk: Desk):
    sensor = desk.definitions.resolve_sensor_def("up_to_date")
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    desk.bench.add(NOTES)
    desk.run("lengths")

    def tick(cursor: str | None) -> tuple[dict[str, tuple[bool, str]], str | None]:
        told = sensor(dg.build_sensor_context(instance=desk.instance, cursor=cursor))
        if isinstance(told, dg.SkipReason):
            return {}, cursor
        events = {e.asset_key.to_user_string(): e for e in told.asset_events}
        return {n: (e.passed, e.metadata["state"].value) for n, e in events.items()}, told.cursor

    first, cursor = tick(None)
    assert first == {}  # what is not there yet is missing in the UI as it is
    desk.compute("materialize_collections")
    second, cursor = tick(cursor)
    assert second == {"counts": (True, "ok")}
    assert tick(cursor) == ({}, cursor)
    retag(desk.platform, "a", language="eesti")
    third, cursor = tick(cursor)
    assert third == {"counts": (False, "stale")}
    desk.execute("UPDATE notes SET path = path")
    assert tick(cursor)[0] == {}


def test_a_collection_is_fresh_though_nobody_had_told_of_an_item_that_went_before_it_was_computed(desk: Desk):
    desk.bench.add(NOTES)
    desk.run("lengths")
    desk.execute("DELETE FROM notes WHERE item = 'a'")
    desk.compute("materialize_collections")
    sync_catalog(desk.platform, desk.instance)
    assert desk.status("counts") == {}
    desk.execute("DELETE FROM notes WHERE item = 'b'")
    sync_catalog(desk.platform, desk.instance)
    assert desk.status("counts") == {"counts": "STALE DATA notes/all"}


def collection_of(desk: Desk, size: int) -> None:
    desk.bench.add({f"n{index:03}": f"note {index}" for index in range(size)})
    desk.run("lengths")
    desk.compute("materialize_collections")
    desk.compute("train_mean_length")


def check(desk: Desk, name: str) -> bool:
    """What the check `up_to_date` says when it is asked by itself."""
    job = dg.define_asset_job(
        "asked", selection=dg.AssetSelection.checks(dg.AssetCheckKey(dg.AssetKey(name), "up_to_date"))
    )
    definitions = dg.Definitions.merge(desk.definitions, dg.Definitions(jobs=[job]))
    result = definitions.resolve_job_def("asked").execute_in_process(instance=desk.instance, run_config=QUIET)
    (evaluation,) = result.get_asset_check_evaluations()
    return evaluation.passed


ALL = ("counts", "mean_length", "mean_length_evaluation")


def test_of_50_items_dagster_itself_says_whether_a_collection_and_a_training_are_stale(desk: Desk):
    collection_of(desk, 50)
    assert desk.status(*ALL) == {}
    retag(desk.platform, "n007", language="eesti")
    sync_catalog(desk.platform, desk.instance)
    assert desk.status(*ALL) == {"counts": "STALE DATA notes/language"}
    desk.compute("materialize_collections")
    assert desk.status(*ALL) == {}
    desk.bench.add({"n050": "one more"})
    sync_catalog(desk.platform, desk.instance)
    assert desk.status(*ALL) == {"counts": "STALE DATA notes/all"}
    desk.run("lengths")
    assert desk.status(*ALL) == {
        "counts": "STALE DATA lengths DATA notes/all",
        "mean_length": "STALE DATA lengths",
    }
    desk.compute("materialize_collections")
    desk.compute("train_mean_length")
    assert desk.status(*ALL) == {}


def test_what_a_checkpoint_made_is_stale_when_there_is_another(desk: Desk):
    collection_of(desk, 3)
    desk.run("judgements")
    assert desk.bench.query("SELECT DISTINCT has_model FROM judgements") == [(True,)]
    assert desk.status("judgements") == {}
    desk.bench.add({"n003": "one more"})
    desk.run("lengths")
    desk.compute("train_mean_length")
    assert desk.status("judgements", keys=["n000"]) == {"judgements:n000": "STALE DATA mean_length"}
    desk.run("judgements")
    assert desk.status("judgements") == {}


def test_a_candidate_makes_nothing_stale_and_what_is_adopted_by_hand_is_what_dagster_compares_with(
    desk: Desk,
):
    collection_of(desk, 3)
    desk.run("judgements")
    (first,) = desk.bench.query("SELECT checkpoint FROM checkpoints")[0]
    config = {"ops": {"mean_length": {"config": {"scale": 2.0}}}, **QUIET}
    job = desk.definitions.resolve_job_def("train_mean_length")
    assert job.execute_in_process(instance=desk.instance, run_config=config).success
    ((candidate,),) = desk.bench.query(f"SELECT checkpoint FROM checkpoints WHERE checkpoint <> '{first}'")
    assert desk.status(*ALL) == {} and desk.status("judgements") == {}

    for name, stale in ((candidate, {"judgements:n000": "STALE DATA mean_length"}), (first, {})):
        adopt_checkpoint(desk.platform, read_checkpoint(desk.platform.lake, name))
        tell_adoptions(desk.platform, desk.instance)
        assert desk.status(*ALL) == {}  # the training and its evaluation are what they were made from
        assert desk.status("judgements", keys=["n000"]) == stale
    assert not list(untold_adoptions(desk.platform, desk.instance))

    desk.bench.add({"n003": "one more"})
    desk.run("lengths")
    assert desk.status("mean_length") == {"mean_length": "STALE DATA lengths"}


def test_of_150_items_the_planner_says_it_by_a_check(desk: Desk):
    collection_of(desk, 150)
    assert desk.status(*ALL) == {}
    keys = [dg.AssetCheckKey(dg.AssetKey(name), "up_to_date") for name in ("counts", "mean_length")]
    latest = desk.instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    assert {record.status.value for record in latest.values()} == {"SUCCEEDED"}  # asked with each run
    assert check(desk, "counts") and check(desk, "mean_length")
    (desk.bench.folder / "n007.txt").write_text("quite another note")
    desk.bench.add({"n007": "quite another note"})
    desk.run("lengths", keys=["n007"])
    assert desk.status(*ALL) == {}  # Dagster does not look
    assert not check(desk, "counts")
    assert not check(desk, "mean_length")
