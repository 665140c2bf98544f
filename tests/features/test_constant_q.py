"""The constant-Q transform against sinusoids and librosa."""

import librosa
import numpy as np
import pytest

from audio_assets.audio.resample import resample
from audio_assets.features.constant_q import HOP_LENGTH, N_BINS, SAMPLE_RATE, Q, constant_q
from tests.features.music import RATE, drum_loop, sine

C1_HZ = 440 * 2 ** (-45 / 12)


@pytest.mark.parametrize("semitone", [0, 7, 24, 45, 60, 83])
def test_a_sine_on_a_semitone_has_its_amplitude_in_its_bin(semitone):
    magnitudes = constant_q(sine(C1_HZ * 2 ** (semitone / 12), 2, 0.5, SAMPLE_RATE))
    middle = magnitudes[len(magnitudes) // 2]
    assert middle.argmax() == semitone
    assert middle[semitone] == pytest.approx(0.5, rel=0.02)


@pytest.mark.parametrize("steps", [-3, -2, -1, 1, 2, 3])
def test_other_semitones_read_what_their_hann_window_lets_through(steps):
    middle = constant_q(sine(440, 2, 1.0, SAMPLE_RATE))[20]
    x = Q * (2 ** (-steps / 12) - 1)
    response = np.sinc(x) + (np.sinc(x - 1) + np.sinc(x + 1)) / 2
    assert middle[45 + steps] == pytest.approx(abs(response), abs=0.005)


def test_librosa_agrees_on_chroma():
    samples = resample(drum_loop("rock", 110, 10, chords=True).samples, RATE, SAMPLE_RATE)
    ours = constant_q(samples).reshape(-1, N_BINS // 12, 12).sum(axis=(0, 1))
    reference = np.abs(librosa.cqt(samples, sr=SAMPLE_RATE, hop_length=HOP_LENGTH, n_bins=N_BINS, tuning=0.0))
    theirs = reference.reshape(N_BINS // 12, 12, -1).sum(axis=(0, 2))
    cosine = ours @ theirs / np.linalg.norm(ours) / np.linalg.norm(theirs)
    assert cosine > 0.998


def test_a_detuned_instrument_is_read_at_its_own_tuning():
    a4_hz = 440 * 2 ** (0.4 / 12)
    magnitudes = constant_q(sine(a4_hz, 2, 1.0, SAMPLE_RATE), a4_hz)
    assert magnitudes[20, 45] == pytest.approx(1, rel=0.02)


def test_frames_are_46_milliseconds_apart_and_centred():
    samples = np.zeros(3 * SAMPLE_RATE, np.float32)
    samples[20 * HOP_LENGTH] = 1
    assert constant_q(samples)[:, 60].argmax() == 20
