"""Who has the floor, and the streams that follow from it."""

import math

import numpy as np
import pytest

from audio_assets.audio.signal import Signal
from audio_assets.dialogue.streams import FADE_S, speaker_streams
from audio_assets.dialogue.turns import Turn, floor, held_s, main_speakers

RATE = 16_000
INF = math.inf


def turn(start_s, end_s, speaker, channel=None):
    return Turn(start_s, end_s, speaker, "imported", channel)


def streams_of(samples, turns, speakers=("a", "b"), rate=RATE):
    signal = Signal.from_array(samples, RATE)
    return np.concatenate(list(speaker_streams(signal, turns, speakers, rate)), axis=1)


def test_a_speaker_has_the_floor_unless_it_is_the_others_alone():
    turns = [turn(1, 3, "a"), turn(2, 5, "b"), turn(4, 6, "b"), turn(8, 9, "a")]
    floors = floor(turns, ["a", "b"])
    assert floors["a"].tolist() == [[-INF, 3], [6, INF]]
    assert floors["b"].tolist() == [[-INF, 1], [2, 8], [9, INF]]
    assert held_s(floors["a"], 0, 10) == 3 + 4
    assert held_s(floors["b"], 0.5, 8.5) == 0.5 + 6


def test_what_a_third_speaker_says_is_a_pause_to_the_main_ones():
    turns = [turn(0, 10, "a"), turn(10, 11, "c"), turn(11, 20, "b"), turn(20, 21, "c")]
    assert main_speakers(turns) == ["a", "b"]
    floors = floor(turns, ["a", "b"])
    assert held_s(floors["a"], 10, 11) == held_s(floors["b"], 10, 11) == 1


def test_the_main_speakers_are_those_who_speak_longest_the_name_decides_a_tie():
    turns = [turn(0, 1, "z"), turn(1, 2, "y"), turn(2, 2.5, "x"), turn(3, 3.6, "x")]
    assert main_speakers(turns) == ["x", "y"]
    assert main_speakers(turns[:1]) == ["z"]


def test_each_stream_is_the_mix_without_what_is_the_others_alone():
    rng = np.random.default_rng(0)
    stereo = rng.normal(0, 0.1, (2, 25 * RATE)).astype(np.float32)
    turns = [turn(2, 9.5, "a"), turn(9, 13.21, "b"), turn(15, 15.004, "b"), turn(20, 23, "a")]
    streams = streams_of(stereo, turns)
    mix = stereo.mean(axis=0)
    time_s = np.arange(mix.size) / RATE
    for stream, spans in zip(streams, floor(turns, ["a", "b"]).values(), strict=True):
        inside = sum((time_s >= s + FADE_S / 2) & (time_s <= e - FADE_S / 2) for s, e in spans) > 0
        outside = sum((time_s > s - FADE_S / 2) & (time_s < e + FADE_S / 2) for s, e in spans) == 0
        np.testing.assert_allclose(stream[inside], mix[inside], atol=1e-7)
        assert not stream[outside].any()
        assert inside.mean() + outside.mean() > 0.998


def test_a_change_of_speaker_makes_no_click():
    steady = np.full(4 * RATE, 0.5, np.float32)
    streams = streams_of(steady, [turn(0, 2, "a"), turn(2, 4, "b")])
    assert np.abs(np.diff(streams, axis=1)).max() < 0.5 / (FADE_S * RATE) * 1.01
    np.testing.assert_allclose(streams[:, RATE:-RATE].sum(axis=0), 0.5, atol=1e-6)


def test_streams_do_not_depend_on_how_they_are_cut_into_blocks(monkeypatch):
    mono = np.random.default_rng(1).normal(0, 0.1, 21 * RATE).astype(np.float32)
    turns = [turn(0.5, 9.999, "a"), turn(9.999, 10.0, "b"), turn(10.001, 20.5, "b")]
    whole = streams_of(mono, turns)
    monkeypatch.setattr("audio_assets.dialogue.streams.BLOCK_S", 0.37)
    np.testing.assert_array_equal(streams_of(mono, turns), whole)


def test_where_each_speaker_has_a_channel_the_channels_are_the_streams():
    stereo = np.random.default_rng(2).normal(0, 0.1, (2, 12 * RATE)).astype(np.float32)
    turns = [turn(0, 1, "a", 0), turn(1, 5, "b", 1), turn(5, 6, "c", 1)]
    streams = streams_of(stereo, turns, main_speakers(turns))
    np.testing.assert_array_equal(streams, stereo[::-1])


def test_speakers_who_share_a_channel_are_told_apart_by_turns():
    stereo = np.random.default_rng(2).normal(0, 0.1, (2, 12 * RATE)).astype(np.float32)
    turns = [turn(0, 5, "a", 1), turn(5, 12, "b", 1)]
    streams = streams_of(stereo, turns)
    np.testing.assert_allclose(streams[0, RATE : 4 * RATE], stereo.mean(axis=0)[RATE : 4 * RATE], atol=1e-7)
    assert not streams[0, 6 * RATE : 11 * RATE].any()


@pytest.mark.parametrize("channel", [None, 0])
def test_in_a_monologue_the_second_stream_is_silent(channel):
    stereo = np.random.default_rng(3).normal(0, 0.1, (2, 3 * RATE)).astype(np.float32)
    streams = streams_of(stereo, [turn(1, 2, "a", channel)], ["a"])
    assert streams[0].all()
    assert not streams[1].any()


def test_streams_come_at_the_rate_asked_for():
    mono = np.zeros(RATE, np.float32)
    assert streams_of(mono, [turn(0, 1, "a")], ["a"], 24_000).shape == (2, 24_000)
