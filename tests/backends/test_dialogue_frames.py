"""Embedded dialogue frames against other implementations and closed forms."""

import tracemalloc

import librosa
import numpy as np
import pytest
import scipy.signal
from safetensors.numpy import save_file

from audio_assets.backends.dialogue_frames.acoustic import (
    DIMENSIONS,
    FRAME_LENGTH,
    N_MFCC,
    SAMPLE_RATE,
    acoustic_frames,
    regression_delta,
    static_frames,
)
from audio_assets.backends.dialogue_frames.context import ContextFrames
from audio_assets.backends.dialogue_frames.embedded import AcousticDialogueFrames
from models.training.shards import SafetensorsFrames, Shard

ENERGY, PITCH, FLATNESS = 60, 61, 62


@pytest.fixture(scope="module")
def noise():
    """Filtered noise that swells and fades, [2, 33.3 s]."""
    rng = np.random.default_rng(0)
    samples = scipy.signal.lfilter([1], [1, -0.9], rng.normal(0, 0.05, (2, 16_000 * 33 + 4_711)))
    swell = 0.5 + 0.5 * np.sin(np.arange(samples.shape[1]) / 9000)
    return (samples * swell).astype(np.float32)


def frames_of(samples):
    """The frames [T, D] of one signal."""
    return acoustic_frames([np.atleast_2d(np.asarray(samples, np.float32))])[0]


def harmonic(pitch_hz, seconds=2.0, partials=12):
    time_s = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    phase = 2 * np.pi * np.cumsum(np.broadcast_to(pitch_hz, time_s.shape)) / SAMPLE_RATE
    return 0.1 * sum(np.cos(k * phase) / k for k in range(1, partials))


def test_mfcc_and_flatness_are_those_of_scipy_and_librosa(noise):
    samples = noise[0]
    padded = np.pad(samples, (96, 96 + FRAME_LENGTH))
    power = np.stack(
        [
            scipy.signal.welch(
                padded[start : start + FRAME_LENGTH + 192],
                window="hann",
                nperseg=512,
                noverlap=192,
                detrend=False,
                return_onesided=False,
            )[1][:257]
            for start in range(0, len(samples), FRAME_LENGTH)
        ]
    )
    power = power + 1e-10
    mel = librosa.filters.mel(sr=16_000, n_fft=512, n_mels=40, fmin=50, fmax=8000, htk=True, norm=None)
    log_mel = np.log(power @ (mel / mel.sum(axis=1, keepdims=True)).T)
    found = frames_of(samples)
    expected = librosa.feature.mfcc(S=log_mel.T, n_mfcc=20, dct_type=2, norm="ortho").T
    np.testing.assert_allclose(found[:, :N_MFCC], expected, atol=2e-3)
    flatness = librosa.feature.spectral_flatness(S=power.T, power=1.0, amin=1e-30)[0]
    np.testing.assert_allclose(found[:, FLATNESS], flatness, rtol=1e-3)


def test_derivatives_are_those_of_librosa(noise):
    found = frames_of(noise[0])
    first = librosa.feature.delta(found[:, :20], width=5, axis=0, mode="nearest")
    second = librosa.feature.delta(first, width=5, axis=0, mode="nearest")
    np.testing.assert_allclose(found[:, 20:40], first, atol=1e-4)
    np.testing.assert_allclose(found[:, 40:60], second, atol=1e-4)


def test_a_straight_line_has_its_slope_as_derivative():
    line = np.arange(10, dtype=np.float32)[:, None] * np.float32(3)
    np.testing.assert_allclose(regression_delta(line)[2:-2], 3.0)


@pytest.mark.parametrize("pitch_hz", [65, 82.4, 110, 196, 261.6, 440, 490])
def test_the_pitch_of_a_voice_is_found_within_five_cents(pitch_hz):
    octaves = frames_of(harmonic(pitch_hz))[1:-1, PITCH]
    cents = 1200 * (octaves - np.log2(pitch_hz / 50))
    assert np.abs(cents).max() < 5


def test_the_pitch_follows_a_glide():
    pitch_hz = np.geomspace(100, 300, 4 * SAMPLE_RATE)
    octaves = frames_of(harmonic(pitch_hz, 4.0))[:, PITCH]
    middles = np.arange(len(octaves)) * FRAME_LENGTH + FRAME_LENGTH // 2
    expected = np.log2(pitch_hz[np.minimum(middles, len(pitch_hz) - 1)] / 50)
    assert np.abs(octaves - expected)[1:-1].max() < 0.02


def test_a_voice_without_its_fundamental_keeps_its_pitch():
    time_s = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    telephone = sum(np.cos(2 * np.pi * 120 * k * time_s) for k in range(3, 15)) * 0.02
    np.testing.assert_allclose(frames_of(telephone)[1:-1, PITCH], np.log2(120 / 50), atol=0.01)


@pytest.mark.parametrize("level", [0.3, 1e-3])
def test_noise_has_no_pitch(level):
    noise = np.random.default_rng(1).normal(0, level, 60 * SAMPLE_RATE)
    assert np.mean(frames_of(noise)[:, PITCH] > 0) < 0.002


def test_energy_is_the_level_in_decibels():
    sine = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(SAMPLE_RATE) / SAMPLE_RATE)
    np.testing.assert_allclose(frames_of(sine)[:12, ENERGY], 20 * np.log10(0.5 / np.sqrt(2)), atol=1e-4)


def test_silence_has_an_energy_and_no_pitch():
    silent = frames_of(np.zeros(5 * FRAME_LENGTH))
    np.testing.assert_allclose(silent[:, ENERGY], -100)
    assert not silent[:, PITCH].any()
    np.testing.assert_allclose(silent[:, FLATNESS], 1, rtol=1e-5)
    np.testing.assert_allclose(silent[:, 1:60], 0, atol=1e-4)


def test_a_silent_stretch_is_described_like_silence_whatever_else_sounds(noise):
    gated = noise.copy()
    gated[1, : 200 * FRAME_LENGTH] = 0
    both = static_frames([gated])
    silence = static_frames([np.zeros((1, FRAME_LENGTH), np.float32)])[0, 0]
    np.testing.assert_array_equal(both[1, :199], np.tile(silence, (199, 1)))
    _assert_same(both[0], static_frames([noise])[0])


@pytest.mark.parametrize("samples", [1, 1279, 1280, 1281, 128 * 1280, 128 * 1280 + 100])
def test_there_are_as_many_frames_as_cover_the_signal(samples):
    ones = np.full((2, samples), 0.1, np.float32)
    frames = AcousticDialogueFrames().frames([ones])
    assert [f.shape for f in frames] == [(-(-samples // FRAME_LENGTH), 2 * DIMENSIONS)] * 2
    assert all(np.isfinite(f).all() for f in frames)


@pytest.mark.parametrize("size", [1, 97, 1280, 16_000, 128 * 1280, 128 * 1280 + 1])
def test_frames_of_a_stream_are_those_of_the_whole_bit_for_bit(noise, size):
    whole = acoustic_frames([noise])
    samples = noise[:, :40_000] if size == 1 else noise
    blocks = np.split(samples, range(size, samples.shape[1], size), axis=1)
    streamed = acoustic_frames(blocks)
    if size == 1:
        whole = acoustic_frames([samples])
    _assert_same(streamed, whole)


def test_a_frame_describes_its_own_time_and_a_few_milliseconds_around(noise):
    changed = noise.copy()
    changed[:, 100 * FRAME_LENGTH :] = 0
    before, after = static_frames([noise]), static_frames([changed])
    _assert_same(before[:, :99], after[:, :99])
    assert (before[:, 100] != after[:, 100]).any()


def test_memory_does_not_grow_with_the_length_but_for_the_frames():
    def peak_beyond_frames(minutes):
        rng = np.random.default_rng(0)
        blocks = (rng.normal(0, 0.1, (2, 10 * SAMPLE_RATE)).astype(np.float32) for _ in range(6 * minutes))
        tracemalloc.start()
        try:
            frames = static_frames(blocks)
            return tracemalloc.get_traced_memory()[1] - 2 * frames.nbytes
        finally:
            tracemalloc.stop()

    static_frames([np.zeros((2, FRAME_LENGTH), np.float32)])
    assert peak_beyond_frames(12) < peak_beyond_frames(3) * 1.05


def test_the_user_stands_after_the_other_speaker(noise):
    first, second = AcousticDialogueFrames().frames([noise])
    one, two = acoustic_frames([noise]).astype(np.float16)
    np.testing.assert_array_equal(first, np.concatenate([two, one], axis=1))
    np.testing.assert_array_equal(second, np.concatenate([one, two], axis=1))


def test_context_is_the_same_wherever_reading_begins(tmp_path):
    stored = np.random.default_rng(4).normal(0, 1, (50, 6)).astype(np.float16)
    padded = np.concatenate([stored[:1]] * 4 + [stored] + [stored[-1:]] * 4)
    whole = np.concatenate([padded[shift : shift + 50] for shift in range(9)], axis=1)
    save_file({"frames": stored}, tmp_path / "a.safetensors")
    for rows in (stored, SafetensorsFrames(tmp_path / "a.safetensors")):
        frames = ContextFrames(rows, context=4)
        assert frames.shape == whole.shape == (50, 54)
        for start, stop in [(0, 50), (0, 1), (49, 50), (3, 7), (20, 31), (10, 10), (60, 70)]:
            np.testing.assert_array_equal(frames[start:stop], whole[start:stop])
    shard = Shard("a", np.zeros(50, np.float32), lambda: frames)
    np.testing.assert_array_equal(shard.read(5, 9).numpy(), whole[5:9])
    with pytest.raises(ValueError, match="step of 1"):
        frames[::2]


def test_an_episode_shorter_than_its_context_is_filled_up_at_both_ends():
    frames = ContextFrames(np.array([[1.0], [2.0]], np.float32), context=4)
    np.testing.assert_array_equal(frames[0:2], [[1, 1, 1, 1, 1, 2, 2, 2, 2], [1, 1, 1, 1, 2, 2, 2, 2, 2]])


def _assert_same(found, wanted):
    """Equal but for last bits: a matrix product may round otherwise with another number of rows."""
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)
