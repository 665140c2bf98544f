"""Chords of synthesised progressions, scored by mir_eval."""

from itertools import pairwise

import mir_eval
import numpy as np
import pytest

from audio_assets.audio.resample import resample
from audio_assets.features.chords import LABELS, recognise_chords
from audio_assets.features.constant_q import SAMPLE_RATE, constant_q
from tests.features.music import NOTES, RATE, chord, drum_loop, fading, noise, place, progression

TRIADS = [f"{note}:{quality}" for note in NOTES for quality in ("maj", "min")]


def recognise(samples, beats_s):
    magnitudes = constant_q(resample(samples.astype(np.float32), RATE, SAMPLE_RATE))
    return recognise_chords(magnitudes, np.asarray(beats_s, float), len(samples) / RATE)


def played(labels, chord_s=1.0, inversion=0, bass=True, a4_hz=440.0):
    """Chords of six partials each, one after the other, and their intervals."""
    sounds = []
    for label in labels:
        root, degrees, _ = mir_eval.chord.encode(label)
        pitches = [60 + root + step + 12 * (i < inversion) for i, step in enumerate(np.flatnonzero(degrees))]
        sounds.append(chord([*pitches, *([36 + root] if bass else [])], chord_s, a4_hz=a4_hz))
    samples = np.concatenate(sounds)
    edges_s = chord_s * np.arange(len(labels) + 1)
    return samples / np.abs(samples).max(), np.stack([edges_s[:-1], edges_s[1:]], axis=1)


def majmin(intervals, labels, chords):
    return mir_eval.chord.evaluate(intervals, labels, spans(chords), [chord.chord for chord in chords])[
        "majmin"
    ]


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


@pytest.mark.parametrize("inversion", [0, 1, 2])
@pytest.mark.parametrize("bass", [True, False])
def test_all_triads_are_recognised_in_all_inversions(inversion, bass):
    labels = np.random.default_rng(0).permutation(TRIADS).tolist()
    samples, intervals = played(labels, 1.0, inversion, bass)
    chords = recognise(samples, np.arange(0.5, 24, 0.5))
    assert [chord.chord for chord in chords] == labels
    np.testing.assert_allclose(spans(chords), intervals, atol=0.01)
    assert min(chord.strength for chord in chords) > 0.8


@pytest.mark.parametrize(
    ("quality", "triad"), [("maj7", "maj"), ("min7", "min"), ("7", "maj"), ("dim", "dim"), ("hdim7", "dim")]
)
def test_chords_with_a_seventh_are_named_by_their_triad(quality, triad):
    roots = [NOTES[i] for i in (0, 5, 10, 3, 8, 1, 6, 11)]
    samples, _ = played([f"{root}:{quality}" for root in roots])
    found = recognise(samples, np.arange(0.5, 8, 0.5))
    assert [chord.chord for chord in found] == [f"{root}:{triad}" for root in roots]


def test_a_loud_overtone_is_no_note():
    samples, _ = played(["C:min"] * 8)
    bright = 0.5 * chord([60 + 28, 36 + 28], 8.0)  # the fifth partial of C: a major third
    found = recognise(samples + 0.1 * bright / np.abs(bright).max(), np.arange(0.5, 8, 0.5))
    assert {chord.chord for chord in found} == {"C:min"}


def test_a_piece_may_hold_one_chord_only():
    samples, _ = played(["E:min"] * 12)
    (chord,) = recognise(samples, np.arange(0.5, 12, 0.5))
    assert (chord.start_s, chord.end_s, chord.chord) == (0, 12, "E:min")


def test_an_instrument_between_two_tunings_is_read_at_its_own():
    labels = ["C:maj", "A:min", "F:maj", "G:maj"] * 2
    a4_hz = 440 * 2 ** (0.4 / 12)
    samples, intervals = played(labels, a4_hz=a4_hz)
    magnitudes = constant_q(resample(samples.astype(np.float32), RATE, SAMPLE_RATE), a4_hz)
    found = recognise_chords(magnitudes, np.arange(0.5, 8, 0.5), 8.0)
    assert majmin(intervals, labels, found) == pytest.approx(1)


@pytest.mark.parametrize("downbeat_s", [3.0, 3.5])
def test_a_doubtful_change_of_chord_is_heard_at_the_downbeat(downbeat_s):
    samples = np.zeros(8 * RATE)
    samples[: 4 * RATE] += chord([36, 60, 64, 67], 4.0, fade_hz=0)
    samples[3 * RATE :] += chord([42, 66, 70, 73], 5.0, fade_hz=0)  # from 3 to 4 s both sound
    magnitudes = constant_q(resample(samples.astype(np.float32), RATE, SAMPLE_RATE))
    found = recognise_chords(magnitudes, np.arange(0.5, 8, 0.5), 8.0, np.array([downbeat_s]))
    assert [(chord.start_s, chord.chord) for chord in found] == [(0, "C:maj"), (downbeat_s, "F#:maj")]


def test_clicks_do_not_hide_the_chords():
    labels = ["C:maj", "A:min", "F:maj", "G:maj"] * 2
    samples, intervals = played(labels)
    clicks = place(np.arange(0, 7.9, 0.25), fading(noise(0.1, 1.0), 60), 8.0)
    found = recognise(samples + 0.5 * clicks, np.arange(0.5, 8, 0.5))
    assert majmin(intervals, labels, found) >= 0.95


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
