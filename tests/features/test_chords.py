"""Chords of synthesised progressions, scored by mir_eval."""

from itertools import pairwise

import mir_eval
import numpy as np
import pytest

from audio_assets.audio.resample import resample
from audio_assets.features.chords import LABELS, recognise_chords
from audio_assets.features.constant_q import SAMPLE_RATE, constant_q
from tests.features.music import RATE, drum_loop, noise, progression


def recognise(samples, beats_s):
    magnitudes = constant_q(resample(samples, RATE, SAMPLE_RATE))
    return recognise_chords(magnitudes, np.asarray(beats_s, float), len(samples) / RATE)


def spans(chords):
    return np.array([(chord.start_s, chord.end_s) for chord in chords])


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("drums", [0.0, 0.5])
def test_progressions_are_recognised(seed, drums):
    samples, intervals, labels, beats_s = progression(seed, drums)
    chords = recognise(samples, beats_s)
    scores = mir_eval.chord.evaluate(intervals, labels, spans(chords), [chord.chord for chord in chords])
    assert scores["majmin"] >= 0.95
    assert scores["root"] >= 0.95


def test_chords_cover_the_signal_and_change_on_beats():
    samples, _, _, beats_s = progression(1)
    chords = recognise(samples, beats_s)
    assert (chords[0].start_s, chords[-1].end_s) == (0, len(samples) / RATE)
    assert all(a.end_s == b.start_s and a.chord != b.chord for a, b in pairwise(chords))
    assert set(spans(chords)[1:, 0].tolist()) <= set(beats_s.tolist())


def test_without_beats_chords_change_every_half_second_at_most():
    samples, intervals, labels, _ = progression(2)
    chords = recognise(samples, [])
    scores = mir_eval.chord.evaluate(intervals, labels, spans(chords), [chord.chord for chord in chords])
    assert scores["majmin"] >= 0.95


@pytest.mark.parametrize("sound", ["silence", "drums"])
def test_silence_and_drums_hold_no_chord(sound):
    sounds = {"silence": np.zeros(10 * RATE, np.float32), "drums": drum_loop("rock", 120, 10).samples}
    chords = recognise(sounds[sound], np.arange(0.5, 9.5, 0.5))
    assert [(chord.chord, chord.strength) for chord in chords] == [("N", None)]


def test_noise_holds_next_to_no_chord():
    chords = recognise(noise(20), np.arange(0.5, 19.5, 0.5))
    none_s = sum(chord.end_s - chord.start_s for chord in chords if chord.chord == "N")
    assert none_s >= 18


def test_every_label_is_in_the_syntax_of_mir_eval():
    for label in LABELS:
        mir_eval.chord.validate_chord_label(label)


def test_an_empty_signal_has_no_chords():
    assert recognise_chords(np.zeros((0, 84), np.float32), np.zeros(0), 0.0) == []
