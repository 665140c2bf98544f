"""Rhythm in closed form."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_assets.features.onsets import Onsets
from audio_assets.features.rhythm import measure_onset_density, measure_rhythm

BEATS_S = np.arange(20) * 0.5


def onsets(times_s, strengths=None):
    times_s = np.asarray(times_s, float)
    return Onsets(times_s, np.ones(len(times_s)) if strengths is None else np.asarray(strengths, float))


def test_onsets_on_every_beat_are_even_and_not_syncopated():
    rhythm = measure_rhythm(onsets(BEATS_S), BEATS_S)
    assert (rhythm.syncopation, rhythm.on_beat_ratio) == (0, 1)
    assert rhythm.rhythmic_evenness == pytest.approx(1)
    assert rhythm.rhythmic_complexity == pytest.approx(0, abs=1e-9)
    assert rhythm.ioi_mean_s == pytest.approx(0.5)
    assert rhythm.ioi_std_s == pytest.approx(0, abs=1e-9)


def test_onsets_midway_are_all_syncopation():
    rhythm = measure_rhythm(onsets(BEATS_S[:-1] + 0.25), BEATS_S)
    assert (rhythm.syncopation, rhythm.on_beat_ratio) == (1, 0)


def test_syncopation_weighs_by_strength_and_the_ratio_counts():
    rhythm = measure_rhythm(onsets([0.0, 0.25, 0.5, 1.0], [1, 3, 1, 1]), BEATS_S)
    assert rhythm.syncopation == pytest.approx(3 / 6)
    assert rhythm.on_beat_ratio == pytest.approx(3 / 4)


@pytest.mark.parametrize(("distance_s", "on_beat"), [(0.069, 1), (0.071, 0)])
def test_the_beat_is_seventy_milliseconds_wide(distance_s, on_beat):
    for sign in (1, -1):
        assert measure_rhythm(onsets([2.0 + sign * distance_s]), BEATS_S).on_beat_ratio == on_beat


def test_complexity_and_evenness_of_alternating_intervals():
    """0.2 and 0.6 s in turn: two bins of the histogram, CV = 1/2."""
    times_s = np.cumsum([0.0] + [0.21, 0.61] * 20)
    rhythm = measure_rhythm(onsets(times_s), BEATS_S)
    variation = 0.2 / 0.41
    assert rhythm.rhythmic_complexity == pytest.approx((np.log(2) / 5 + variation / 2) / 2)
    assert rhythm.rhythmic_evenness == pytest.approx(1 / (1 + variation))


def test_a_millisecond_of_jitter_does_not_make_a_pulse_complex():
    rng = np.random.default_rng(0)
    times_s = np.arange(50) * 0.5 + 0.01 + rng.normal(0, 0.001, 50)
    assert measure_rhythm(onsets(times_s), BEATS_S).rhythmic_complexity < 0.01


def test_without_beats_only_the_intervals_are_known():
    rhythm = measure_rhythm(onsets([0.0, 1.0, 2.0]), np.zeros(0))
    assert rhythm.syncopation is None
    assert rhythm.on_beat_ratio is None
    assert rhythm.ioi_mean_s == 1.0


@pytest.mark.parametrize("count", [0, 1])
def test_without_intervals_there_is_no_evenness(count):
    rhythm = measure_rhythm(onsets(np.arange(count)), BEATS_S)
    assert rhythm.ioi_mean_s is None
    assert rhythm.rhythmic_evenness is None
    assert rhythm.rhythmic_complexity is None


@given(
    st.lists(st.floats(0, 60), max_size=60, unique=True), st.lists(st.floats(0, 60), max_size=40, unique=True)
)
def test_ratios_stay_between_0_and_1(times_s, beats_s):
    rhythm = measure_rhythm(onsets(sorted(times_s)), np.array(sorted(beats_s)))
    ratios = [rhythm.syncopation, rhythm.on_beat_ratio, rhythm.rhythmic_complexity, rhythm.rhythmic_evenness]
    assert all(ratio is None or 0 <= ratio <= 1 for ratio in ratios)


def test_density_is_the_mean_over_half_overlapping_windows():
    """Onsets at 2 Hz in the first 4 of 8 s: windows at 0, 2 and 4 s hold 8, 4 and 0 of them."""
    density = measure_onset_density(np.arange(8) * 0.5, 8.0)
    assert density.onset_density_average == pytest.approx(1.0)
    assert density.onset_density_variance == pytest.approx(np.var([2.0, 1.0, 0.0]))


def test_a_short_signal_is_one_window_without_variance():
    density = measure_onset_density(np.array([0.1, 0.6]), 1.0)
    assert density.onset_density_average == pytest.approx(2.0)
    assert density.onset_density_variance is None
