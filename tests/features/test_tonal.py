"""Keys of synthesised cadences; chroma, HPCP, tuning and tonal interval vectors with known answers."""

import numpy as np
import pytest

from audio_assets.audio.resample import resample
from audio_assets.features.constant_q import SAMPLE_RATE, constant_q
from audio_assets.features.hpcp import pitch_classes
from audio_assets.features.tonal import (
    chroma_frames,
    estimate_key,
    mean_chroma,
    mean_hpcp,
    measure_harmonic_change,
    tonal_interval_vector,
)
from tests.features.music import NOTES, RATE, cadence, chord, noise, sine

C_MAJOR_TRIAD = [1, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0]


def low_rate(samples):
    return resample(np.asarray(samples, np.float32), RATE, SAMPLE_RATE)


@pytest.mark.parametrize("scale", ["major", "minor"])
@pytest.mark.parametrize("tonic", range(12))
def test_the_key_of_a_cadence_is_named(tonic, scale):
    key = estimate_key(cadence(tonic, scale == "minor"))
    assert (key.tonic, key.scale, key.name) == (tonic, scale, NOTES[tonic])
    assert key.strength > 0.5


@pytest.mark.parametrize("root", range(12))
def test_chroma_and_hpcp_of_a_triad_peak_at_its_notes(root):
    triad = low_rate(0.1 * chord([60 + root, 64 + root, 67 + root], 3))
    notes = {root, (root + 4) % 12, (root + 7) % 12}
    chroma = mean_chroma(chroma_frames(constant_q(triad)))
    hpcp = mean_hpcp(pitch_classes(triad).hpcp)
    assert set(np.argsort(chroma)[-3:].tolist()) == notes
    assert set(np.argsort(hpcp)[-3:].tolist()) == notes
    assert sum(chroma) == pytest.approx(1)
    assert min(hpcp) >= 0
    assert max(hpcp) <= 1


@pytest.mark.parametrize("a4_hz", [430.0, 435.0, 440.0, 444.0, 450.0])
def test_the_tuning_is_measured_and_does_not_move_the_chroma(a4_hz):
    triad = low_rate(0.1 * chord([60, 64, 67], 3, a4_hz=a4_hz))
    tuning_hz = pitch_classes(triad).a4_hz
    assert tuning_hz == pytest.approx(a4_hz, abs=0.5)
    chroma = mean_chroma(chroma_frames(constant_q(triad, tuning_hz)))
    assert set(np.argsort(chroma)[-3:].tolist()) == {0, 4, 7}


def test_noise_has_no_tuning():
    assert pitch_classes(low_rate(noise(5))).a4_hz is None


def test_gain_does_not_change_pitch_classes():
    triad = low_rate(0.1 * chord([57, 60, 64], 3))
    for measure in (
        lambda samples: mean_chroma(chroma_frames(constant_q(samples))),
        lambda samples: mean_hpcp(pitch_classes(samples).hpcp),
    ):
        np.testing.assert_allclose(measure(triad), measure(triad / 8), atol=0.01)


def test_the_tonal_interval_vector_of_one_note_is_its_weights():
    weights = np.array([3, 8, 11.5, 15, 14.5, 7.5])
    vector = np.array(tonal_interval_vector([1] + [0] * 11))
    np.testing.assert_allclose(vector[::2], weights / np.linalg.norm(weights), atol=1e-12)
    np.testing.assert_allclose(vector[1::2], 0, atol=1e-12)


def test_transposing_by_a_semitone_turns_the_kth_interval_by_k_twelfths():
    vector = np.array(tonal_interval_vector(C_MAJOR_TRIAD))
    transposed = np.array(tonal_interval_vector(np.roll(C_MAJOR_TRIAD, 1).tolist()))
    turn = np.exp(-2j * np.pi * np.arange(1, 7) / 12)
    np.testing.assert_allclose(
        transposed[::2] + 1j * transposed[1::2], (vector[::2] + 1j * vector[1::2]) * turn, atol=1e-12
    )
    assert np.linalg.norm(transposed) == pytest.approx(1)


def test_a_profile_of_equal_pitch_classes_has_no_direction():
    assert tonal_interval_vector([0.5] * 12) is None


def test_harmonic_change_of_chroma_that_jumps_between_two_notes_is_full():
    chroma = np.tile(np.eye(12, dtype=np.float32)[[0, 7]], (20, 1))
    change = measure_harmonic_change(chroma)
    assert change.harmonic_movement == pytest.approx(1)
    assert change.harmonic_variance == pytest.approx(2 * 0.25 / 12 / 0.1)


def test_harmonic_change_of_a_drone_is_none_at_all():
    change = measure_harmonic_change(np.tile(np.full(12, 1 / 12, np.float32), (20, 1)))
    assert change.harmonic_movement == pytest.approx(0, abs=1e-9)
    assert change.harmonic_variance == pytest.approx(0, abs=1e-9)
    assert measure_harmonic_change(np.zeros((1, 12), np.float32)).harmonic_movement is None


def test_silence_has_no_pitch_class_no_tuning_and_no_key():
    silence = np.zeros(3 * RATE, np.float32)
    assert mean_chroma(chroma_frames(constant_q(low_rate(silence)))) is None
    assert mean_hpcp(pitch_classes(low_rate(silence)).hpcp) is None
    assert pitch_classes(low_rate(silence)).a4_hz is None
    assert estimate_key(silence) is None


def test_half_a_second_has_no_key():
    assert estimate_key(sine(440, 0.5)) is None
