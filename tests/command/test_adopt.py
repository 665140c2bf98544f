"""`adopt`: which checkpoint everything downstream uses, after what becomes stale was said."""

from __future__ import annotations

import shutil

import pytest

NOTES = {"a": "two words", "b": "three small words", "c": "one"}


@pytest.fixture
def candidate(library) -> str:
    """A candidate beside the adopted checkpoint that has made all `judgements`."""
    library.add(**NOTES)
    assert library("run").code == 0
    assert library("run", "mean_length", "--set", "scale=2").code == 0
    ((name,),) = library.query("SELECT checkpoint FROM checkpoints WHERE candidate_because IS NOT NULL")
    return name


def adopted(library) -> str:
    return library.query("SELECT checkpoint FROM adoptions ORDER BY adopted_at DESC LIMIT 1")[0][0]


def test_adopting_says_what_becomes_stale_pins_and_the_next_run_does_the_rest(library, candidate):
    before = adopted(library)
    said = library("adopt", candidate[:8], "--yes")
    assert said.code == 0
    assert said.lines == [
        "judgements: 3 values will be computed anew",
        f"mean_length {candidate} is adopted and pinned; `audio-assets run` does the rest.",
    ]
    assert adopted(library) == candidate != before
    assert library.planned() == {("judgements", "weights"): 3}
    shown = "SELECT DISTINCT checkpoint FROM judgements"
    assert library.query(shown) == [(before,)]
    assert library("run").code == 0
    assert library.query(shown) == [(candidate,)]
    assert library.planned() == {}
    assert library("adopt", before, "--yes").lines[0] == (
        f"mean_length {before} is adopted and pinned; `audio-assets run` does the rest."
    )  # its values are still there


def test_without_a_yes_nothing_is_adopted(library, candidate):
    before = adopted(library)
    said = library("adopt", candidate)
    assert said.code == 1 and "judgements: 3 values will be computed anew" in said.out
    assert adopted(library) == before


def test_a_pinned_training_is_unpinned_and_then_adopts_by_itself_again(library, candidate):
    library("adopt", candidate, "--yes")
    library.add(d="a new note")
    said = library("run", "*mean_length")
    assert said.lines[-1].endswith("adopts it.") and f"({candidate} is pinned)" in said.lines[-1]
    assert adopted(library) == candidate
    assert "mean_length is no longer pinned" in library("adopt", "mean_length", "--unpin").out
    library.add(e="another new note")
    said = library("run", "*mean_length")
    assert said.lines[-1].endswith("is adopted.") and adopted(library) != candidate


def test_what_cannot_be_adopted_is_told_and_changes_nothing(library, candidate):
    before = adopted(library)
    said = library("adopt", "zzz", "--yes")
    assert said.code == 2 and "There is no checkpoint 'zzz'" in said.err
    said = library("adopt", "zzz", "--unpin")
    assert said.code == 2 and "'zzz' is no training with an adopted checkpoint" in said.err
    shutil.rmtree(library.home / "objects" / "mean_length" / candidate)
    said = library("adopt", candidate, "--yes")
    assert said.code == 2 and f"The files of checkpoint {candidate} of mean_length are gone" in said.err
    assert adopted(library) == before
