"""Collection assets: computed from all items, again when one of their values changes, all or nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from audio_assets.engine import FLOAT, INTEGER, OBJECT, TEXT, Blob, Column, NotApplicable, Outcome
from audio_assets.engine.declare.collection_asset import Collection, collection_asset
from audio_assets.engine.declare.graph import GraphError, order_collections
from audio_assets.engine.declare.tables import ResultTable
from audio_assets.engine.declare.training_asset import Trained, Training, training_asset
from audio_assets.engine.run.collections import collection_states, plan_collection, run_collection
from audio_assets.engine.run.trainings import needs_training, run_training
from audio_assets.engine.state.plan import DEFAULT, State
from audio_assets.orchestration.collections import build_collection_asset
from tests.engine import toys
from tests.engine.conftest import Bench, make_bench
from tests.engine.test_training import MeanConfig, mean_length

RANKS = ResultTable(
    "ranks", [Column("item", TEXT, doc="Key"), Column("rank", INTEGER, doc="1 is longest")], "Ranks."
)
RANK_SUMMARY = ResultTable(
    "rank_summary", [Column("mean", FLOAT, doc="Mean"), Column("figure", OBJECT, doc="A picture")], "Summary."
)


@collection_asset(
    item=toys.NOTE, upstream=["lengths"], tables=[RANKS, RANK_SUMMARY], group="toys", code_version="1"
)
def ranks(notes: Collection, *, fail: bool = False, skip: bool = False) -> dict[str, list[dict[str, object]]]:
    if fail:
        raise ArithmeticError("the notes are uncountable")
    if skip:
        raise NotApplicable("nobody asked")
    lengths = notes.rows("lengths").sort("characters", descending=True)
    rows = [{"item": item, "rank": n} for n, item in enumerate(lengths["item"], 1)]
    summary = {"mean": lengths["characters"].mean(), "figure": Blob(b"a picture", "png")}
    return {"ranks": rows, "rank_summary": [summary]}


TOPS = ResultTable("tops", [Column("item", TEXT, doc="Key")], "The first.")


@collection_asset(item=toys.NOTE, upstream=["ranks"], tables=[TOPS], group="toys", code_version="1")
def tops(notes: Collection) -> dict[str, list[dict[str, object]]]:
    rows = notes.rows("ranks")
    return {"tops": [{"item": item} for item in rows.filter(rows["rank"] == 1)["item"]]}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = make_bench(tmp_path)
    platform = replace(bench.platform, collections=order_collections([tops, ranks], bench.platform.graph))
    platform.prepare()
    return Bench(platform, bench.folder)


def compute(bench: Bench) -> list[str]:
    """Compute what is to be computed; its names."""
    done = []
    for asset in bench.platform.collections:
        plan = plan_collection(bench.platform, asset)
        if plan.is_computed(DEFAULT):
            run_collection(bench.platform, asset, plan, run_id="test")
            done.append(asset.name)
    return done


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
    assert collection_states(bench.platform)["ranks"] == {"*": State.STALE}
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


def test_an_unknown_upstream_and_a_name_that_is_taken_are_refused(bench: Bench):
    with pytest.raises(GraphError, match="'lenghts', which is no asset"):
        order_collections([replace(ranks, upstream=("lenghts",))], bench.platform.graph)
    taken = replace(ranks, tables=(ResultTable("words", []),))
    with pytest.raises(GraphError, match="name that is taken: words"):
        order_collections([taken], bench.platform.graph)


def test_dagster_materializes_every_table_with_its_fingerprint_and_figures(bench: Bench):
    bench.add({"a": "one", "b": "three"})
    bench.run(["lengths"])
    assets = [build_collection_asset(bench.platform, asset) for asset in bench.platform.collections]
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
    item=toys.NOTE, upstream=["lengths", "ranks"], config=MeanConfig, group="toys", code_version="1"
)
def mean_rank(training: Training, config: MeanConfig) -> Trained:
    """Learns from a table of all items."""
    assert training.rows("ranks")["rank"].to_list() == [2, 1]
    return mean_length.fn(training, config)


def test_a_training_learns_from_a_collection(bench: Bench):
    platform = replace(bench.platform, trainings=(mean_rank, mean_length))
    platform.prepare()
    bench = Bench(platform, bench.folder)
    bench.add({"a": "one", "b": "three"})
    bench.run(["lengths"])
    assert not needs_training(platform, mean_rank)
    compute(bench)
    assert needs_training(platform, mean_rank)
    trained = replace(mean_rank, evaluation=mean_length.evaluation)
    run_training(
        platform, trained, MeanConfig(), seed=0, device="cpu", dtype="float32", run_id="test",
        log=lambda _: None,
    )  # fmt: skip
    rows = bench.query("SELECT upstream_json LIKE '%ranks%' FROM training_items")
    assert rows == [(True,), (True,)]
