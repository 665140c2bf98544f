"""`status`: where every value stands, and why one stands where it does."""

from __future__ import annotations

NOTES = {"a": "two words", "b": "three small words", "c": "one"}


def test_a_training_without_a_checkpoint_is_missing(typed):
    (row,) = typed("status", "laughter_predictor", "--format", "json").rows
    assert row["asset"] == "laughter_predictor"
    assert row["missing"] == 1 and row["ok"] == row["stale"] == 0


def test_a_training_is_ok_with_its_data_and_stale_with_others(library):
    library.add(a="one", b="three")
    assert library.states("mean_length") == {"missing": 1}  # nothing to learn from yet
    library("run", "lengths")
    assert library.states("mean_length") == {"missing": 1}
    library("run", "mean_length")
    assert library.states("mean_length") == {"ok": 1}
    library.add(c="a new note")
    library("run", "lengths")
    assert library.states("mean_length") == {"stale": 1}


def test_of_one_item_it_is_said_where_it_stands_and_why(library):
    library.add(a="two words", bad="fail")
    library("run", "*ratios")

    def why(item: str) -> dict[str, tuple[str, str, str]]:
        rows = library("status", "--why", item, "--format", "json").rows
        return {row["asset"]: (row["state"], row["why"], row["reason"]) for row in rows}

    assert why("bad") == {
        "lengths": ("failed", "", "ValueError: the note says fail"),
        "words": ("ok", "", ""),
        "ratios": ("missing", "waits for lengths", ""),
        "languages": ("missing", "new", ""),
        "judgements": ("missing", "waits for mean_length", ""),
    }
    library.add(a="other words")
    assert why("a")["words"] == ("stale", "sound", "")
    said = library("status", "ratios", "--why", "a")
    assert said.lines[1].split() == ["ratios", "stale", "sound"]
    said = library("status", "--why", "nobody")
    assert said.code == 2 and "'nobody' fits no item" in said.err


def test_what_failed_is_listed_with_its_reason(library):
    library.add(a="two words", bad="fail")
    library("run", "lengths")
    assert library("status", "--failed", "--format", "json").rows == [
        {"asset": "lengths", "item": "bad", "outcome": "failed", "reason": "ValueError: the note says fail"}
    ]
