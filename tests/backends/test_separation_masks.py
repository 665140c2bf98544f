"""The embedded separator on sounds whose stems are known."""

import numpy as np
import pytest
from scipy.signal import butter, sosfilt

from audio_assets.audio.chunk import concatenate
from audio_assets.backends.separation import SAMPLE_RATE, STEMS
from audio_assets.backends.separation.embedded import CHUNK, MaskSeparation
from audio_assets.backends.separation.masks import FRAME_LENGTH, median_of_nine, running_median
from audio_assets.backends.separation.melody import BIN_HZ, FUNDAMENTALS_HZ, track_melody
from audio_assets.demo.stem_scores import si_sdr_db

RNG = np.random.default_rng(0)


def separated(mix, size=None):
    blocks = [mix] if size is None else np.split(mix, range(size, mix.shape[1], size), axis=1)
    stems = concatenate(list(MaskSeparation().separate(lambda: blocks)))
    return dict(zip(STEMS, stems, strict=True))


def harmonics(hz, seconds, count, decay=1.0):
    time_s = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    phase = 2 * np.pi * np.cumsum(np.broadcast_to(hz, time_s.shape)) / SAMPLE_RATE
    return sum(np.sin(k * phase) / k**decay for k in range(1, count + 1))


@pytest.fixture(scope="module")
def band():
    """Six seconds of a kit, a bass, two panned organs and a sung line, and their sum."""
    seconds = 6
    n = seconds * SAMPLE_RATE
    time_s = np.arange(n) / SAMPLE_RATE
    since_beat = time_s % 0.5
    hiss = sosfilt(butter(4, 1500, "highpass", fs=SAMPLE_RATE, output="sos"), RNG.normal(0, 1, n))
    kick = np.sin(2 * np.pi * 60 * since_beat) * np.exp(-since_beat / 0.06)
    drums = 0.4 * hiss * np.exp(-since_beat / 0.03) + 0.6 * kick
    bass = 0.2 * harmonics(np.where(time_s % 4 < 2, 55.0, 73.4), seconds, 3, decay=2)
    left = 0.03 * (harmonics(220, seconds, 8) + harmonics(277.2, seconds, 8))
    right = 0.03 * (harmonics(329.6, seconds, 8) + harmonics(440, seconds, 8))
    sung = np.array([392, 440, 494, 392, 349, 330])[(time_s % 6).astype(int)]
    vocals = 0.06 * harmonics(sung * (1 + 0.01 * np.sin(2 * np.pi * 5.5 * time_s)), seconds, 12)
    stems = {
        "drums": np.stack([drums, drums]),
        "bass": np.stack([bass, bass]),
        "other": np.stack([left + 0.1 * right, 0.1 * left + right]),
        "vocals": np.stack([vocals, vocals]),
    }
    stems = {name: stem.astype(np.float32) for name, stem in stems.items()}
    return stems, sum(stems.values())


def test_each_stem_is_some_decibels_nearer_to_the_truth_than_the_mix_is(band):
    truth, mix = band
    found = separated(mix)
    improvement = {s: si_sdr_db(found[s], truth[s]) - si_sdr_db(mix, truth[s]) for s in STEMS}
    assert min(improvement.values()) > 5, improvement


@pytest.mark.parametrize("size", [4410, 100_003])
def test_stems_sum_to_the_mix_and_do_not_depend_on_the_blocks(size):
    mix = RNG.normal(0, 0.1, (2, CHUNK + 3 * SAMPLE_RATE + 17)).astype(np.float32)
    whole, cut = separated(mix), separated(mix, size)
    np.testing.assert_allclose(sum(whole.values()), mix, atol=1e-5)
    for stem in STEMS:
        np.testing.assert_array_equal(whole[stem], cut[stem])


@pytest.mark.parametrize("n", [1, 100, FRAME_LENGTH, SAMPLE_RATE])
def test_very_short_mixes_keep_their_length_and_sum(n):
    mix = RNG.normal(0, 0.1, (2, n)).astype(np.float32)
    found = separated(mix)
    assert all(found[stem].shape == mix.shape for stem in STEMS)
    np.testing.assert_allclose(sum(found.values()), mix, atol=1e-5)


def test_silence_has_silent_stems():
    found = separated(np.zeros((2, SAMPLE_RATE), np.float32))
    assert all(not found[stem].any() for stem in STEMS)


def test_what_is_on_one_side_only_is_no_voice():
    tone = harmonics(330, 3, 8).astype(np.float32) * 0.1
    found = separated(np.stack([tone, np.zeros_like(tone)]))
    energy = {stem: float((found[stem] ** 2).sum()) for stem in STEMS}
    assert energy["other"] > 0.95 * sum(energy.values())


def test_a_mono_mix_keeps_both_channels_equal():
    tone = harmonics(330, 2, 8).astype(np.float32) * 0.1
    found = separated(np.stack([tone, tone]))
    assert all(np.array_equal(*found[stem]) for stem in STEMS)
    assert (found["vocals"] ** 2).sum() > 10 * (found["bass"] ** 2).sum()


def test_the_median_of_nine_is_numpys():
    values = RNG.normal(size=(9, 40, 50)).astype(np.float32)
    np.testing.assert_array_equal(median_of_nine(list(values)), np.median(values, axis=0))


@pytest.mark.parametrize(("axis", "step"), [(0, 1), (0, 2), (1, 4)])
def test_the_running_median_is_of_nine_values_around(axis, step):
    values = RNG.normal(size=(60, 70)).astype(np.float32)
    found = running_median(values, axis, step)
    near = np.arange(-4 * step, 4 * step + 1, step)
    np.testing.assert_array_equal(
        found[33, 35],
        np.median(values[33 + near, 35] if axis == 0 else values[33, 35 + near]),
    )
    assert found.shape == values.shape


def test_a_melody_is_followed_over_a_stronger_low_tone():
    frames = 80
    hz = np.where(np.arange(frames) < 40, 220.0, 330.0)
    bins_hz = np.arange(557) * BIN_HZ
    spectrum = np.zeros((frames, 557), np.float32)
    for k in range(1, 11):
        spectrum += (np.exp(-0.5 * ((bins_hz - k * hz[:, None]) / 15) ** 2) / k).astype(np.float32)
    spectrum += 2 * np.exp(-0.5 * ((bins_hz - 131) / 15) ** 2).astype(np.float32)
    found = FUNDAMENTALS_HZ[track_melody(spectrum)]
    np.testing.assert_allclose(found, hz, rtol=0.02)
