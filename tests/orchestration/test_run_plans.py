"""A Dagster run asks the planner once, and its steps go by the answer as long as it fits them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import dagster as dg
import pytest

from audio_assets.engine import platform
from audio_assets.engine.state.kept import keep_plan
from audio_assets.engine.state.states import DEFAULT
from audio_assets.orchestration.run_plans import PLAN_TAG
from tests.engine.conftest import Bench
from tests.orchestration.test_items import Desk

NOTES = {"a": "two words", "b": "three small words"}
TWO_STEPS = ("lengths", "words", "ratios")
KEYS = ("a", "b")


@pytest.fixture
def desk(bench: Bench) -> Iterator[Desk]:
    bench.add(NOTES)
    with dg.instance_for_test() as instance:
        yield Desk(bench, instance)


@pytest.fixture
def asked(monkeypatch) -> list[list[str]]:
    """The assets of each question to the planner."""
    questions: list[list[str]] = []
    ask = platform.make_plan

    def noted(lake, question, keep=None):
        questions.append(list(question.selected))
        return ask(lake, question, keep)

    monkeypatch.setattr(platform, "make_plan", noted)
    return questions


def steps(result: dg.JobExecutionResult) -> set[str]:
    return {event.step_key for event in result.all_events if event.is_step_start}


def errors(result: dg.JobExecutionResult) -> dict[str, str]:
    failed = (event for event in result.all_events if event.is_step_failure)
    return {event.step_key: event.step_failure_data.error.cause.message.strip() for event in failed}


def test_a_run_of_several_steps_that_nobody_planned_asks_once_for_all_of_them(desk, asked):
    result = desk.run(TWO_STEPS, KEYS)
    assert result.success and len(steps(result)) == 2
    assert asked == [["lengths", "words", "ratios"]]
    assert desk.bench.query("SELECT count(*) FROM ratios") == [(2,)]


def test_a_run_that_was_planned_asks_nothing_and_does_what_its_plan_says(desk, asked):
    keep_plan(desk.bench.platform, "kept", TWO_STEPS, ["a"], DEFAULT)
    assert len(asked) == 1
    result = desk.run(TWO_STEPS, KEYS, {PLAN_TAG: "kept"})
    assert result.success and len(asked) == 1
    assert desk.bench.query("SELECT item FROM ratios") == [("a",)]


def test_a_run_that_is_made_again_asks_anew(desk, asked):
    keep_plan(desk.bench.platform, "kept", TWO_STEPS, ["a"], DEFAULT)
    first = desk.run(TWO_STEPS, KEYS, {PLAN_TAG: "kept"})
    asked.clear()
    again = desk.run(TWO_STEPS, KEYS, {PLAN_TAG: "kept"}, parent=first.run_id)
    assert again.success and len(asked) == 1
    assert desk.bench.query("SELECT item FROM ratios ORDER BY item") == [("a",), ("b",)]


def test_a_plan_of_other_code_is_refused_and_nothing_is_computed(desk):
    code = desk.bench.platform.code
    keep_plan(desk.bench.platform, "kept", TWO_STEPS, None, DEFAULT)
    code["ratios"] = replace(code["ratios"], digest="edited meanwhile")
    result = desk.run(TWO_STEPS, KEYS, {PLAN_TAG: "kept"})
    assert not result.success
    assert errors(result) == {
        "note_more_toys": "audio_assets.engine.state.kept.StalePlanError: The code of ratios is not what this run "
        "was planned with; start the run again."
    }
    assert desk.bench.query("SELECT DISTINCT asset FROM ledger ORDER BY 1") == [("lengths",), ("words",)]


def test_a_plan_of_other_parameters_is_refused(desk):
    keep_plan(desk.bench.platform, "kept", TWO_STEPS, None, DEFAULT)
    recipes = desk.bench.platform.recipes
    recipes["ratios"] = replace(recipes["ratios"], parameters_json='{"scale": 2.0}')
    result = desk.run(TWO_STEPS, KEYS, {PLAN_TAG: "kept"})
    (told,) = errors(result).values()
    assert "The recipe (parameters, backends or trained model) of ratios is not what this run was" in told
    assert desk.bench.query("SELECT count(*) FROM ratios") == [(0,)]


def test_what_changed_since_the_plan_is_left_and_told(desk):
    keep_plan(desk.bench.platform, "kept", TWO_STEPS, None, DEFAULT)
    desk.bench.add({"b": "another note"})
    result = desk.run(["lengths"], KEYS, {PLAN_TAG: "kept"})
    assert result.success
    assert desk.bench.query("SELECT item FROM lengths") == [("a",)]
    (observed,) = [e for e in result.all_events if e.event_type == dg.DagsterEventType.ASSET_OBSERVATION]
    metadata = observed.asset_observation_data.asset_observation.metadata
    assert (metadata["items ok"].value, metadata["items left"].value) == (1, 1)
