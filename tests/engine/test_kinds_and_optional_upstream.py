"""Trainings over several kinds of item, upstream that may be absent, roles and columns read by all extents."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from audio_assets.engine.declare.graph import AssetGraph, GraphError
from audio_assets.engine.state.catalog import catalog_tables, write_items
from audio_assets.engine.state.states import State, Why
from tests.engine.conftest import CATALOG, Bench, make_learning_bench
from tests.engine.kinds_toys import TALK, both, counts, talk_lengths
from tests.engine.learning_toys import parts, scales, totals
from tests.engine.toys import lengths, words


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = make_learning_bench(tmp_path, [lengths, words, talk_lengths, both, counts])
    tables = (*bench.platform.tables, *catalog_tables(TALK.plural, CATALOG))
    bench = Bench(replace(bench.platform, tables=tables), bench.folder)
    bench.platform.prepare()
    bench.add({"a": "one", "b": "three"})
    rows = [{"item": key, "content_hash": key, "path": "", "duration_s": 2.0} for key in ("seven", "eleven")]
    bench.platform.lake.write(lambda c: write_items(c, TALK.plural, CATALOG, rows))
    return bench


def test_a_training_learns_from_items_of_several_kinds_together(bench):
    bench.run(["lengths", "talk_lengths"])
    checkpoint, _ = bench.train("both")
    assert checkpoint.metrics == {"mean": (3 + 5 + 5 + 6) / 4, "words": 0.0} and checkpoint.items == 4
    assert bench.query("SELECT item FROM training_items ORDER BY item") == [
        ("a",), ("b",), ("eleven",), ("seven",),
    ]  # fmt: skip
    keys = (
        "SELECT item, json_keys(upstream_json) FROM training_items WHERE item IN ('a', 'seven') ORDER BY item"
    )
    assert bench.query(keys) == [("a", ["lengths"]), ("seven", ["talk_lengths"])]


def test_items_without_a_required_value_are_left_out_and_the_kinds_do_not_ask_for_each_others(bench):
    bench.run(["lengths"], items=["a"])
    bench.run(["talk_lengths"])
    checkpoint, _ = bench.train("both")
    assert checkpoint.items == 3, "b has no length; talks need none"


def test_an_optional_value_that_comes_makes_it_stale_and_is_read_then(bench):
    bench.run(["lengths", "talk_lengths"])
    first, _ = bench.train("both")
    assert bench.state("both") is State.OK
    bench.run(["words"], items=["a"])
    assert bench.state("both") is State.STALE
    second, is_new = bench.train("both")
    assert is_new and second.checkpoint != first.checkpoint and second.metrics["words"] == 1.0


def test_a_required_upstream_that_nobody_has_is_waited_for(bench):
    bench.run(["lengths", "words"])
    assert bench.plan(["both"])["both"].waiting == {"talk_lengths": 1}


def test_a_collection_does_not_wait_for_what_is_optional_and_reads_its_columns(bench):
    bench.run(["lengths"])
    assert bench.work(["counts"]) == ["counts"]
    assert dict(bench.query("FROM (SELECT name, count FROM counts)")) == {
        "lengths": 2.0, "words": 0.0, "seconds": 2.0,
    }  # fmt: skip
    bench.run(["words"])
    assert bench.work(["counts"]) == ["counts"]
    bench.add({"a": "one", "b": "three"}, duration_s=3.0)
    assert set(bench.plan(["counts"])["counts"].todo) == {Why.UPSTREAM}
    bench.work(["counts"])
    assert ("seconds", 6.0) in bench.query("SELECT name, count FROM counts")


def test_a_collection_that_reads_a_column_it_does_not_declare_fails_with_what_to_declare(bench):
    greedy = bench.add_assets(replace(counts, reads=()))
    greedy.run(["lengths"])
    greedy.work(["counts"])
    ((outcome, reason),) = bench.query("SELECT outcome, reason FROM ledger WHERE asset = 'counts'")
    assert outcome == "failed"
    assert "counts reads the column duration_s of the catalog, which it does not declare" in reason


def test_a_backend_that_plays_a_role_of_a_collection_is_in_its_rows_and_its_ledger(tmp_path):
    bench = make_learning_bench(tmp_path, [lengths, scales, parts, totals])
    bench.add({"a": "one", "b": "three"})
    bench.work()
    assert bench.query("SELECT total, backend FROM totals") == [(pytest.approx(2 * 2.0), "doubling")]
    other = bench.with_settings(backends={"factor": "other"})
    assert set(other.plan(["totals"])["totals"].todo) == {Why.WEIGHTS}
    other.work()
    assert bench.query("SELECT total, backend FROM totals") == [(pytest.approx(3 * 2.0), "tripling")]
    columns = "backend, revision, licence"
    assert bench.query(f"SELECT {columns} FROM ledger WHERE asset = 'totals'") == [
        ("tripling", "1", "CC-BY-4.0")
    ]


def test_what_is_called_optional_must_be_upstream():
    with pytest.raises(GraphError, match="calls 'words' optional, which is not upstream of it"):
        AssetGraph.of([lengths, words, replace(counts, upstream=("lengths",))])


def test_an_upstream_of_none_of_the_kinds_is_refused():
    with pytest.raises(GraphError, match="both is computed per talk, its upstream lengths per note"):
        AssetGraph.of([lengths, words, talk_lengths, replace(both, items=(TALK,))])
