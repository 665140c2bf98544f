"""Values made by a checkpoint stand beside those of the one before; views show those that are complete."""

from __future__ import annotations

from pathlib import Path

import pytest

from audio_assets.engine.state.states import State, Why
from tests.engine.conftest import Bench, copied, make_learning_bench
from tests.engine.learning_toys import mean_parts, parts, percents, scales, totals
from tests.engine.toys import lengths

NOTES = {"a": "one", "b": "three", "c": "seventeen", "d": "two"}
"""Their mean length is 5."""


@pytest.fixture(scope="module")
def computed(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    assets = [lengths, scales, parts, percents, totals]
    bench = make_learning_bench(tmp_path_factory.mktemp("computed"), assets)
    bench.add(NOTES)
    bench.work()
    return bench


@pytest.fixture
def bench(computed: Bench, tmp_path: Path) -> Bench:
    return copied(computed, tmp_path)


def shown(bench: Bench) -> dict[str, float]:
    return {item: round(part, 3) for item, part in bench.query("SELECT item, part FROM parts")}


def of_mean(mean: float) -> dict[str, float]:
    return {item: round(len(text) / mean, 3) for item, text in NOTES.items()}


def test_values_wait_for_their_checkpoint_and_are_computed_with_it(tmp_path):
    bench = make_learning_bench(tmp_path, [lengths, scales, parts])
    bench.add(NOTES)
    assert bench.plan()["parts"].waiting == {"scales": 4} and bench.plan()["parts"].later == 4
    assert bench.work() == ["lengths", "scales", "parts"]
    assert shown(bench) == of_mean(5)
    assert bench.work() == []


def test_what_hangs_on_a_training_of_the_same_plan_is_counted_from_the_beginning(bench):
    doubled = bench.with_settings(parameters={"scales": {"scale": 2.0}})
    bench.add({"e": "fail"})
    bench.run(["lengths"])
    plan = doubled.plan()
    assert {name: (part.count, part.later) for name, part in plan.assets.items()} == {
        "lengths": (0, 0), "scales": (1, 0), "parts": (0, 4), "percents": (0, 4), "totals": (0, 1),
    }  # fmt: skip
    assert doubled.work() == ["scales", "parts", "percents", "totals"]
    assert doubled.plan(["parts"])["parts"].waiting == {"lengths": 1}


def test_the_old_checkpoints_values_are_shown_until_the_new_ones_are_all_there(bench):
    doubled = bench.with_settings(parameters={"scales": {"scale": 2.0}})
    doubled.train("scales")
    assert doubled.plan(["parts"])["parts"].todo.keys() == {Why.WEIGHTS}
    doubled.run(["parts"], items=["a", "b", "c"])
    assert bench.query("SELECT count(*) FROM parts_by_checkpoint") == [(7,)]
    assert shown(bench) == of_mean(5)
    assert [doubled.state("parts", item) for item in "ad"] == [State.OK, State.STALE]
    doubled.run(["parts"])
    assert shown(bench) == of_mean(10)
    assert doubled.plan(["parts"]).is_empty


def test_going_back_to_a_checkpoint_computes_none_of_its_values_again(bench):
    doubled = bench.with_settings(parameters={"scales": {"scale": 2.0}})
    assert doubled.work(["scales", "parts"]) == ["scales", "parts"]
    assert shown(bench) == of_mean(10)
    assert bench.work(["scales", "parts"]) == ["scales"], "which is adopted again"
    assert shown(bench) == of_mean(5)
    assert bench.query("SELECT count(*) FROM parts_by_checkpoint") == [(8,)]


def test_what_is_computed_from_them_is_made_from_the_adopted_checkpoints_values(bench):
    assert dict(bench.query("SELECT item, percent FROM percents")) == {"a": 60, "b": 100, "c": 180, "d": 60}
    assert bench.query("SELECT total FROM totals") == [(pytest.approx(2 * 4.0),)]
    doubled = bench.with_settings(parameters={"scales": {"scale": 2.0}})
    assert doubled.work() == ["scales", "parts", "percents", "totals"]
    assert dict(bench.query("SELECT item, percent FROM percents")) == {"a": 30, "b": 50, "c": 90, "d": 30}
    assert bench.query("SELECT total FROM totals") == [(pytest.approx(2 * 2.0),)]
    assert doubled.plan().is_empty


def test_a_training_learns_from_the_adopted_checkpoints_values_and_names_them_alone(bench):
    bench = bench.add_assets(mean_parts)
    bench.work()
    doubled = bench.with_settings(parameters={"scales": {"scale": 2.0}})
    doubled.train("scales")
    doubled.run(["parts"], items=["a", "b"])
    few, _ = doubled.train("mean_parts")
    assert few.items == 2 and few.metrics["mean"] == pytest.approx(0.4), "the view shows others still"
    doubled.run(["parts"])
    checkpoint, is_new = doubled.train("mean_parts")
    assert is_new and checkpoint.metrics["mean"] == pytest.approx(0.5)
    sources = bench.query(
        "SELECT item, fingerprint FROM training_sources "
        f"WHERE asset = 'parts' AND checkpoint = '{checkpoint.checkpoint}' ORDER BY item"
    )
    now = doubled.platform.adopted(["scales"])["scales"].checkpoint.checkpoint
    assert sources == bench.query(
        f"SELECT item, fingerprint FROM ledger WHERE asset = 'parts' AND checkpoint = '{now}' ORDER BY item"
    )


def test_an_item_that_fails_with_the_new_checkpoint_does_not_keep_the_old_ones_values_in_view(bench):
    failing = bench.with_settings(parameters={"scales": {"scale": 0.0}})
    failing.work(["scales", "parts"])
    states = failing.plan(["parts"])["parts"].states
    assert states == {State.FAILED: 4}
    assert shown(bench) == {}


def test_a_new_item_is_shown_at_once(bench):
    bench.add({"e": "five words"})
    bench.work(["lengths", "parts"])
    assert shown(bench)["e"] == 2.0
