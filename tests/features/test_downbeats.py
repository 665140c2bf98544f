"""The bar: loops with chords tell theirs, a metronome does not."""

import pytest

from audio_assets.audio.signal import Signal
from audio_assets.features import shared
from audio_assets.features.downbeats import Bars, find_bars
from tests.features.music import RATE, click_track, drum_loop


def bars_of(samples, beats_s):
    signal = Signal.from_array(samples, RATE)
    magnitudes = signal.once(shared.constant_q_magnitudes)
    return find_bars(beats_s, signal.once(shared.accents), magnitudes, signal.duration_s)


@pytest.mark.parametrize("pattern", ["rock", "pushed", "house", "breakbeat", "halftime", "disco"])
@pytest.mark.parametrize("offset", [0, 1, 3])
def test_bars_of_four_start_where_the_chord_changes(pattern, offset):
    loop = drum_loop(pattern, 112, seconds=40, chords=True)
    assert bars_of(loop.samples, loop.beats_s[offset:]) == Bars(4, -offset % 4)


def test_a_waltz_has_bars_of_three():
    loop = drum_loop("waltz", 128, seconds=30, chords=True)
    assert bars_of(loop.samples, loop.beats_s) == Bars(3, 0)


def test_a_metronome_has_no_bars():
    samples, times_s = click_track(120, seconds=30)
    assert bars_of(samples, times_s) is None


def test_a_drum_loop_that_repeats_within_the_bar_is_not_given_bars_of_four_by_chance():
    loop = drum_loop("house", 120, seconds=40)
    assert bars_of(loop.samples, loop.beats_s) is None


def test_positions_count_from_the_downbeat():
    assert [Bars(4, 1).position(beat) for beat in range(6)] == [4, 1, 2, 3, 4, 1]


def test_a_few_beats_are_no_bars():
    samples, times_s = click_track(120, seconds=5)
    assert bars_of(samples, times_s) is None
