"""Envelope, flux and onsets against a plain loop, librosa, and sounds that begin at known times."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_assets.features.timbral.onsets import (
    _flux_onsets,
    find_onsets,
    mel_bands,
    onset_strength,
    peak_envelope,
)
from tests.features.timbral.signals import build, place, seconds

RATE = 44100


def looped_envelope(samples, rate, decay_s):
    amplitude = np.abs(samples)
    fall = amplitude.max() / (decay_s * rate)
    envelope, level, held = [], 0.0, 0
    for current in amplitude:
        if current >= level:
            level, held = current, 0
        elif held < 0.01 * rate:
            held += 1
        else:
            level = max(level - fall, current)
        envelope.append(level)
    return np.array(envelope)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 9000), st.floats(0.001, 1), st.floats(0.01, 0.4), st.integers(0, 99))
def test_the_envelope_in_chunks_is_that_of_one_loop(size, slowness, decay_s, seed):
    rng = np.random.default_rng(seed)
    smooth = np.convolve(rng.standard_normal(size), np.exp(-np.arange(50) * slowness))[:size]
    samples = (smooth * np.exp(-np.arange(size) / size * rng.uniform(0, 9))).astype(np.float32)
    expected = looped_envelope(samples.astype(float), RATE, decay_s)
    assert np.array_equal(peak_envelope(samples, RATE, decay_s), expected)


def test_a_peak_is_held_for_10_ms_and_gone_after_the_decay():
    samples = np.zeros(RATE, np.float32)
    samples[1000] = 1
    envelope = peak_envelope(samples, RATE, 0.2)
    assert (envelope[999], envelope[1000], envelope[1441]) == (0, 1, 1)
    assert envelope[1441 + 4410] == pytest.approx(0.5)
    assert envelope[1441 + 8820 + 1] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("rate", [44100, 48000, 96000])
def test_the_mel_bands_are_those_of_librosa(rate):
    bands = mel_bands(rate).T
    assert bands == pytest.approx(librosa.filters.mel(sr=rate, n_fft=2048), abs=1e-7)


@pytest.mark.parametrize("name", ["mix", "drums", "melody", "white_noise", "mix_48000"])
def test_flux_and_its_onsets_are_those_of_librosa(name):
    samples, rate = build(name)
    strength = onset_strength(samples, rate)
    assert strength == pytest.approx(librosa.onset.onset_strength(y=samples, sr=rate), abs=1e-3)
    expected = librosa.onset.onset_detect(y=samples, sr=rate, backtrack=True, units="samples")
    assert list(_flux_onsets(strength, rate)) == list(expected)


def test_notes_into_the_decay_of_others_are_found_where_they_begin():
    t = seconds(2.5, RATE)
    note = np.sin(2 * np.pi * 440 * t) * np.exp(-t / 0.3)
    begins_s = [0.0, 0.61, 1.24, 1.8]
    samples = place([(s, note) for s in begins_s], 2.5, RATE).astype(np.float32)
    envelope = peak_envelope(samples, RATE, 0.1)
    onsets = find_onsets(envelope, onset_strength(samples, RATE), RATE)
    assert onsets / RATE == pytest.approx(begins_s[1:], abs=0.02)


def test_after_silence_an_onset_reaches_back_to_where_the_silence_began():
    t = seconds(0.3, RATE)
    note = np.sin(2 * np.pi * 440 * t) * np.exp(-t / 0.05)
    note[np.abs(note) < 0.01] = 0
    samples = place([(0.2, note), (1.2, note)], 2, RATE).astype(np.float32)
    envelope = peak_envelope(samples, RATE, 0.1)
    onsets = find_onsets(envelope, onset_strength(samples, RATE), RATE)
    assert list(onsets) == [0, 1 + np.flatnonzero(envelope[:RATE])[-1]]


def test_a_sound_without_onsets_begins_at_its_start():
    silence = np.zeros(RATE, np.float32)
    onsets = find_onsets(np.zeros(RATE), onset_strength(silence, RATE), RATE)
    assert list(onsets) == [0]
