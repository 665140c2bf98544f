"""Crops: where they are cut, and that a crop's features are those of the sound in it."""

from __future__ import annotations

import numpy as np
import pytest

from audio_assets.assets.music import features
from audio_assets.assets.music.crops import CROP_FEATURES, CROPS, crop_features, crops
from audio_assets.audio.signal import Signal
from audio_assets.features import shared
from audio_assets.features.crops import Crop, CropSignal, Cut, cut_crops, is_within
from tests.features.music import RATE, click_track, noise, sine

NONE = np.zeros(0)


def beat_rows(beats_s, downbeats_s=()):
    marked = {round(time_s, 6) for time_s in downbeats_s}
    return [
        {
            "time_s": time_s,
            "beat_in_bar": None,
            "is_downbeat": round(time_s, 6) in marked if marked else None,
        }
        for time_s in np.asarray(beats_s).tolist()
    ]


def edges(found):
    return [(round(crop.start_s, 6), round(crop.end_s, 6)) for crop in found]


def test_crops_are_whole_bars_next_to_one_another_at_a_steady_tempo():
    beats_s = np.arange(0.5, 60, 0.5)  # 120 bpm, bars of 2 s
    found = cut_crops(60.0, beats_s, beats_s[::4], 12.0)
    assert edges(found) == [(0.5, 12.5), (12.5, 24.5), (24.5, 36.5), (36.5, 48.5), (48.5, 58.5)]
    assert {crop.cut_on for crop in found} == {Cut.DOWNBEATS}


def test_half_overlap_starts_a_crop_at_the_bar_nearest_to_the_middle_of_the_one_before():
    downbeats_s = np.arange(0, 41, 2.0)
    found = cut_crops(41.0, NONE, downbeats_s, 12.0, overlap=0.5)
    assert edges(found) == [(0, 12), (6, 18), (12, 24), (18, 30), (24, 36), (30, 40)]


def test_the_last_bar_counts_with_its_end_and_not_beyond_the_file():
    downbeats_s = np.arange(0, 24, 2.0)  # the last bar begins at 22
    assert edges(cut_crops(24.0, NONE, downbeats_s, 12.0)) == [(0, 12), (12, 24)]
    assert edges(cut_crops(23.0, NONE, downbeats_s, 12.0)) == [(0, 12), (12, 22)]


def test_a_crop_follows_a_change_of_tempo_and_stays_near_its_length():
    slow, fast = np.arange(0, 30, 2.4), np.arange(31.2, 60, 1.5)
    found = cut_crops(60.0, NONE, np.concatenate([slow, fast]), 12.0)
    assert all(abs(crop.duration_s - 12) <= 1.2 for crop in found)
    assert found[0].start_s == 0
    assert found[-1].end_s > 50


def test_without_bars_crops_are_cut_on_beats_and_without_beats_on_time():
    beats_s = np.arange(0.3, 60, 0.4)
    on_beats = cut_crops(60.0, beats_s, NONE, 12.0)
    assert {crop.cut_on for crop in on_beats} == {Cut.BEATS}
    assert all(np.abs(beats_s - crop.start_s).min() < 1e-9 for crop in on_beats)
    on_time = cut_crops(60.0, NONE, NONE, 12.0)
    assert {crop.cut_on for crop in on_time} == {Cut.TIME}
    assert edges(on_time) == [(0, 12), (12, 24), (24, 36), (36, 48), (48, 60)]


def test_beats_are_taken_where_a_bar_is_too_long_for_a_crop():
    beats_s = np.arange(0, 60, 1.0)
    assert cut_crops(60.0, beats_s, beats_s[::4], 5.0)[0].cut_on is Cut.BEATS


def test_nothing_is_cut_across_a_gap_in_the_beats():
    beats_s = np.concatenate([np.arange(0, 20, 0.5), np.arange(50, 80, 0.5)])
    found = cut_crops(80.0, beats_s, NONE, 10.0)
    assert edges(found) == [(0, 10), (10, 19.5), (50, 60), (60, 70), (70, 80)]


def test_a_track_of_one_crops_length_or_less_is_one_crop_whole():
    for duration_s in (0.4, 12.0):
        (crop,) = cut_crops(duration_s, np.arange(0, duration_s, 0.1), NONE, 12.0)
        assert (crop.start_s, crop.end_s, crop.cut_on) == (0.0, duration_s, Cut.WHOLE)


@pytest.mark.parametrize(("length_s", "overlap"), [(0, 0), (-1, 0), (np.nan, 0), (12, 1), (12, -0.1)])
def test_lengths_and_overlaps_that_make_no_sense_are_refused(length_s, overlap):
    with pytest.raises(ValueError, match="wanted a length above 0"):
        cut_crops(60.0, NONE, NONE, length_s, overlap)


def test_a_beat_belongs_to_the_crop_it_begins():
    beats_s = np.arange(0, 40, 0.5)
    found = cut_crops(40.0, beats_s, beats_s[::4], 12.0)
    shares = [is_within(beats_s, crop) for crop in found]
    assert np.sum(shares, axis=0).max() == 1
    assert [int(share.sum()) for share in shares] == [24, 24, 24]


@pytest.fixture(scope="module")
def two_halves():
    """Ten seconds of a loud high tone, then ten of a quiet low one."""
    return Signal.from_array(np.concatenate([sine(3520, 10, 0.5), sine(55, 10, 0.05)]), RATE)


def test_each_crop_has_the_features_of_its_own_sound(two_halves):
    rows = crops(two_halves, [], length_s=10.0)
    loud, quiet = crop_features(two_halves, rows, [])
    # a sinusoid of amplitude a has 20·log10(a/√2) dB RMS; the filter's edge takes 0.1 dB
    assert loud["rms_energy_air_db"] == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.2)
    assert quiet["rms_energy_bass_db"] == pytest.approx(20 * np.log10(0.05 / np.sqrt(2)), abs=0.3)
    assert loud["sample_peak_dbfs"] == pytest.approx(20 * np.log10(0.5), abs=0.01)
    assert quiet["sample_peak_dbfs"] == pytest.approx(20 * np.log10(0.05), abs=0.01)
    assert loud["spectral_centroid_hz"] == pytest.approx(3520, rel=0.02)
    assert quiet["spectral_centroid_hz"] < 200
    assert np.argmax(loud["chroma"]) == np.argmax(quiet["chroma"]) == 9  # A
    assert (loud["bpm"], loud["beat_count"], loud["bpm_is_defined"]) == (None, 0, False)


def test_a_crops_values_are_near_those_of_the_same_sound_as_a_file_of_its_own():
    track = Signal.from_array(np.stack([noise(30, seed=1), noise(30, seed=2)]) * 0.5, RATE)
    beats_s = np.arange(0, 30, 0.5)
    rows = crops(track, beat_rows(beats_s, beats_s[::4]))
    alone = Signal.from_array(track.samples[:, 12 * RATE : 24 * RATE], RATE)
    _, crop = crop_features(track, rows, beat_rows(beats_s))[:2]
    for asset in (features.loudness, features.spectral, features.band_rms, features.saturation):
        for name, value in asset(alone).items():
            assert crop[name] == pytest.approx(value, rel=0.02, abs=0.02), name


def test_clicks_at_the_beat_are_onsets_of_the_crop_that_begins_with_them():
    samples, times_s = click_track(120, seconds=25.0, start_s=0.5)
    track = Signal.from_array(samples, RATE)
    rows = crops(track, beat_rows(times_s, times_s[::4]))
    first, second = crop_features(track, rows, beat_rows(times_s))[:2]
    for row in (first, second):
        assert row["onset_count"] == row["beat_count"] == 24
        assert row["on_beat_ratio"] == 1
        assert row["bpm"] == pytest.approx(120, abs=0.5)


def test_rows_keep_to_the_tables_for_awkward_tracks():
    silent = np.zeros(30 * RATE)
    surround = np.stack([noise(13, seed=n) for n in range(8)])
    cases = [
        (Signal.from_array(silent, RATE), []),
        (Signal.from_array(noise(14)[::5], 8820), []),
        (Signal.from_array(noise(0.05), RATE), []),
        (Signal.from_array(surround, RATE), beat_rows(np.arange(0, 13, 0.5))),
    ]
    for track, beats in cases:
        rows = CROPS.check_rows(crops(track, beats))
        measured = CROP_FEATURES.check_rows(crop_features(track, rows, beats))
        assert [row["crop_index"] for row in measured] == list(range(len(rows)))
        assert all(0 <= row["start_s"] < row["end_s"] <= track.duration_s + 1e-9 for row in rows)
    silent_rows = crop_features(Signal.from_array(silent, RATE), crops(cases[0][0], []), [])
    assert {row["lufs"] for row in silent_rows} == {None}
    assert {row["cut_on"] for row in crops(cases[0][0], [])} == {"time"}


def test_the_tracks_analyses_are_made_once_for_all_crops(monkeypatch):
    track = Signal.from_array(noise(40), RATE)
    asked = []
    monkeypatch.setattr(
        "audio_assets.features.frames.describe_frames", lambda samples: pytest.fail("made anew")
    )
    frames = track.once(shared.frames)
    for crop in cut_crops(40.0, NONE, NONE, 10.0):
        cut = CropSignal.of(track, crop).once(shared.frames)
        assert abs(len(cut) - 10 * RATE / 512) <= 1
        asked.append(cut.centroid_hz)
    joined = np.concatenate(asked)
    np.testing.assert_array_equal(joined, frames.centroid_hz[: len(joined)])


def test_a_crop_is_cut_from_the_samples_at_any_rate(two_halves):
    crop = CropSignal.of(two_halves, Crop(2.0, 5.0, Cut.TIME))
    assert crop.duration_s == 3.0
    np.testing.assert_array_equal(crop.samples, two_halves.samples[:, 2 * RATE : 5 * RATE])
    np.testing.assert_array_equal(crop.mono(11025), two_halves.mono(11025)[2 * 11025 : 5 * 11025])
    np.testing.assert_array_equal(crop.stereo(), two_halves.stereo()[:, 2 * RATE : 5 * RATE])
