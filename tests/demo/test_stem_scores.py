"""Scores of stems and drum hits, against closed forms."""

import numpy as np
import pytest

from audio_assets.demo.stem_scores import StemScore, drum_f, score_stems, si_sdr_db
from audio_assets.demo.truth import DrumOnset


def orthogonal(n=1000):
    time = np.arange(n)
    one = np.sin(2 * np.pi * 10 * time / n)
    other = np.sin(2 * np.pi * 17 * time / n)
    return np.float32([one, one]), np.float32([other, other])


@pytest.mark.parametrize("db", [-20.0, 0.0, 7.5])
@pytest.mark.parametrize("gain", [0.1, 3.0])
def test_si_sdr_of_a_truth_with_orthogonal_noise_is_their_ratio_at_any_gain(db, gain):
    truth, noise = orthogonal()
    estimate = np.float32(gain) * (truth + np.float32(10 ** (-db / 20)) * noise)
    assert si_sdr_db(estimate, truth) == pytest.approx(db, abs=1e-3)


def test_a_perfect_estimate_is_infinite_and_a_silent_one_minus_infinite():
    truth, _ = orthogonal()
    assert si_sdr_db(truth, truth) > 100
    assert si_sdr_db(np.zeros_like(truth), truth) == -np.inf


def test_a_silent_truth_has_no_score():
    truth, _ = orthogonal()
    assert si_sdr_db(truth, np.zeros_like(truth)) is None


def test_other_lengths_are_refused():
    truth, _ = orthogonal()
    with pytest.raises(ValueError, match="wanted the truth's"):
        si_sdr_db(truth[:, :-1], truth)


def test_the_improvement_is_against_the_mix_and_doing_nothing_has_none():
    drums, bass = orthogonal()
    mix = drums + np.float32(0.5) * bass
    truth = {"drums": drums, "bass": np.float32(0.5) * bass, "vocals": np.zeros_like(drums)}
    estimates = {"drums": drums + np.float32(0.05) * bass, "bass": mix, "vocals": drums}
    # Lossy copies are longer by some samples.
    estimates = {name: np.pad(samples, ((0, 0), (0, 7))) for name, samples in estimates.items()}
    scores = score_stems(estimates, truth, mix)
    assert scores["drums"] == StemScore(pytest.approx(26.02, abs=0.01), pytest.approx(20.0, abs=0.01))
    assert scores["bass"] == StemScore(pytest.approx(-6.02, abs=0.01), pytest.approx(0.0, abs=1e-6))
    assert scores["vocals"] is None


def test_drum_hits_count_within_fifty_milliseconds_and_within_their_class():
    truth = [DrumOnset(time_s, "kick", "BD", 1.0) for time_s in (1.0, 2.0, 3.0, 4.0)]
    hits = [(1.04, 35), (2.06, 35), (3.0, 38), (3.99, 35)]
    # Two of three are right and two of four are found.
    assert drum_f(hits, truth, "BD") == pytest.approx(2 * (2 / 3) * (1 / 2) / (2 / 3 + 1 / 2))
    assert drum_f([], truth, "BD") == 0.0
    assert drum_f(hits, truth, "SD") is None
