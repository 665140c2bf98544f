import essentia.standard as es
import numpy as np
import pytest

from audio_assets.demo.music import mix

RATE = 44_100


def noise(seconds, gain=0.1, seed=0):
    return (gain * np.random.default_rng(seed).standard_normal((2, int(seconds * RATE)))).astype(np.float32)


def strokes(seconds):
    """Short bursts twice a second, some 10 dB over what else plays."""
    out = noise(seconds, 0.3, seed=2)
    out[:, np.arange(out.shape[1]) % (RATE // 2) > 300] = 0
    return out


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_a_997_hz_sine_at_full_scale_on_both_channels_is_0_lufs(rate):
    """BS.1770-5: 0 dBFS at 997 Hz on one channel reads -3.01 LKFS."""
    sine = np.sin(2 * np.pi * 997 * np.arange(5 * rate) / rate).astype(np.float32)
    assert mix.loudness_lufs(np.stack([sine, sine]), rate) == pytest.approx(0.0, abs=0.02)
    assert mix.loudness_lufs(np.stack([sine, 0 * sine]), rate) == pytest.approx(-3.01, abs=0.02)


def test_loudness_agrees_with_essentia_on_gated_material():
    loud, quiet = noise(6), noise(6, gain=0.002, seed=1)
    samples = np.concatenate([loud, quiet, 0 * loud], axis=1)
    theirs = es.LoudnessEBUR128()(np.ascontiguousarray(samples.T))[2]
    assert mix.loudness_lufs(samples, RATE) == pytest.approx(theirs, abs=0.1)


def test_silence_has_no_loudness():
    assert mix.loudness_lufs(np.zeros((2, RATE), np.float32), RATE) == -np.inf


def test_the_master_reaches_its_loudness_under_the_ceiling_and_still_sums():
    stems = {"drums": strokes(4), "other": noise(4, 0.1, seed=1)}
    mastered = mix.master(stems, -14, RATE)
    total = np.sum([stem.astype(int) for stem in mastered.values()], axis=0)
    assert np.abs(total).max() <= mix.CEILING * 32767 + len(stems)
    assert mix.loudness_lufs(total / 32767, RATE) == pytest.approx(-14, abs=1.0)


def test_the_master_changes_all_stems_by_the_same_gain():
    stems = {"drums": strokes(2), "other": noise(2, 0.05, seed=1)}
    mastered = mix.master(stems, -14, RATE)
    both = (np.abs(stems["drums"]) > 0.1) & (np.abs(stems["other"]) > 0.02)
    drums, other = (np.abs(mastered[name][both] / (stems[name][both] * 32767)) for name in stems)
    assert np.allclose(drums, other, rtol=2e-3)
    assert drums.min() < 0.9 * drums.max()  # the limiter did work


@pytest.mark.parametrize("pan", [-1.0, -0.3, 0.0, 0.7, 1.0])
def test_panning_keeps_the_power(pan):
    placed = mix.place(noise(1)[:1], pan)
    assert np.sum(placed**2) == pytest.approx(2 * np.sum(noise(1)[:1] ** 2), rel=1e-5)
    assert placed.dtype == np.float32


def test_a_room_dies_by_sixty_decibels_in_its_time():
    response = mix.reverb_response(1.5, RATE).astype(float)
    energy = np.cumsum(np.sum(response**2, axis=0)[::-1])[::-1]  # Schroeder's integral
    decay_db = 10 * np.log10(energy / energy[0] + 1e-12)
    t5, t25 = (np.argmax(decay_db < level) / RATE for level in (-5, -25))
    assert 3 * (t25 - t5) == pytest.approx(1.5, rel=0.25)
    assert abs(np.corrcoef(response)[0, 1]) < 0.1  # the sides are different rooms


def test_echoes_cross_from_side_to_side():
    click = np.zeros((2, RATE), np.float32)
    click[0, 0] = 1
    out = mix.echo(click, 0.2, RATE)
    lag = int(0.2 * RATE)
    assert out[0, 0] == 1
    assert out[1, lag] == pytest.approx(0.35)
    assert out[0, 2 * lag] == pytest.approx(0.35**2)


def test_ducking_falls_at_the_kick_and_comes_back():
    gain = mix.duck(RATE, [0.5], RATE)
    assert gain[: int(0.499 * RATE)].min() == 1
    assert 0.5 < gain[int(0.51 * RATE)] < 0.65
    assert gain[int(0.85 * RATE)] > 0.98


def test_level_ignores_the_silence_around_a_part():
    part = np.zeros((2, 4 * RATE), np.float32)
    part[:, RATE : 2 * RATE] = noise(1)
    assert mix.rms_db(part, RATE) == pytest.approx(-20, abs=0.3)
