"""How a caption's claims agree with what was measured, and an ensemble of captions."""

import itertools

import mir_eval
import pytest

from audio_assets.captions import Facts
from audio_assets.captions.agreement import (
    Agreement,
    ensemble,
    instrument_score,
    key_score,
    measure_agreement,
    tempo_score,
)
from audio_assets.captions.claims import Key
from audio_assets.captions.composition import compose
from tests.captions.facts import ALL


def test_the_key_score_is_that_of_mir_eval():
    names = ["C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"]
    keys = [
        (Key(tonic, scale), f"{names[tonic]} {scale}") for tonic in range(12) for scale in ("major", "minor")
    ]
    for (claimed, claimed_name), (measured, measured_name) in itertools.product(keys, keys):
        expected = mir_eval.key.weighted_score(measured_name, claimed_name)
        assert key_score(claimed, measured) == expected, (claimed_name, measured_name)


@pytest.mark.parametrize(
    ("claimed", "score"),
    [
        (120, 1),
        (124.8, 1),
        (125, 0),
        (115.2, 1),
        (115, 0),
        (240, 0.5),
        (249.6, 0.5),
        (60, 0.5),
        (40, 0.5),
        (360, 0.5),
    ],
)
def test_the_tempo_score_has_the_tolerance_of_accuracy_one_and_two(claimed, score):
    assert tempo_score(claimed, 120) == score


def test_instruments_are_scored_by_f1():
    assert instrument_score({"piano", "drums", "bass"}, ("piano", "drums")) == pytest.approx(0.8)
    assert instrument_score(set(), ("piano",)) == 0
    assert instrument_score(set(), ()) is None
    assert instrument_score({"piano"}, None) is None


def test_a_caption_is_scored_on_what_it_claims_and_what_was_measured():
    text = "Deep house at 64 BPM in Gb major with synths, drum machines and a singer; a dark mood."
    found = measure_agreement(text, ALL)
    assert found == Agreement(tempo=0.5, key=0.3, instruments=1.0, tags=0.5)
    assert found.mean == pytest.approx(0.575)
    assert measure_agreement("Some music.", ALL) == Agreement(None, None, 0.0, 0.0)
    assert measure_agreement(text, Facts()) == Agreement(None, None, None, None)
    assert measure_agreement(text, Facts()).mean is None


def test_composed_captions_agree_with_what_they_were_composed_from():
    found = measure_agreement(compose(ALL, "full"), ALL)
    assert (found.tempo, found.key, found.instruments) == (1.0, 1.0, 1.0)


def test_an_ensemble_takes_the_best_and_adds_what_it_leaves_out():
    texts = {
        "a": "Deep house with a dark mood. It is in C major.",
        "b": "A techno track at 128 BPM. It lasts long.",
        "c": "Synths and drum machines under vocals. Slow, at 70 bpm.",
    }
    found = ensemble(texts, ALL)
    assert found == "A techno track at 128 BPM. It lasts long. Synths and drum machines under vocals."
    assert measure_agreement(found, ALL).mean >= max(measure_agreement(t, ALL).mean for t in texts.values())
    assert ensemble({"a": "One."}, ALL) == "One."


def test_an_ensemble_takes_over_no_sentence_that_contradicts_what_was_measured():
    texts = {"a": "In Eb minor.", "b": "Synths and a drum machine at 100 bpm in C major.", "c": "At 128 bpm."}
    assert ensemble(texts, ALL) == "In Eb minor. At 128 bpm."
