"""Beats of metronomes and drum loops, scored by mir_eval from the first beat to the last."""

import mir_eval
import numpy as np
import pytest

from audio_assets.features.beats import band_accents, choose_level, track_beats
from audio_assets.features.frames import describe_frames
from audio_assets.features.onsets import band_rises
from audio_assets.features.pulse import extract_pulse, measure_agreement
from audio_assets.features.tempo import measure_tempo
from tests.features.music import RATE, chord, click_track, drum_loop, fading, noise, place, sine


def accents_of(samples):
    return band_accents(band_rises(describe_frames(samples).mel_power))


def beats_of(samples):
    return track_beats(extract_pulse(samples).ticks_s, accents_of(samples))


@pytest.mark.parametrize("sound", ["tick", "burst"])
@pytest.mark.parametrize("bpm", range(60, 201, 10))
def test_a_metronome_gives_its_tempo_and_its_beats(bpm, sound):
    samples, times_s = click_track(bpm, seconds=20, sound=sound)
    beats_s = beats_of(samples)
    assert measure_tempo(beats_s).bpm == pytest.approx(bpm, rel=0.01)
    assert mir_eval.beat.f_measure(times_s, beats_s) >= 0.95


@pytest.mark.parametrize("bpm", [61.7, 87.3, 118.9, 143.2, 176.4, 193.1])
def test_tempos_between_the_tracker_s_bins_are_exact(bpm):
    samples, _ = click_track(bpm, seconds=30)
    assert measure_tempo(beats_of(samples)).bpm == pytest.approx(bpm, rel=0.003)


@pytest.mark.parametrize("pattern", ["rock", "pushed", "house", "halftime", "disco", "waltz"])
@pytest.mark.parametrize(("bpm", "chords"), [(93, False), (111, True), (128, False), (128, True)])
def test_drum_loops_are_tapped_on_the_beat(pattern, bpm, chords):
    loop = drum_loop(pattern, bpm, chords=chords)
    beats_s = beats_of(loop.samples)
    assert mir_eval.beat.f_measure(loop.beats_s, beats_s) >= 0.95
    assert measure_tempo(beats_s).bpm == pytest.approx(bpm, rel=0.01)


def test_beats_stand_on_the_attacks():
    samples, times_s = click_track(104, seconds=20)
    beats_s = beats_of(samples)
    nearest = times_s[np.abs(beats_s[:, None] - times_s).argmin(axis=1)]
    assert np.abs(beats_s - nearest).max() < 0.01


def test_a_loop_of_one_and_a_half_minutes_keeps_its_beats():
    loop = drum_loop("rock", 121, seconds=90, chords=True)
    assert mir_eval.beat.f_measure(loop.beats_s, beats_of(loop.samples)) >= 0.98


def test_hi_hats_between_the_beats_do_not_double_the_tempo():
    loop = drum_loop("rock", 96)
    accents = accents_of(loop.samples)
    assert len(choose_level(loop.beats_s, accents)) == len(loop.beats_s)


def test_equal_clicks_midway_double_the_tempo_and_empty_beats_halve_it():
    samples, times_s = click_track(180)
    accents = accents_of(samples)
    assert len(choose_level(times_s[::2], accents)) == 2 * len(times_s[::2]) - 1
    with_empty = np.sort(np.concatenate([times_s, (times_s[1:] + times_s[:-1]) / 2]))
    np.testing.assert_array_equal(choose_level(with_empty, accents), times_s)


def test_a_slow_pulse_of_strong_and_weak_beats_is_not_doubled():
    _, times_s = click_track(180)
    off_s = (times_s[:-1] + times_s[1:]) / 2  # as loud as the weaker half of the beats
    quiet = place(np.concatenate([times_s[2::4], off_s]), 0.1 * fading(sine(1000, 0.2), 60), 20.0)
    loud = place(times_s[::4], fading(sine(1000, 0.2), 60), 20.0)
    beats_s = times_s[::2]
    assert len(choose_level(beats_s, accents_of((quiet + loud).astype(np.float32)))) == len(beats_s)


def test_noise_is_not_doubled():
    ticks_s = np.arange(0.5, 19, 0.65)
    assert len(choose_level(ticks_s, accents_of(noise(20)))) == len(ticks_s)


@pytest.mark.parametrize("seconds", [0, 0.01, 1, 2.9])
def test_signals_below_three_seconds_have_no_beats(seconds):
    assert extract_pulse(noise(seconds)).bpm is None
    assert len(beats_of(noise(seconds))) == 0


def test_pads_that_swell_between_fast_weak_beats_do_not_double_a_slow_tempo():
    bass_s, bell_s = np.arange(0.4, 39, 60 / 70), np.arange(0.4, 39, 30 / 70)
    samples = 0.5 * place(bass_s, chord([36], 0.8), 40.0) + 0.1 * place(bell_s, chord([72, 79], 0.4), 40.0)
    samples += 0.02 * place(np.arange(0.4, 38, 120 / 70), chord([60, 64, 67], 1.7, fade_hz=0), 40.0)
    beats_s = beats_of((samples / np.abs(samples).max()).astype(np.float32))
    assert measure_tempo(beats_s).bpm == pytest.approx(70, rel=0.01)


@pytest.mark.parametrize(("before_bpm", "after_bpm"), [(100, 125), (140, 110)])
def test_beats_follow_a_change_of_tempo(before_bpm, after_bpm):
    before, after = (drum_loop("rock", bpm, seconds=20) for bpm in (before_bpm, after_bpm))
    end_s = before.downbeats_s[-1]
    samples = np.concatenate([before.samples[: round(end_s * RATE)], after.samples[round(0.2 * RATE) :]])
    true_s = np.concatenate([before.beats_s[before.beats_s < end_s - 0.01], after.beats_s - 0.2 + end_s])
    assert mir_eval.beat.f_measure(true_s, beats_of(samples)) >= 0.9


def test_beats_begin_and_end_with_the_music():
    loop = drum_loop("rock", 120, seconds=20, chords=True)
    silence = np.zeros(12 * RATE, np.float32)
    beats_s = beats_of(np.concatenate([silence, loop.samples, silence]))
    assert mir_eval.beat.f_measure(12 + loop.beats_s, beats_s) >= 0.95
    assert 12 <= beats_s[0] <= beats_s[-1] <= 32


def test_silence_has_no_beats():
    silence = np.zeros(20 * RATE, np.float32)
    assert len(beats_of(silence)) == 0


def test_ticks_without_any_accent_are_left_where_they_are():
    ticks_s = np.arange(0.5, 9.5, 0.5)
    silent = np.zeros((900, 3), np.float32)
    np.testing.assert_array_equal(track_beats(ticks_s, silent), ticks_s)


def test_confidence_tells_a_beat_from_noise():
    music, sound = drum_loop("rock", 112, chords=True).samples, noise(30)
    assert measure_agreement(extract_pulse(music), accents_of(music)) > 1.5
    assert measure_agreement(extract_pulse(sound), accents_of(sound)) < 1.5
