"""Against the test signals of EBU Tech 3341 (integrated loudness) and Tech 3342 (loudness range)."""

import essentia.standard
import numpy as np
import pytest

from audio_assets.features.loudness import k_weighting, measure_loudness
from tests.features.music import RATE, noise, sine


def stereo_tone(*parts, rate=48000):
    """Both channels a 1 kHz sine, for each (seconds, level in dBFS) in turn."""
    t = np.arange(round(sum(seconds for seconds, _ in parts) * rate)) / rate
    gain = np.concatenate([np.full(round(s * rate), 10 ** (db / 20)) for s, db in parts])
    return np.tile(gain * np.sin(2 * np.pi * 1000 * t[: len(gain)]), (2, 1)).astype(np.float32)


@pytest.mark.parametrize("rate", [44100, 48000])
@pytest.mark.parametrize(
    ("parts", "lufs"),
    [
        ([(20, -23)], -23),
        ([(20, -33)], -33),
        ([(10, -36), (60, -23), (10, -36)], -23),
        ([(10, -72), (10, -36), (60, -23), (10, -36), (10, -72)], -23),
        ([(20, -26), (20.1, -20), (20, -26)], -23),
    ],
    ids=["case 1", "case 2", "case 3", "case 4", "case 5"],
)
def test_integrated_loudness_of_tech_3341_is_within_a_tenth(parts, lufs, rate):
    assert measure_loudness(stereo_tone(*parts, rate=rate), rate).lufs == pytest.approx(lufs, abs=0.1)


@pytest.mark.parametrize(
    ("levels", "lra"),
    [((-20, -30), 10), ((-20, -15), 5), ((-40, -20), 20), ((-50, -35, -20, -35, -50), 15)],
    ids=["case 1", "case 2", "case 3", "case 4"],
)
def test_loudness_range_of_tech_3342_is_within_one(levels, lra):
    parts = [(20, level) for level in levels]
    assert measure_loudness(stereo_tone(*parts), 48000).lra == pytest.approx(lra, abs=1)


def test_the_filters_at_48_khz_are_the_table_of_bs_1770():
    shelf = [1.53512485958697, -2.69169618940638, 1.19839281085285, 1, -1.69065929318241, 0.73248077421585]
    high_pass = [1, -2, 1, 1, -1.99004745483398, 0.99007225036621]
    np.testing.assert_allclose(k_weighting(48000), [shelf, high_pass], atol=1e-10)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 96000, 192000])
def test_a_tone_is_as_loud_at_every_rate(rate):
    assert measure_loudness(stereo_tone((5, -23), rate=rate), rate).lufs == pytest.approx(-23, abs=0.1)


def test_essentia_agrees_on_noise():
    channels = np.stack([noise(20, 0.1, seed=1), noise(20, 0.05, seed=2)])
    ours = measure_loudness(channels, RATE)
    *_, lufs, lra = essentia.standard.LoudnessEBUR128(sampleRate=RATE)(np.ascontiguousarray(channels.T))
    assert ours.lufs == pytest.approx(lufs, abs=0.1)
    assert ours.lra == pytest.approx(lra, abs=0.1)


def test_one_channel_is_three_lu_quieter_than_the_same_on_two():
    tone = sine(1000, 5, 0.1)
    one, two = measure_loudness(tone[None], RATE), measure_loudness(np.stack([tone, tone]), RATE)
    assert two.lufs - one.lufs == pytest.approx(10 * np.log10(2), abs=1e-6)


def test_six_decibels_more_are_six_lu_more_and_the_same_range():
    channels = noise(8)[None] * np.linspace(0.1, 1, 8 * RATE, dtype=np.float32)
    quiet, loud = measure_loudness(channels, RATE), measure_loudness(2 * channels, RATE)
    assert loud.lufs - quiet.lufs == pytest.approx(20 * np.log10(2), abs=1e-4)
    assert loud.lra == pytest.approx(quiet.lra, abs=1e-4)


def test_silence_and_what_is_shorter_than_a_block_have_no_loudness():
    assert measure_loudness(np.zeros((2, 5 * RATE), np.float32), RATE).lufs is None
    assert measure_loudness(sine(1000, 0.39)[None], RATE).lufs is None
    assert measure_loudness(sine(1000, 0.41)[None], RATE).lufs is not None


def test_a_signal_below_three_seconds_has_loudness_but_no_range():
    short = measure_loudness(sine(1000, 2.9, 0.1)[None], RATE)
    assert short.lufs is not None
    assert short.lra is None


def test_more_than_two_channels_are_refused_with_what_to_do():
    with pytest.raises(ValueError, match="6 channels; wanted 1 or 2"):
        measure_loudness(np.zeros((6, RATE), np.float32), RATE)
