"""Collection assets: computed from all items, again when one of their values changes, all or nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from audio_assets.engine import Collection, Outcome, Table, Trained, Training, training_asset
from audio_assets.engine.declare.graph import AssetGraph, GraphError
from audio_assets.engine.run.collections import run_collection
from audio_assets.engine.state.states import State, Why
from audio_assets.engine.workers.local import LocalSession
from audio_assets.orchestration.collections import build_collection_asset
from tests.engine import toys
from tests.engine.collection_toys import ranks, tops
from tests.engine.conftest import ALL, NOWHERE, Bench, make_bench
from tests.engine.test_training import MeanConfig, mean_length


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return make_bench(tmp_path, [*ALL, tops, ranks])


def compute(bench: Bench) -> list[str]:
    """Compute what is to be computed of the collections; its names."""
    return bench.work(["ranks", "tops"])


def test_a_collection_is_computed_once_and_again_when_a_value_changes_comes_or_goes(bench: Bench):
    assert compute(bench) == []  # there is nothing to compute it from
    bench.add({"a": "one", "b": "three", "c": "seventeen"})
    bench.run(["lengths"])
    assert compute(bench) == ["ranks", "tops"]
    assert bench.query("FROM (SELECT item, rank FROM ranks) ORDER BY rank") == [("c", 1), ("b", 2), ("a", 3)]
    assert bench.query("SELECT item FROM tops") == [("c",)]
    ((mean, key),) = bench.query("SELECT mean, figure FROM rank_summary")
    assert mean == pytest.approx(17 / 3) and bench.platform.objects.get(key) == b"a picture"
    assert compute(bench) == []

    bench.add({"d": "a very long note"})
    bench.run(["lengths"])
    assert bench.state("ranks") is State.STALE
    assert bench.plan(["ranks"])["ranks"].todo.keys() == {Why.UPSTREAM}
    assert compute(bench) == ["ranks", "tops"]
    assert bench.query("SELECT item FROM tops") == [("d",)]

    bench.platform.lake.write(lambda connection: connection.execute("DELETE FROM notes WHERE item = 'd'"))
    assert compute(bench) == ["ranks", "tops"]
    assert bench.query("SELECT item FROM tops") == [("c",)]


def test_one_that_fails_keeps_the_rows_there_were_and_is_not_tried_again_unasked(bench: Bench):
    bench.add({"a": "one", "b": "three"})
    bench.run(["lengths"])
    compute(bench)
    failing = bench.with_settings(parameters={"ranks": {"fail": True}})
    assert compute(failing) == ["ranks"]
    ((outcome, reason),) = bench.query("SELECT outcome, reason FROM ledger WHERE asset = 'ranks'")
    assert (outcome, reason) == ("failed", "ArithmeticError: the notes are uncountable")
    assert len(bench.query("FROM ranks")) == 2
    assert compute(failing) == []
    assert compute(bench) == ["ranks"]  # other parameters: another fingerprint


def test_one_whose_process_dies_is_failed_with_what_it_wrote_and_this_process_goes_on(bench: Bench):
    bench.add({"a": "one", "b": "three"})
    bench.run(["lengths"])
    compute(bench)
    dying = bench.with_settings(parameters={"ranks": {"die": True}})
    with LocalSession() as session:
        compute(replace(dying, platform=replace(dying.platform, session=session)))
    ((outcome, reason, detail),) = bench.query(
        "SELECT outcome, reason, detail FROM ledger WHERE asset = 'ranks'"
    )
    assert outcome == "failed" and "SIGSEGV" in reason and "out of luck" in detail
    assert len(bench.query("FROM ranks")) == 2


def test_what_is_written_after_the_plan_is_not_read_and_makes_the_value_stale(bench: Bench):
    bench.add({"a": "one", "b": "three"})
    bench.run(["lengths"])
    plan = bench.plan(["ranks"])
    bench.add({"c": "seventeen"})
    bench.run(["lengths"])
    fingerprint = plan["ranks"].fingerprint
    run_collection(bench.platform, ranks, fingerprint, snapshot=plan.snapshot, run_id="r")
    assert {item for (item,) in bench.query("SELECT item FROM ranks")} == {"a", "b"}
    assert bench.state("ranks") is State.STALE


def test_what_does_not_apply_has_no_rows(bench: Bench):
    bench.add({"a": "one"})
    bench.run(["lengths"])
    compute(bench.with_settings(parameters={"ranks": {"skip": True}}))
    assert bench.query("SELECT outcome, reason FROM ledger WHERE asset = 'ranks'") == [
        ("not_applicable", "nobody asked")
    ]
    assert bench.query("FROM ranks") == []


def test_a_table_that_is_not_declared_cannot_be_read(bench: Bench):
    collection = Collection("ranks", {}, ("lengths",), 0, bench.platform.lake)
    with pytest.raises(ValueError, match="ranks reads words, which is not among its upstream"):
        collection.rows("words")


def test_an_unknown_upstream_and_a_name_that_is_taken_are_refused():
    with pytest.raises(GraphError, match="'lenghts', which is no asset"):
        AssetGraph.of([*ALL, replace(ranks, upstream=("lenghts",))])
    taken = replace(ranks, tables=(*ranks.tables, Table("words")))
    with pytest.raises(GraphError, match="are both named words; rename one"):
        AssetGraph.of([*ALL, taken])


def test_dagster_materializes_every_table_with_its_fingerprint_and_figures(bench: Bench):
    bench.add({"a": "one", "b": "three"})
    bench.run(["lengths"])
    assets = [build_collection_asset(bench.platform, asset) for asset in bench.platform.graph.collections]
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(assets, instance=instance)
        events = {e.asset_key.to_user_string(): e for e in result.get_asset_materialization_events()}
        assert set(events) == {"ranks", "rank_summary", "tops"}
        assert result.success
        metadata = events["rank_summary"].step_materialization_data.materialization.metadata
        assert "data:image/png;base64" in metadata["figure 1"].value
        tags = events["tops"].step_materialization_data.materialization.tags
        ((stored,),) = bench.query("SELECT fingerprint FROM ledger WHERE asset = 'tops'")
        assert tags["dagster/data_version"] == stored


def test_a_failed_collection_fails_its_step(bench: Bench):
    bench.add({"a": "one"})
    bench.run(["lengths"])
    failing = bench.with_settings(parameters={"ranks": {"fail": True}})
    with dg.DagsterInstance.ephemeral() as instance:
        assets = [build_collection_asset(failing.platform, ranks)]
        result = dg.materialize(assets, instance=instance, raise_on_error=False)
    assert not result.success
    assert Outcome.FAILED in {o for (o,) in bench.query("SELECT outcome FROM ledger")}


@training_asset(
    items=toys.NOTE, upstream=["lengths", "ranks"], config=MeanConfig, group="toys", code_version="1"
)
def mean_rank(training: Training, config: MeanConfig) -> Trained:
    """Learns from a table of all items."""
    assert training.rows("ranks")["rank"].to_list() == [2, 1]
    return mean_length.fn(training, config)


def test_a_training_learns_from_a_collection(bench: Bench):
    bench = bench.add_assets(mean_rank).with_settings(mlflow_uri=NOWHERE)
    bench.add({"a": "one", "b": "three"})
    bench.run(["lengths"])
    assert bench.plan(["mean_rank"])["mean_rank"].waiting == {"ranks": 1}
    compute(bench)
    assert bench.work(["mean_rank"]) == ["mean_rank"]
    ((stored,),) = bench.query("SELECT fingerprint FROM ledger WHERE asset = 'ranks'")
    rows = bench.query("SELECT upstream_json->>'ranks' FROM training_items")
    assert rows == [(stored,), (stored,)]
    sources = bench.query("SELECT item, fingerprint FROM training_sources WHERE asset = 'ranks'")
    assert sources == [("*", stored)]
