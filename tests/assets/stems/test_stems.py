"""The asset `stems`: what is stored, what is measured, and what bad input does."""

import tracemalloc

import numpy as np
import pytest
import soundfile

from audio_assets.assets.music.stems import STEM_TABLE, stems
from audio_assets.audio.signal import Signal
from audio_assets.backends.separation import SAMPLE_RATE, SEPARATION_ROLE, STEMS, SeparationError, embedded
from audio_assets.backends.separation.embedded import MaskSeparation
from audio_assets.engine import Blob
from audio_assets.engine.declare.roles import BackendSettings, Player
from audio_assets.features.loudness import measure_loudness
from tests.assets.stems.conftest import KnownStems


def noise(seconds, channels=2, rate=SAMPLE_RATE, level=0.1):
    n = int(seconds * rate)
    return np.random.default_rng(0).normal(0, level, (channels, n)).astype(np.float32)


def by_stem(rows):
    assert [row["stem"] for row in rows] == list(STEMS)
    checked = STEM_TABLE.check_rows(rows)
    assert all(isinstance(row["audio"], Blob) for row in checked)
    return {row["stem"]: row for row in checked}


def read(row):
    samples, rate = soundfile.read(row["audio"].data, dtype="float32", always_2d=True)
    assert rate == SAMPLE_RATE
    return samples.T


def test_the_flac_files_hold_the_stems_and_the_rows_their_loudness(song, temporary):
    _, known = song
    mix = sum(known.values())
    separator = KnownStems(**known)
    rows = by_stem(stems(Signal.from_array(mix, SAMPLE_RATE), separation=separator))
    np.testing.assert_array_equal(separator.mixes[0], mix)
    for stem, samples in known.items():
        np.testing.assert_allclose(read(rows[stem]), samples, atol=2**-15)
        expected = measure_loudness(samples, SAMPLE_RATE)
        assert rows[stem]["lufs"] == pytest.approx(expected.lufs, abs=1e-6)
        assert rows[stem]["lra"] == pytest.approx(expected.lra, abs=1e-6)
        assert rows[stem]["sample_peak_dbfs"] == pytest.approx(20 * np.log10(np.abs(samples).max()), abs=1e-4)
        assert not rows[stem]["is_silent"]
    vocals = rows["vocals"]
    assert (vocals["lufs"], vocals["sample_peak_dbfs"], vocals["is_silent"]) == (None, None, True)
    assert {row["duration_s"] for row in rows.values()} == {12.0}


@pytest.mark.parametrize(("bits", "subtype"), [(16, "PCM_16"), (24, "PCM_24")])
def test_the_bit_depth_is_a_parameter(bits, subtype, temporary):
    row = stems(Signal.from_array(noise(1), SAMPLE_RATE), separation=KnownStems(), bit_depth=bits)[0]
    assert soundfile.info(row["audio"].data).subtype == subtype


def test_another_bit_depth_is_refused(temporary):
    with pytest.raises(ValueError, match="bit_depth of 12"):
        stems(Signal.from_array(noise(1), SAMPLE_RATE), separation=KnownStems(), bit_depth=12)


@pytest.mark.parametrize(("level_db", "silent"), [(-45.0, False), (-55.0, False), (-70.0, True)])
def test_a_stem_is_silent_below_60_lufs(level_db, silent, temporary):
    known = noise(4, level=10 ** (level_db / 20))
    rows = by_stem(stems(Signal.from_array(noise(4), SAMPLE_RATE), separation=KnownStems(vocals=known)))
    assert rows["vocals"]["is_silent"] is silent


def test_a_loud_stem_too_short_for_a_loudness_is_not_silent(temporary):
    known = noise(0.2)
    rows = by_stem(stems(Signal.from_array(known, SAMPLE_RATE), separation=KnownStems(drums=known)))
    assert rows["drums"]["lufs"] is None
    assert not rows["drums"]["is_silent"]
    assert rows["bass"]["is_silent"]


@pytest.mark.parametrize(
    ("channels", "rate", "seconds"),
    [(1, 44_100, 2), (8, 48_000, 2), (2, 8_000, 2), (2, 44_100, 10)],
    ids=["mono", "7.1", "8 kHz", "10 s"],
)
def test_any_recording_has_stereo_stems_at_44_khz_that_sum_to_it(
    channels, rate, seconds, temporary, tmp_path
):
    path = tmp_path / "track.wav"
    soundfile.write(path, noise(seconds, channels, rate).T, rate, "FLOAT")
    rows = by_stem(stems(Signal(path), separation=MaskSeparation(), bit_depth=24))
    mix = Signal(path).stereo(SAMPLE_RATE)
    np.testing.assert_allclose(sum(read(row) for row in rows.values()), mix, atol=1e-4)


def test_a_silent_track_has_four_silent_stems(temporary):
    rows = by_stem(
        stems(Signal.from_array(np.zeros((2, SAMPLE_RATE)), SAMPLE_RATE), separation=MaskSeparation())
    )
    assert all(row["is_silent"] for row in rows.values())


def test_samples_above_full_scale_are_clipped_in_the_file_and_told(temporary):
    known = noise(1, level=1.0)
    row = by_stem(stems(Signal.from_array(known, SAMPLE_RATE), separation=KnownStems(bass=known)))["bass"]
    assert row["sample_peak_dbfs"] > 6
    assert np.abs(read(row)).max() <= 1


def test_a_model_that_returns_nan_fails_and_leaves_no_files(temporary):
    class Broken(MaskSeparation):
        def separate(self, mix):
            yield from KnownStems().separate(mix)
            raise SeparationError("found NaN")

    with pytest.raises(SeparationError):
        stems(Signal.from_array(noise(1), SAMPLE_RATE), separation=Broken())
    assert not list(temporary.iterdir())


def test_memory_does_not_grow_with_the_length(temporary, tmp_path, monkeypatch):
    monkeypatch.setattr(embedded, "CHUNK", 2 * SAMPLE_RATE)
    monkeypatch.setattr(embedded, "OVERLAP", SAMPLE_RATE // 4)
    monkeypatch.setattr("audio_assets.assets.music.stems.BLOCK_S", 1.0)
    peaks = []
    for seconds in (10, 40):
        path = tmp_path / f"{seconds}.flac"
        with soundfile.SoundFile(path, "w", SAMPLE_RATE, 2) as file:
            for _ in range(seconds // 10):
                file.write(noise(10).T)
        tracemalloc.start()
        by_stem(stems(Signal(path), separation=MaskSeparation()))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.05 * peaks[0], peaks


@pytest.mark.parametrize("choice", ["embedded", "published", "bs_roformer"])
def test_every_choice_of_separator_names_itself_without_loading_anything(choice, tmp_path):
    given = BackendSettings(weights=tmp_path, cache=tmp_path)
    player = Player(SEPARATION_ROLE, choice, given)
    assert player.name
    assert player.revision
    assert player.licence
