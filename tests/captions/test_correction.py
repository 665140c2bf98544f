"""Revision of captions without a model: what is put right, and what is left alone."""

import re
from dataclasses import fields, replace

import numpy as np
import pytest

from audio_assets.captions import KINDS, Facts
from audio_assets.captions.agreement import measure_agreement
from audio_assets.captions.composition import compose
from audio_assets.captions.correction import corrected
from tests.captions.facts import ALL, some_facts

FACTS = Facts(bpm=127.6, key="Eb", scale="minor", beats_per_bar=3)


def revised(text, facts=FACTS):
    return corrected(text, facts)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("A house track at 100 BPM.", "A house track at 128 BPM."),
        ("A slow piece at 64 bpm.", "A slow piece at 128 bpm."),
        ("A tempo of roughly 85.5", "A tempo of roughly 127.6"),
        ("It moves between 90 and 94 BPM.", "It moves around 128 BPM."),
        ("a tempo of around 90-94 bpm", "a tempo of around 128 bpm"),
        ("An 84 BPM groove", "A 128 BPM groove"),
        ("First 90 bpm, then 100 bpm.", "First 128 bpm, then 128 bpm."),
    ],
)
def test_a_wrong_tempo_is_put_right(text, right):
    assert revised(text) == right


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("It is in C major.", "It is in Eb minor."),
        ("In the key of F# minor, with an F major chord.", "In the key of Eb minor, with an F major chord."),
        ("C-major ballad.", "Eb-minor ballad."),
        ("C major rules. Key: C major.", "Eb-minor rules. Key: Eb minor."),
        (
            "In D minor; the chords are D minor and A minor.",
            "In Eb minor; the chords are D minor and A minor.",
        ),
        ("from Ab major to Fmin", "from Eb minor to Fmin"),
        ("Chords of C major and Eb minor, in G major", "Chords of C major and Eb minor, in Eb minor"),
    ],
)
def test_a_wrong_key_is_put_right_and_chords_stay(text, right):
    assert revised(text) == right


def test_a_key_is_written_so_that_it_is_read_as_one():
    facts = Facts(key="A", scale="minor")
    assert revised("C major ballad in a C major mood.", facts) == "A-minor ballad in a C major mood."
    assert revised("It has a C major feel.", facts) == "It has an A minor feel."


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("in 4/4", "in 3/4"),
        ("in common time", "in 3/4 time"),
        ("in 12/8", "in 3/4"),
        ("Four beats to the bar.", "Three beats to the bar."),
        ("with 4 beats per measure", "with 3 beats per measure"),
    ],
)
def test_a_wrong_metre_is_put_right(text, right):
    assert revised(text) == right


def test_an_article_follows_what_it_stands_before():
    assert revised("A 128 BPM groove in 4/4", Facts(bpm=84.2)) == "An 84 BPM groove in 4/4"
    assert revised("A 4/4 beat", Facts(beats_per_bar=11)) == "An 11/4 beat"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Some music – “soft”, with  two spaces.",
        "At 125 BPM in D# minor, in 3/4.",
        "Between 100 and 140 BPM.",
        "It starts at 90 BPM and settles at 128 BPM.",
        "In G minor, then Eb minor.",
        "From F# minor it modulates up to Eb minor.",
        "The harmony moves between Bb major and C major.",
        "A 9/8 jig; 3/4 of the song is loud.",
        "Released in 1998 at -14 LUFS.",
    ],
)
def test_a_text_that_contradicts_nothing_comes_back_as_it_is(text):
    assert revised(text) == text


def test_in_compound_time_eighths_or_their_threes_are_counted():
    for text, counts in (("in 6/8", {2, 6}), ("in 9/8", {3, 9}), ("in 3/8", {3}), ("in 7/8", {7})):
        kept = {beats for beats in range(2, 13) if revised(text, Facts(beats_per_bar=beats)) == text}
        assert kept == counts


@pytest.mark.parametrize("name", ["bpm", "key", "scale", "beats_per_bar"])
def test_what_was_not_measured_is_not_put_right(name):
    text = "A piece at 70 BPM in C major, in 4/4."
    right = "A piece at 128 BPM in Eb minor, in 3/4."
    parts = {"bpm": "128", "key": "Eb minor", "scale": "Eb minor", "beats_per_bar": "3/4"}
    claims = {"bpm": "70", "key": "C major", "scale": "C major", "beats_per_bar": "4/4"}
    assert revised(text) == right
    assert revised(text, replace(FACTS, **{name: None})) == right.replace(parts[name], claims[name])
    assert revised(text, Facts(**{f.name: None for f in fields(Facts)})) == text


def test_bars_of_one_beat_are_no_metre():
    assert revised("in 4/4", Facts(beats_per_bar=1)) == "in 4/4"


PHRASES = [
    "A {genre} track at {bpm} BPM",
    "a tempo of around {bpm}",
    "between {bpm} and {other} bpm",
    "an 88-{other} BPM shuffle",
    "in {key}",
    "{key} ballad",
    "the key of {key}",
    "chords of {key} and {chord}",
    "then {chord}",
    "in {upper}/{lower}",
    "{upper} beats per bar",
    "with piano, drums and no vocals",
    "happy film music",
]
KEYS = [f"{tonic} {scale}" for tonic in ("A", "B", "C", "Db", "E", "F#", "G") for scale in ("major", "minor")]


def made_up(rng):
    words = {
        "genre": rng.choice(["bossa nova", "J-pop", "techno"]),
        "bpm": rng.choice([f"{rng.uniform(40, 300):.0f}", f"{rng.uniform(40, 300):.1f}"]),
        "other": f"{rng.uniform(40, 300):.0f}",
        "key": rng.choice(KEYS),
        "chord": rng.choice(KEYS),
        "upper": rng.integers(2, 13),
        "lower": rng.choice([2, 4, 8]),
    }
    phrases = rng.choice(PHRASES, rng.integers(1, 7))
    return "".join(phrase.format(**words) + str(rng.choice([". ", ", ", " "])) for phrase in phrases).strip()


def test_a_revised_text_agrees_as_well_as_before_or_better_and_needs_no_second_revision():
    rng = np.random.default_rng(0)
    changed = 0
    for seed in range(1500):
        facts, text = some_facts(seed), made_up(rng)
        found = revised(text, facts)
        before, after = measure_agreement(text, facts), measure_agreement(found, facts)
        for one, other in zip(
            (before.tempo, before.key, before.instruments, before.tags, before.mean),
            (after.tempo, after.key, after.instruments, after.tags, after.mean),
            strict=True,
        ):
            assert (one is None) == (other is None), (text, found)
            assert one is None or other >= one, (text, found)
        assert revised(found, facts) == found
        assert re.sub(r"[\d./]+|[A-G][#b]?[ -](major|minor)|\W|an?\b|between|and|around", "", text) == re.sub(
            r"[\d./]+|[A-G][#b]?[ -](major|minor)|\W|an?\b|between|and|around", "", found
        )
        changed += found != text
    assert changed > 300


def test_composed_captions_contradict_nothing_of_what_they_were_composed_from():
    for seed in range(300):
        for kind in KINDS:
            text = compose(some_facts(seed), kind)
            assert revised(text, some_facts(seed)) == text
    assert revised(compose(ALL, "full"), ALL) == compose(ALL, "full")
