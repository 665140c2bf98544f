"""Spectral shape against closed forms, librosa and Essentia."""

import essentia.standard
import librosa
import numpy as np
import pytest

from audio_assets.features.frames import FRAME_LENGTH, HOP_LENGTH, describe_frames
from audio_assets.features.spectral import summarise_spectrum
from audio_assets.features.spectrogram import ANALYSIS_RATE
from tests.features.music import RATE, drum_loop, noise, sine

BIN_HZ = ANALYSIS_RATE / FRAME_LENGTH


def shape(samples):
    return summarise_spectrum(describe_frames(samples))


def test_white_noise_is_flat_centred_and_uniform():
    white = shape(noise(10))
    assert white.spectral_flatness == pytest.approx(np.exp(-np.euler_gamma), rel=0.01)
    assert white.spectral_centroid_hz == pytest.approx(RATE / 4, rel=0.01)
    assert white.spectral_skewness == pytest.approx(0, abs=0.02)
    assert white.spectral_kurtosis == pytest.approx(1.8, rel=0.01)
    assert white.spectral_rolloff_hz == pytest.approx(0.85 * RATE / 2, rel=0.01)


def test_a_sine_on_a_bin_has_the_moments_of_the_hann_window():
    """Its magnitudes are 1/2, 1, 1/2: variance half a squared bin, kurtosis 2."""
    tone = shape(sine(100 * BIN_HZ, 2))
    assert tone.spectral_centroid_hz == pytest.approx(100 * BIN_HZ, abs=0.1)
    assert tone.spectral_bandwidth_hz == pytest.approx(np.sqrt(0.5) * BIN_HZ, rel=0.02)
    assert tone.spectral_kurtosis == pytest.approx(2, rel=0.05)
    assert tone.spectral_flux == pytest.approx(0, abs=1e-3)
    assert tone.spectral_flatness < 1e-6


def test_flux_is_the_distance_of_neighbouring_spectra_of_unit_norm():
    samples = np.concatenate([sine(1000), sine(8000)])
    magnitude = np.abs(librosa.stft(samples, n_fft=FRAME_LENGTH, hop_length=HOP_LENGTH, pad_mode="constant"))
    steps = np.linalg.norm(np.diff(librosa.util.normalize(magnitude, norm=2, axis=0), axis=1), axis=0)
    flux = describe_frames(samples).flux
    np.testing.assert_allclose(flux[1:], steps, atol=1e-3)
    assert abs(int(np.nanargmax(flux)) - RATE // HOP_LENGTH) <= 1


def test_a_change_to_other_frequencies_within_one_hop_is_no_farther_than_the_square_root_of_two():
    bursts = np.concatenate([noise(0.1, seed=seed) * (seed % 2) for seed in range(20)])
    assert np.nanmax(describe_frames(bursts.astype(np.float32)).flux) <= np.sqrt(2)


def test_librosa_agrees_on_a_drum_loop():
    samples = drum_loop("rock", 110, 10, chords=True).samples + noise(10, 1e-3)
    magnitude = np.abs(librosa.stft(samples, n_fft=FRAME_LENGTH, hop_length=HOP_LENGTH, pad_mode="constant"))
    ours, theirs = shape(samples), librosa.feature
    for value, reference in [
        (ours.spectral_flatness, theirs.spectral_flatness(S=magnitude)),
        (ours.spectral_centroid_hz, theirs.spectral_centroid(S=magnitude, sr=RATE)),
        (ours.spectral_bandwidth_hz, theirs.spectral_bandwidth(S=magnitude, sr=RATE)),
        (ours.spectral_rolloff_hz, theirs.spectral_rolloff(S=magnitude**2, sr=RATE)),
    ]:
        assert value == pytest.approx(np.median(reference), rel=1e-3)


def test_essentia_agrees_on_skewness_and_kurtosis_which_it_reduces_by_three():
    samples = noise(0.2, seed=3) * np.hanning(round(0.2 * RATE)).astype(np.float32) + sine(3000, 0.2, 0.1)
    frame = samples[4096 - 1024 : 4096 + 1024]
    spectrum = essentia.standard.Spectrum()(essentia.standard.Windowing(type="hann", zeroPhase=False)(frame))
    moments = essentia.standard.CentralMoments(mode="pdf", range=RATE / 2)(spectrum)
    spread, skewness, kurtosis = essentia.standard.DistributionShape()(moments)
    ours = describe_frames(samples)
    assert ours.bandwidth_hz[8] ** 2 == pytest.approx(spread, rel=0.01)
    assert ours.skewness[8] == pytest.approx(skewness, abs=0.01)
    assert ours.kurtosis[8] - 3 == pytest.approx(kurtosis, abs=0.02)


def test_the_shape_does_not_depend_on_gain():
    samples = drum_loop("disco", 120, 5).samples + noise(5, 1e-3)
    loud, quiet = shape(samples), shape(samples / 32)
    for name, value in vars(loud).items():
        assert getattr(quiet, name) == pytest.approx(value, rel=1e-4), name


def test_silent_frames_are_left_out():
    tone = sine(1000, 1)
    padded = np.concatenate([np.zeros(3 * RATE, np.float32), tone])
    assert shape(padded).spectral_centroid_hz == pytest.approx(shape(tone).spectral_centroid_hz, rel=0.01)


def test_silence_has_no_shape():
    assert set(vars(shape(np.zeros(RATE, np.float32))).values()) == {None}
    assert set(vars(shape(np.zeros(0, np.float32))).values()) == {None}


def test_one_frame_has_a_shape_but_no_flux():
    one = shape(noise(0.01))
    assert one.spectral_flux is None
    assert one.spectral_flatness is not None
