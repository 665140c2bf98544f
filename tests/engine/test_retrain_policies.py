"""When a training trains again though nothing but its data has changed: asked, by share, or always."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from audio_assets.engine import ALWAYS, ASKED, DeclarationError, changed
from audio_assets.engine.state.states import RunOptions, State, Why
from tests.engine.conftest import Bench, copied, make_learning_bench
from tests.engine.learning_toys import scales
from tests.engine.toys import lengths

NOTES = {f"n{number}": "a note" for number in range(10)}


@pytest.fixture(scope="module")
def computed(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """`scales` trained on ten notes."""
    bench = make_learning_bench(tmp_path_factory.mktemp("computed"), [lengths, scales])
    bench.add(NOTES)
    bench.work()
    return bench


@pytest.fixture
def bench(computed: Bench, tmp_path: Path) -> Bench:
    return copied(computed, tmp_path)


def why(bench: Bench, retrain, options: RunOptions = RunOptions()) -> set[Why]:  # noqa: B008
    found = bench.add_assets(replace(scales, retrain=retrain)).plan(["scales"], options)["scales"]
    assert found.states == {State.STALE: 1}
    assert found.stale == ({} if found.todo else {Why.UPSTREAM: 1}), (
        "what is left alone is told with its reason"
    )
    return set(found.todo)


def test_by_default_other_data_are_shown_and_trained_on_only_when_asked_for_by_name(bench):
    bench.add({"new": "another note"})
    bench.run(["lengths"])
    assert scales.retrain is ASKED and why(bench, ASKED) == set()
    assert why(bench, ASKED, RunOptions(asked=frozenset({"scales"}))) == {Why.UPSTREAM}
    assert why(bench, ASKED, RunOptions(asked=frozenset({"lengths"}))) == set()
    assert why(bench, ASKED, RunOptions(everything=True)) == {Why.UPSTREAM}
    assert bench.work() == []


def test_always_trains_again_whatever_has_changed(bench):
    bench.add({"n0": "another text"})
    bench.run(["lengths"])
    always = bench.add_assets(replace(scales, retrain=ALWAYS))
    assert always.work() == ["scales"] and always.work() == []


@pytest.mark.parametrize(
    ("share", "new", "edited", "gone", "trains"),
    [
        (0.2, 1, 0, 0, False),  # 1 of 11
        (0.2, 0, 2, 0, True),
        (0.2, 0, 0, 2, True),
        (0.2, 0, 1, 0, False),
        (0.25, 1, 1, 1, True),  # 3 of 10
        (0.31, 1, 1, 1, False),
        (1.0, 0, 9, 0, False),
        (1.0, 0, 10, 0, True),
    ],
)
def test_a_share_counts_what_is_new_gone_or_has_other_values(bench, share, new, edited, gone, trains):
    bench.add({f"new{number}": "another note" for number in range(new)})
    bench.add({f"n{number}": "another text" for number in range(edited)})
    dropped = [f"n{9 - number}" for number in range(gone)]
    bench.platform.lake.write(
        lambda c: c.execute("DELETE FROM notes WHERE list_contains(?, item)", [dropped])
    )
    bench.run(["lengths"])
    assert why(bench, changed(share)) == ({Why.UPSTREAM} if trains else set())


def test_the_share_is_counted_from_the_adopted_checkpoint_not_from_the_last_one(bench):
    bench.add({"n0": "another text"})
    bench.run(["lengths"])
    bench.train("scales", scale=2.0)  # a candidate that has seen it
    bench.add({"n1": "another text"})
    bench.run(["lengths"])
    assert why(bench, changed(0.2)) == {Why.UPSTREAM}


@pytest.mark.parametrize("retrain", [ASKED, changed(0.5), ALWAYS])
def test_a_first_training_and_changed_code_are_planned_whatever_the_policy(tmp_path, retrain):
    bench = make_learning_bench(tmp_path, [lengths, replace(scales, retrain=retrain)])
    bench.add(NOTES)
    assert bench.work() == ["lengths", "scales"]
    newer = bench.add_assets(replace(scales, retrain=retrain, code_version="2"))
    assert set(newer.plan(["scales"])["scales"].todo) == {Why.CODE}


@pytest.mark.parametrize("share", [0, -0.1, 1.1])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(DeclarationError, match=r"wanted a share between 0 and 1"):
        changed(share)


def test_policies_have_names_that_people_read():
    assert [str(retrain) for retrain in (ASKED, changed(0.25), ALWAYS)] == [
        "asked",
        "changed(0.25)",
        "always",
    ]
