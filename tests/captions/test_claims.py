"""What a caption claims, read from its text."""

import pytest

from audio_assets.captions.claims import Key, claimed_bpm, claimed_instruments, claimed_keys, metre_claims
from audio_assets.captions.vocabulary import INSTRUMENTS


@pytest.mark.parametrize(
    ("text", "bpm"),
    [
        ("A house track at 124 BPM.", [124]),
        ("It moves at around 92.5 beats per minute", [92.5]),
        ("a tempo of roughly 140, in 4/4", [140]),
        ("a 170-bpm roller", [170]),
        ("between 118 to 122 bpm", [120]),
        ("between 118 and 122 BPM", [120]),
        ("a tempo of about 118-122 BPM, then 90 bpm", [120, 90]),
        ("tempo: 88", [88]),
        ("released in 1998 at -14 LUFS, 44 bars", []),
        ("999 bpm", []),
    ],
)
def test_tempi_are_read_from_text(text, bpm):
    assert claimed_bpm(text) == bpm


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("in the key of C# minor", [Key(1, "minor")]),
        ("It is in D-flat major.", [Key(1, "major")]),
        ("in B♭ minor", [Key(10, "minor")]),
        ("key: F sharp maj", [Key(6, "major")]),
        ("in A minor", [Key(9, "minor")]),
        ("A minor flaw. A major success. It has a minor key", []),
        ("from Ab major to Fmin", [Key(8, "major"), Key(5, "minor")]),
        ("the DJ mixes; Eminor", [Key(4, "minor")]),
        ("A-minor ballad", [Key(9, "minor")]),
        ("The key is F# Minor. Later in C Major.", [Key(6, "minor"), Key(0, "major")]),
        ("an F major chord, a G majority", []),
    ],
)
def test_keys_are_read_from_text(text, keys):
    assert claimed_keys(text) == keys


@pytest.mark.parametrize(
    ("text", "beats"),
    [
        ("in 3/4 time", [3]),
        ("12/8, common time, seven beats per bar", [12, 4, 7]),
        ("Four beats to the bar, then 5 beats in each measure", [4, 5]),
        ("3/4 of the song, on 4/4/2020, at 1/2 speed; two beats later", []),
    ],
)
def test_metres_are_read_from_text(text, beats):
    assert [claim.beats for claim in metre_claims(text)] == beats


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("Bass and drums", {"bass", "drums"}),
        ("a double bass", {"doublebass"}),
        ("an acoustic bass guitar", {"acousticbassguitar", "guitar"}),
        ("drum machines with synths", {"drummachine", "synthesizer"}),
        ("singers without any strings and no drums", {"voice"}),
        ("a pianist's pianos, electric pianos", {"piano", "electricpiano"}),
        ("basement, organise, hornet", set()),
    ],
)
def test_instruments_are_read_from_text(text, labels):
    assert claimed_instruments(text) == labels


def test_every_instrument_is_found_by_the_name_that_captions_give_it():
    for label, words in INSTRUMENTS.items():
        assert label in claimed_instruments(f"{words} can be heard"), label
