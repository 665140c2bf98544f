"""The bar: loops with chords tell theirs, a metronome and drums alone do not."""

from functools import cache

import numpy as np
import pytest

from audio_assets.audio.signal import Signal
from audio_assets.features import shared
from audio_assets.features.downbeats import find_bars, place_bars
from tests.features.music import RATE, chord, click_track, drum_loop, noise


@cache
def played(pattern, bpm):
    """A loop with chords, as a signal, and its beats."""
    loop = drum_loop(pattern, bpm, seconds=26, chords=True)
    return Signal.from_array(loop.samples, RATE), loop.beats_s


def bars_of(samples, beats_s):
    return bars_of_signal(Signal.from_array(samples, RATE), beats_s)


def bars_of_signal(signal, beats_s):
    mel_power = signal.once(shared.frames).mel_power
    magnitudes = signal.once(shared.constant_q_magnitudes)
    return find_bars(beats_s, signal.once(shared.accents), mel_power, magnitudes, signal.duration_s)


def positions(metre, beats, first=1):
    return tuple((first - 1 + beat) % metre + 1 for beat in range(beats))


def evidence_of(downbeats, noise_level=0.5, seed=0):
    """Evidence of bars of these lengths: 1 at downbeats, and noise."""
    pulses = np.concatenate([np.eye(1, length)[0] for length in downbeats])
    return pulses + noise_level * np.random.default_rng(seed).standard_normal(len(pulses))


@pytest.mark.parametrize("pattern", ["rock", "pushed", "house", "breakbeat", "halftime", "disco"])
@pytest.mark.parametrize("upbeats", [0, 1, 3])
def test_bars_of_four_start_where_the_chord_changes(pattern, upbeats):
    signal, beats_s = played(pattern, 112)
    beats_s = beats_s[(4 - upbeats) % 4 :]
    bars = bars_of_signal(signal, beats_s)
    assert bars.beats_per_bar == 4
    assert bars.positions == positions(4, len(beats_s), first=(4 - upbeats) % 4 + 1)


@pytest.mark.parametrize("upbeats", [0, 1, 2])
def test_a_waltz_has_bars_of_three(upbeats):
    signal, beats_s = played("waltz", 128)
    beats_s = beats_s[(3 - upbeats) % 3 :]
    bars = bars_of_signal(signal, beats_s)
    assert bars.beats_per_bar == 3
    assert bars.positions == positions(3, len(beats_s), first=(3 - upbeats) % 3 + 1)


def test_bars_go_on_through_a_change_of_tempo():
    slow, fast = (drum_loop("rock", bpm, seconds=24, chords=True) for bpm in (92, 124))
    end_s = slow.downbeats_s[8]
    samples = np.concatenate([slow.samples[: round(end_s * RATE)], fast.samples[round(0.2 * RATE) :]])
    beats_s = np.concatenate([slow.beats_s[:32], fast.beats_s - 0.2 + end_s])
    assert bars_of(samples, beats_s).positions == positions(4, len(beats_s))


def test_chords_alone_tell_bars_without_any_drum():
    roots = (0, 5, 7, 0, 9, 5, 7, 0, 2, 7)
    bars = [chord([48 + r, 52 + r, 55 + r, 36 + r], 2.0) for r in roots]
    struck = [chord([60 + r, 64 + r, 67 + r], 0.5) for r in roots for _ in range(4)]
    samples = np.concatenate(bars) + 0.5 * np.concatenate(struck)
    found = bars_of(samples / np.abs(samples).max(), np.arange(0, 20, 0.5))
    assert found.positions == positions(4, 40)


@pytest.mark.parametrize("bpm", [90, 120, 150])
def test_a_metronome_has_no_bars(bpm):
    samples, times_s = click_track(bpm, seconds=30)
    assert bars_of(samples, times_s) is None


@pytest.mark.parametrize("pattern", ["rock", "house", "disco", "breakbeat", "waltz"])
def test_drums_alone_are_given_no_bars(pattern):
    loop = drum_loop(pattern, 120, seconds=25)
    assert bars_of(loop.samples, loop.beats_s) is None


def test_noise_and_silence_have_no_bars():
    beats_s = np.arange(0.5, 29, 0.5)
    assert bars_of(noise(30), beats_s) is None
    assert bars_of(np.zeros(30 * RATE, np.float32), beats_s) is None


def test_a_few_beats_are_no_bars():
    samples, times_s = click_track(120, seconds=5)
    assert bars_of(samples, times_s) is None
    assert bars_of(samples, np.zeros(0)) is None


@pytest.mark.parametrize("metre", [3, 4])
@pytest.mark.parametrize("seed", range(5))
def test_the_metre_is_the_one_whose_downbeats_stand_out(metre, seed):
    bars = place_bars(evidence_of([metre] * 20, seed=seed))
    assert (bars.beats_per_bar, bars.positions) == (metre, positions(metre, 20 * metre))


def test_positions_count_from_the_downbeat():
    bars = place_bars(evidence_of([4] * 20)[1:])
    assert bars.positions[:6] == (2, 3, 4, 1, 2, 3)


@pytest.mark.parametrize("irregular", [2, 3, 5])
def test_bars_find_back_after_a_beat_too_few_or_too_many(irregular):
    lengths = [4] * 15 + [irregular] + [4] * 15
    bars = place_bars(evidence_of(lengths, 0.3))
    expected = [position for length in lengths for position in range(1, length + 1)]
    differing = np.flatnonzero(np.array(bars.positions) != expected)
    assert set(differing.tolist()) <= set(range(60, 60 + irregular))


def test_evidence_that_repeats_within_the_bar_is_not_given_bars_of_four():
    alternating = np.tile([1.0, 0.0], 40)
    assert place_bars(alternating) is None
    found = [place_bars(alternating + 0.3 * noise(80 / RATE, 1, seed)) for seed in range(50)]
    assert sum(bars is None for bars in found) >= 40


def test_chance_is_taken_for_bars_less_than_once_in_twenty():
    rng = np.random.default_rng(0)
    found = [place_bars(rng.standard_normal(80)) for _ in range(400)]
    assert sum(bars is not None for bars in found) < 20


def test_equal_evidence_everywhere_is_no_bar():
    assert place_bars(np.ones(40)) is None
