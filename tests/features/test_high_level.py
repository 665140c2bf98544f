"""Atonality in closed form and on music; danceability where it has an answer."""

import numpy as np
import pytest

from audio_assets.audio.resample import resample
from audio_assets.features.constant_q import SAMPLE_RATE
from audio_assets.features.high_level import atonality, danceability
from audio_assets.features.hpcp import pitch_classes
from audio_assets.features.tonal import mean_hpcp
from tests.features.music import RATE, cadence, chord, drum_loop, noise, sine

C_MAJOR_SCALE = [1, 0, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1]


def atonality_of(samples):
    return atonality(mean_hpcp(pitch_classes(resample(samples, RATE, SAMPLE_RATE)).hpcp))


@pytest.mark.parametrize("transposition", range(12))
def test_a_diatonic_scale_is_tonal_in_every_key(transposition):
    assert atonality(np.roll(C_MAJOR_SCALE, transposition).tolist()) == pytest.approx(0, abs=1e-9)


def test_whole_tones_and_all_twelve_are_atonal():
    assert atonality([1, 0] * 6) == pytest.approx(1)
    assert atonality([1] * 12) == pytest.approx(1)


def test_cadences_are_tonal_and_clusters_random_chords_and_noise_are_not():
    rng = np.random.default_rng(0)
    random_chords = np.concatenate(
        [chord(48 + rng.choice(36, 4, replace=False), 0.5) for _ in range(30)]
    ).astype(np.float32)
    cluster = sum(sine(261.6 * 2 ** (k / 12), 5, 0.05) for k in range(12))
    assert max(atonality_of(cadence(3, minor)) for minor in (False, True)) < 0.3
    assert min(atonality_of(samples) for samples in (random_chords, cluster, noise(10))) > 0.8


def test_danceability_is_between_0_and_1_and_unknown_where_nothing_moves():
    assert 0 < danceability(drum_loop("house", 124, 20).samples) <= 1
    assert danceability(np.zeros(20 * RATE, np.float32)) is None
    assert danceability(noise(9)) is None
