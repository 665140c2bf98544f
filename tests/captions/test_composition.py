"""Captions composed from facts: what is stated, what is not, and how it reads."""

import re
from dataclasses import fields, replace

import pytest

from audio_assets.captions import KINDS, Facts
from audio_assets.captions.claims import claimed_bpm
from audio_assets.captions.composition import compose, tells_of
from audio_assets.captions.text import normalise
from tests.captions.facts import ALL, some_facts

WORDS_OF = {
    "bpm": r"bpm|brisk|tempo of|the tempo",
    "key": r"\bEb\b(?! minor and)",
    "lufs": r"LUFS|loud|quiet",
    "lra": r"\bLU\b|dynamics",
    "brightness": r"bright|dark sound|mellow|balanced",
    "warmth": r"warm",
    "chords": r"harmony|chord",
    "genres": r"house|techno",
    "moods": r"mood|feels|theme",
    "instruments": r"synth|drum|instrument",
    "voice": r"vocals|instrumental\b",
    "beats_per_bar": r"beats",
    "bar_count": r"bars",
    "duration_s": r"minute|second(?!s on average)",
}


@pytest.mark.parametrize("name", WORDS_OF)
def test_what_was_not_measured_is_not_stated(name):
    gone = {"key": ("key", "scale"), "bpm": ("bpm", "has_tempo"), "voice": ("voice", "female")}
    without = replace(ALL, **dict.fromkeys(gone.get(name, (name,))))
    texts = [compose(without, kind) for kind in KINDS]
    assert any(re.search(WORDS_OF[name], compose(ALL, kind)) for kind in KINDS)
    for text in texts:
        assert not re.search(WORDS_OF[name], text), text


def test_captions_are_grammatical_whatever_is_missing():
    for seed in range(400):
        for kind in KINDS:
            text = compose(some_facts(seed), kind)
            assert text == normalise(text)
            assert not re.search(r"  |\.\.|,,| \.| ,|None|nan|\bwith\.|\bin\.|; \.|^\W", text), text
            assert not re.search(r"\ba [aeio]|\ban [^aeiou]", text), text
            assert all(re.match(r"[A-Z]", part) for part in re.split(r"(?<=[a-z]\.) ", text) if part), text
            assert not re.search(r"\b1 (?:minutes|seconds|hours|bars)\b|\bone beats", text), text


def test_captions_vary_from_track_to_track_and_not_from_time_to_time():
    texts = [compose(replace(ALL, duration_s=float(n)), "full") for n in range(100, 160)]
    shapes = {re.sub(r"\d+ minutes?.*|\d+", "", text) for text in texts}
    assert len(shapes) > 5
    assert texts == [compose(replace(ALL, duration_s=float(n)), "full") for n in range(100, 160)]


def test_no_steady_tempo_is_stated_as_that():
    facts = Facts(duration_s=12, has_tempo=False, key="A", scale="minor")
    assert compose(facts, "technical") == "It is in A minor and has no steady tempo."
    assert claimed_bpm(" ".join(compose(facts, kind) for kind in KINDS)) == []


def test_a_length_alone_is_nothing_to_tell():
    assert tells_of(Facts(lufs=-9.0)) and not tells_of(Facts(duration_s=30.0))


def test_facts_are_the_columns_of_their_table():
    from audio_assets.assets.music.captions import CAPTION_FACTS

    assert [column.name for column in CAPTION_FACTS.columns] == [field.name for field in fields(Facts)]
