"""Notes from spectra: overtones and noise are none, octaves and loudness do not matter."""

import numpy as np
import pytest

from audio_assets.audio.resample import resample
from audio_assets.features.constant_q import N_BINS, SAMPLE_RATE, constant_q
from audio_assets.features.notes import (
    note_activations,
    sounding_notes,
    span_means,
    unit_rows,
    whiten,
)
from tests.features.music import RATE, chord, drum_loop, noise, sine, tone

EDGES_S = np.array([0.2, 0.8, 1.4])


def spectrum(samples):
    return constant_q(resample(np.asarray(samples, np.float32), RATE, SAMPLE_RATE))


def notes_of(samples):
    return sounding_notes(spectrum(samples), EDGES_S)


@pytest.mark.parametrize("pitch", range(36, 84, 5))
def test_a_tone_with_overtones_is_one_note(pitch):
    spectra = span_means(whiten(spectrum(tone(pitch, 2, fade_hz=0.5))), EDGES_S)
    activations = note_activations(spectra)
    assert (activations.argmax(axis=1) == pitch - 24).all()
    share = activations[:, pitch - 24 - 1 : pitch - 24 + 2].sum(axis=1) / activations.sum(axis=1)
    overtones = activations[:, [pitch - 24 + 12, pitch - 24 + 19]] if pitch < 76 else np.zeros((2, 1))
    assert share.min() > 0.5
    assert (overtones.max(axis=1) < 0.25 * activations.max(axis=1)).all()


def test_activations_are_not_negative_and_scale_with_the_spectrum():
    spectra = span_means(whiten(spectrum(chord([48, 60, 64, 67], 2))), EDGES_S)
    activations = note_activations(spectra)
    assert (activations >= 0).all()
    np.testing.assert_allclose(note_activations(2 * spectra), 2 * activations, rtol=1e-3, atol=1e-6)


def test_treble_and_bass_are_told_apart():
    notes = notes_of(chord([60, 64, 67, 41], 2, fade_hz=0.5))
    assert set(np.argsort(notes.treble[0])[-3:].tolist()) == {0, 4, 7}
    assert (notes.bass.argmax(axis=1) == 5).all()


def test_high_notes_alone_have_no_bass():
    assert not notes_of(chord([72, 76, 79], 2)).bass.any()


def test_loudness_does_not_matter():
    loud, soft = (notes_of(gain * chord([48, 64, 67], 2)) for gain in (0.3, 0.03))
    np.testing.assert_allclose(loud.treble, soft.treble, atol=0.05)
    np.testing.assert_allclose(loud.bass, soft.bass, atol=0.05)


@pytest.mark.parametrize("sound", ["noise", "drums", "sine"])
def test_noise_drums_and_one_partial_are_less_tonal_than_a_chord(sound):
    sounds = {"noise": noise(2), "drums": drum_loop("rock", 100, 2).samples, "sine": sine(440, 2)}
    assert np.median(notes_of(sounds[sound]).tonality) < 0.9
    assert (notes_of(chord([48, 60, 64, 67], 2)).tonality == 1).all()


def test_silence_has_no_notes():
    notes = sounding_notes(np.zeros((50, N_BINS), np.float32), EDGES_S)
    assert not (notes.treble.any() or notes.bass.any() or notes.tonality.any())


def test_white_noise_whitened_has_the_level_that_is_taken_for_none():
    assert whiten(spectrum(noise(20)))[5:-5, 24:72].mean() == pytest.approx(0.4, abs=0.03)


def test_means_of_spans_and_of_spans_shorter_than_a_frame():
    frames = np.arange(20, dtype=np.float32)[:, None]
    means = span_means(frames, np.array([0, 1, 1.01, 3]), frame_rate=5)
    np.testing.assert_allclose(means[:, 0], [2, 5, 9.5])


def test_rows_of_zeros_stay_zero():
    np.testing.assert_allclose(unit_rows(np.array([[3.0, 4.0], [0, 0]])), [[0.6, 0.8], [0, 0]])
