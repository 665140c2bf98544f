"""The rule of tempo, in closed form."""

import numpy as np
import pytest

from audio_assets.features.tempo import measure_tempo, stable_share


def beats(*stretches, start_s=0.0):
    """Beat times of (count, interval) stretches."""
    intervals = np.concatenate([np.full(count, interval_s) for count, interval_s in stretches])
    return start_s + np.concatenate([[0], np.cumsum(intervals)])


def test_tempo_is_sixty_over_the_mean_interval():
    tempo = measure_tempo(beats((10, 0.5), (10, 0.52)))
    assert tempo.bpm == pytest.approx(60 / 0.51)
    assert tempo.beat_regularity_s == pytest.approx(0.01)
    assert tempo.beat_count == 21


@pytest.mark.parametrize(("count", "is_defined"), [(14, False), (15, True)])
def test_fifteen_beats_make_a_tempo(count, is_defined):
    assert measure_tempo(beats((count - 1, 0.5))).bpm_is_defined is is_defined


@pytest.mark.parametrize(("bpm", "is_defined"), [(39, False), (41, True), (299, True), (301, False)])
def test_a_tempo_lies_between_40_and_300(bpm, is_defined):
    tempo = measure_tempo(beats((20, 60 / bpm)))
    assert tempo.bpm_is_defined is is_defined
    assert (tempo.bpm is not None) is is_defined


def test_irregular_beats_have_no_tempo():
    rng = np.random.default_rng(0)
    tempo = measure_tempo(np.cumsum(rng.uniform(0.2, 1.2, 100)))
    assert (tempo.bpm, tempo.bpm_is_defined) == (None, False)
    assert tempo.beat_regularity_s > 0.15


def test_irregular_beats_with_a_stable_tenth_have_a_tempo():
    rng = np.random.default_rng(0)
    intervals = rng.uniform(0.2, 1.2, 88)
    intervals[40:52] = 0.5
    assert stable_share(intervals) == pytest.approx(12 / 88, abs=0.03)
    assert measure_tempo(np.cumsum(intervals)).bpm_is_defined


def test_no_beats_and_one_beat_have_no_tempo():
    assert measure_tempo(np.zeros(0)).bpm is None
    assert measure_tempo(np.array([1.0])).beat_regularity_s is None
