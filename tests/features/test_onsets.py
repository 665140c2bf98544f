"""Onsets of synthesised strokes, scored by mir_eval (F at ±50 ms)."""

import mir_eval
import numpy as np
import pytest

from audio_assets.features.frames import describe_frames
from audio_assets.features.onsets import band_rises, detect_onsets, interpolated_peaks, summarise_onsets
from tests.features.music import PATTERNS, RATE, click_track, drum_loop, fading, noise, place, sine


def onsets_of(samples):
    return detect_onsets(band_rises(describe_frames(samples).mel_power).mean(axis=1))


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_stroke_of_a_drum_loop_is_found_and_little_else(pattern):
    loop = drum_loop(pattern, 100, 15)
    f_measure, *_ = mir_eval.onset.f_measure(loop.strokes_s, onsets_of(loop.samples).times_s)
    assert f_measure >= 0.95


@pytest.mark.parametrize("sound", ["tick", "burst", "impulse"])
def test_onset_times_are_within_ten_milliseconds(sound):
    samples, times_s = click_track(113, sound=sound)
    np.testing.assert_allclose(onsets_of(samples).times_s, times_s, atol=0.01)


def test_an_onset_on_the_first_sample_is_found():
    samples = place([0.0, 1.0], fading(noise(0.3), 20), 2.0).astype(np.float32)
    np.testing.assert_allclose(onsets_of(samples).times_s, [0.0, 1.0], atol=0.015)


def test_the_end_of_a_file_in_mid_sound_is_no_onset():
    assert len(onsets_of(sine(440, 3, 0.5)).times_s) == 1


def test_a_louder_attack_is_a_stronger_onset():
    burst = fading(noise(0.2), 30)
    samples = place([0.5, 1.0, 1.5], burst, 2.0, gains=[0.1, 0.3, 1.0]) + noise(2.0, 1e-3)
    strengths = onsets_of(samples.astype(np.float32)).strengths
    assert np.all(np.diff(strengths[-3:]) > 0)


def test_strength_is_read_at_the_peak_of_the_envelope():
    envelope = np.zeros(60, np.float32)
    envelope[28:33] = [0.2, 1.0, 4.0, 1.0, 0.2]
    onsets = detect_onsets(envelope)
    assert onsets.strengths.tolist() == [4.0]


def test_onsets_do_not_depend_on_gain():
    samples = drum_loop("breakbeat", 100, 8).samples
    loud, quiet = onsets_of(samples), onsets_of(samples / 64)
    np.testing.assert_allclose(loud.times_s, quiet.times_s, atol=1e-4)
    np.testing.assert_allclose(loud.strengths, quiet.strengths, rtol=1e-3)


def test_steady_sounds_begin_once():
    vibrato = np.sin(
        2 * np.pi * 440 * np.arange(5 * RATE) / RATE + 20 * np.sin(12 * np.pi * np.arange(5 * RATE) / RATE)
    )
    assert len(onsets_of(vibrato.astype(np.float32)).times_s) == 1
    assert len(onsets_of(noise(5)).times_s) <= 2


def test_silence_has_no_onsets_and_their_strength_is_unknown():
    silence = summarise_onsets(onsets_of(np.zeros(RATE, np.float32)), 1.0)
    assert (silence.onset_count, silence.onset_density_hz) == (0, 0.0)
    assert silence.onset_strength_mean is None


def test_a_parabola_is_interpolated_to_its_vertex():
    frames = np.arange(10)
    envelope = (5 - (frames - 4.3) ** 2).clip(0).astype(np.float32)
    assert interpolated_peaks(envelope, np.array([4]))[0] == pytest.approx(4.3)
