"""Harmonic-percussive separation against NumPy's median and librosa's separation."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view

from audio_assets.features.timbral.percussive import percussive_ratio, sliding_median
from tests.features.timbral.signals import build


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 120), st.integers(1, 5), st.sampled_from([np.float32, np.uint16]), st.integers(0, 99))
def test_the_sliding_median_is_the_median_of_mirrored_windows(rows, lanes, dtype, seed):
    values = (1000 * np.random.default_rng(seed).random((rows, lanes))).astype(dtype)
    windows = sliding_window_view(np.pad(values, ((15, 15), (0, 0)), mode="symmetric"), 31, axis=0)
    assert np.array_equal(sliding_median(values), np.median(windows, axis=2))


@pytest.mark.parametrize("name", ["mix", "sine_440", "noise_bursts", "blip"])
def test_the_percussive_share_is_that_of_librosa(name):
    samples, _ = build(name)
    harmonic, percussive = (librosa.istft(part) for part in librosa.decompose.hpss(librosa.stft(samples)))

    def rms_sum(part):
        starts = range(0, max(part.size - 1024, 0), 512)
        frames = [part[start : start + 1024] for start in starts] + [part[len(starts) * 512 :]]
        return sum(np.sqrt(np.mean(frame**2)) for frame in frames)

    expected = rms_sum(percussive) / (rms_sum(percussive) + rms_sum(harmonic))
    assert percussive_ratio(samples) == pytest.approx(expected, rel=1e-3)


def test_a_click_is_percussive_and_a_tone_is_not():
    click = np.zeros(44100, np.float32)
    click[22050] = 1
    assert percussive_ratio(click) > 0.95
    assert percussive_ratio(build("sine_440")[0]) < 0.2


def test_silence_has_no_percussive_share():
    assert percussive_ratio(np.zeros(44100, np.float32)) is None
