"""`run`, `retry` and `release`: what they say, what they try, and when they stop."""

from __future__ import annotations

from collections import Counter

import pytest

from audio_assets.assemble import current_platform
from audio_assets.command.app import keys_of
from audio_assets.command.progress import Tally
from audio_assets.engine import platform
from audio_assets.engine.platform import Platform

NOTES = {"a": "two words", "b": "three small words", "c": "one"}
ALL_DONE = "Nothing to do: everything asked for is up to date."


def test_a_run_goes_on_until_nothing_is_left_and_its_total_does_not_grow(library, monkeypatch):
    totals, ended, questions = [], Counter(), []
    planned, finished, ask = Tally.planned, Tally.finished, platform.make_plan
    monkeypatch.setattr(Tally, "planned", lambda self, given: totals.append(given) or planned(self, given))
    monkeypatch.setattr(
        Tally, "finished", lambda self, result: ended.update([result.asset]) or finished(self, result)
    )
    monkeypatch.setattr(
        platform,
        "make_plan",
        lambda lake, question, keep: questions.append(question) or ask(lake, question, keep),
    )
    library.add(**NOTES)
    said = library("run")
    assert said.code == 0
    assert said.lines[0] == (
        "To compute: 14 values of 6 assets, up to 3 s, 6 assets not measured yet, then 3 values by the models trained."
    )
    per_asset = {
        "lengths": 3, "words": 3, "ratios": 3, "languages": 3, "counts": 1, "mean_length": 1, "judgements": 3,
    }  # fmt: skip
    assert totals == [per_asset] and ended == per_asset
    ((checkpoint,),) = library.query("SELECT checkpoint FROM checkpoints")
    assert said.lines[-1] == f"mean_length: {checkpoint} is adopted."
    # The launch before each stage (items, the collection, the training, what needs it) and at the end; the
    # collection's step for itself; and the checks `up_to_date` of collection and training.
    assert len(questions) == 5 + 1 + 2
    again = library("run")
    assert again.lines == [ALL_DONE] and again.code == 0
    assert len(questions) == 8 + 1


def test_a_run_over_few_of_many_items_loads_those_few(library, monkeypatch):
    library.add(**{f"n{number:02}": "a note" for number in range(30)})
    assert library("run", "lengths").code == 0
    library.add(new="another note")
    loaded: list[str] = []
    items = Platform.items

    def counting(platform, kind, keys=None, **how):
        found = items(platform, kind, keys, **how)
        loaded.extend(found)
        return found

    monkeypatch.setattr(Platform, "items", counting)
    assert library("run", "lengths").code == 0
    assert set(loaded) == {"new"}


def test_a_dying_item_is_tried_once_in_each_run_and_quarantined_by_the_third(library):
    library.add(a="two words", b="crash")
    for deaths, outcome in ((1, "failed"), (2, "failed"), (3, "quarantined")):
        said = library("run", "lengths")
        assert said.code == 1
        assert library.query("SELECT deaths, outcome FROM ledger WHERE item = 'b'") == [(deaths, outcome)]
    assert said.lines[-1].startswith("1 values are quarantined: `audio-assets status --failed` says why, ")
    said = library("run", "lengths")
    assert said.code == 0 and said.lines[0] == "Nothing to do."
    assert said.lines[1:] == [
        "1 values are quarantined: `audio-assets status --failed` says why, `audio-assets release` lets them be tried."
    ]
    assert library("release", "lengths").lines == ["1 quarantined values released."]
    assert library("run", "lengths").code == 1
    assert library.query("SELECT deaths, outcome FROM ledger WHERE item = 'b'") == [(1, "failed")]


def test_what_failed_is_counted_with_the_command_that_tries_it_again(library):
    library.add(a="two words", b="fail")
    said = library("run", "lengths")
    assert said.code == 1 and "ValueError: the note says fail" in said.out
    left = "1 values failed: `audio-assets retry` tries them again."
    assert said.lines[-1] == left
    said = library("run", "lengths")
    assert said.code == 0 and said.lines == ["Nothing to do.", left]
    (library.folder / "b.txt").write_text("mended")
    assert library("retry", "lengths").code == 0
    assert library("run", "lengths").lines == [ALL_DONE]


def test_retry_computes_what_failed_and_nothing_else(library):
    assert library("retry").lines == ["Nothing has failed."]
    library.add(a="fail", b="three small words")
    assert library("run", "lengths").code == 1
    library.add(a="mended", c="one")
    assert library("retry").code == 0
    assert library.states("lengths") == {"ok": 2, "missing": 1}
    assert library.states("words") == {"missing": 3}
    assert library("retry").lines == ["Nothing has failed."]


@pytest.mark.parametrize("both", ["lengths,words", "lengths words", "words, lengths", "lengths or words"])
def test_several_assets_are_chosen_by_their_names(library, both):
    library.add(**NOTES)
    assert library("run", both).code == 0
    assert library.states("lengths") == library.states("words") == {"ok": 3}


def test_a_name_that_is_none_is_told_with_what_may_be_meant(library):
    said = library("run", "lengths,wrods")
    assert said.code == 2
    assert said.err.strip() == (
        "LaunchError: There is no asset wrods. Did you mean words? `audio-assets status` lists all; several are "
        "chosen as in loudness,tempo."
    )


def test_what_waits_is_counted_with_what_it_waits_for(library):
    library.add(a="two words", b="three small words")
    library("run", "lengths", "--items", "a")
    said = library("run", "ratios")
    assert said.code == 0
    assert said.lines == [
        "Nothing to do.",
        "ratios: 1 not computed, waits for lengths, words",
        "ratios: 1 not computed, waits for words",
        "Choose what they wait for as well ('*NAME' has all of it).",
    ]
    assert library("run", "*ratios").code == 0
    assert library.states("ratios") == {"ok": 2}


def test_a_training_whose_data_have_changed_is_left_and_named_with_its_command(library):
    library.add(**NOTES)
    library("run")
    library.add(d="a new note")
    said = library("run")
    left = "mean_length: stale (upstream), and trained again only by name: `audio-assets run mean_length`"
    assert said.code == 0 and said.lines[-1] == left
    assert library.states("judgements") == {"ok": 4}
    said = library("run")
    assert said.lines == ["Nothing to do.", left]
    assert library("run", "*").lines == ["Nothing to do.", left]
    said = library("run", "mean_length")
    assert said.code == 0 and said.lines[-1].endswith(" is adopted.")
    assert library.query("SELECT count(*) FROM checkpoints") == [(2,)]
    assert library.states("judgements") == {"stale": 4}


def test_items_are_separated_by_commas_or_given_again(library):
    library.add(**NOTES)
    assert keys_of(current_platform(), ["a,b", "c"]) == ["a", "b", "c"]
    said = library("run", "lengths", "--items", "a,")
    assert said.code == 2 and "'' fits several items" in said.err  # not taken for all
    said = library("run", "lengths", "--items", "nobody,noone")
    assert said.code == 2 and "'nobody' fits no item" in said.err
    assert library("run", "lengths", "--items", "a, c").code == 0
    assert library.query("SELECT item FROM lengths ORDER BY item") == [("a",), ("c",)]


def test_single_items_of_what_is_computed_from_all_are_refused(library):
    library.add(**NOTES)
    for verb in ("run", "plan"):
        said = library(verb, "counts", "--items", "a")
        assert said.code == 2 and "counts: computed from all items together" in said.err
