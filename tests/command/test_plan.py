"""`plan`: what would be computed, why, how much, and how long by what it took so far."""

from __future__ import annotations

from audio_assets.assemble import current_platform
from audio_assets.command.run import print_left
from audio_assets.engine.state.plans import AssetPlan, Plan
from audio_assets.engine.state.states import State
from tests.orchestration.tongues import retag

NOTES = {"a": "two words", "b": "three small words", "c": "one"}


def test_a_plan_says_of_each_asset_how_much_is_new_and_computes_nothing(library):
    library.add(**NOTES)
    rows = library("plan", "--format", "json").rows
    assert [(row["asset"], row["why"], row["items"], row["size"], row["time"]) for row in rows] == [
        ("lengths", "new", 3, 3.0, None),
        ("words", "new", 3, 3.0, None),
        ("ratios", "new", 3, 3.0, None),
        ("languages", "new", 3, 3.0, None),
        ("counts", "new", 1, 3.0, None),
        ("mean_length", "new", 1, 3.0, None),
    ]
    said = library("plan", "key:lengths or key:words")
    assert [line.split() for line in said.lines[:3]] == [
        ["asset", "why", "items", "size", "time", "objects"],
        ["lengths", "new", "3", "3", "s", "not", "measured", "yet"],
        ["words", "new", "3", "3", "s", "not", "measured", "yet"],
    ]
    assert said.lines[3:] == ["To compute: 6 values of 2 assets, up to 3 s, 2 assets not measured yet."]
    assert library.query("SELECT count(*) FROM ledger") == [(0,)]


def test_what_was_measured_says_how_long_the_rest_will_take(library):
    library.add(**NOTES)
    library("run", "lengths")
    current_platform().lake.write(lambda c: c.execute("UPDATE ledger SET seconds = 40, bytes = 1000"))
    library.add(d="one", e="two")
    said = library("plan", "lengths", "--format", "json")
    assert said.rows == [
        {"asset": "lengths", "why": "new", "items": 2, "size": 2.0, "time": 80.0, "objects": 2000.0}
    ]
    said = library("plan", "lengths", WORKERS="2")
    assert said.lines[1].split() == ["lengths", "new", "2", "2", "s", "80", "s", "2", "kB"]
    assert said.lines[2] == (
        "To compute: 2 values of 1 assets, up to 2 s, about 40 s on 2 workers, about 2 kB of objects."
    )


def test_each_reason_is_named(library):
    library.add(**NOTES)
    library("run", "languages")
    library("run", "*ratios")
    assert library.planned("*ratios") == {}
    library.add(a="other words", d="new")
    retag(current_platform(), "b", language="eesti")
    assert library.planned("+key:ratios or key:languages") == {
        ("lengths", "sound"): 1, ("lengths", "new"): 1,
        ("words", "sound"): 1, ("words", "new"): 1,
        ("ratios", "sound"): 1, ("ratios", "new"): 1,
        ("languages", "sound"): 1, ("languages", "new"): 1, ("languages", "reads"): 1,
    }  # fmt: skip
    assert library.planned("lengths", "--items", "b", "--all") == {("lengths", "asked"): 1}
    assert library.planned("lengths", "--items", "b") == {}


def test_what_failed_is_planned_where_it_is_asked_for(library):
    library.add(a="fail")
    library("run", "lengths")
    assert library.planned("lengths") == {}
    assert library.planned("lengths", "--failed") == {("lengths", "retry"): 1}
    said = library("plan", "lengths")
    assert said.lines == ["Nothing to do.", "1 values failed: `audio-assets retry` tries them again."]


def test_all_is_up_to_date_only_where_nothing_was_left_alone(library, capsys):
    library.add(**NOTES)
    library("run", "lengths")
    assert library("plan", "lengths").lines == ["Nothing to do: everything asked for is up to date."]
    part = AssetPlan("lengths")
    for state in (State.FAILED, State.QUARANTINED, State.DRIFTED):
        part.left.clear()
        part.left[state] = 2
        print_left(Plan(1, {"lengths": part}), is_all_done=True)
        first, second = capsys.readouterr().out.splitlines()
        assert first == "Nothing to do." and second.startswith("2 values ") and "`audio-assets r" in second
