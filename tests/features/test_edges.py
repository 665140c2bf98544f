"""All families on signals at the edges, through the assets and their tables.

`Table.check_rows` refuses NaN, infinities, NumPy's wrong kinds, and what lies outside a column's range.
"""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_assets.assets.music import features
from audio_assets.audio.signal import Signal
from audio_assets.engine import ItemAsset
from tests.features.music import RATE, drum_loop, noise, sine

ASSETS = [asset for asset in vars(features).values() if isinstance(asset, ItemAsset)]


def compute(asset, signal, rows):
    backends = {role.name: role.backend("embedded")() for role in asset.roles}
    return asset(signal, *(rows[name] for name in asset.upstream), **backends)


def measure(samples, rate=RATE):
    """The checked rows of every table, by asset."""
    signal = Signal.from_array(np.asarray(samples, np.float32), rate)
    rows: dict[str, Any] = {}
    for asset in ASSETS:
        result = compute(asset, signal, rows)
        checked = asset.table.check_rows(result)
        rows[asset.name] = checked if asset.table.rows == "many" else checked[0]
    return rows


@pytest.fixture(scope="module")
def song():
    loop = drum_loop("rock", 120, seconds=20, chords=True)
    return np.stack([loop.samples, 0.8 * loop.samples]) + 1e-3 * noise(20)


EDGES = {
    "silence": np.zeros(5 * RATE),
    "one sample": np.ones(1),
    "ten milliseconds": noise(0.01),
    "a second of silence, then an impulse": np.eye(1, 2 * RATE, RATE)[0],
    "direct current": np.full(5 * RATE, 0.5),
    "full scale": np.ones((2, 5 * RATE)),
    "ten times full scale": 10 * noise(5, 0.5),
    "opposite polarity": np.stack([noise(5), -noise(5)]),
    "one silent channel": np.stack([noise(5), np.zeros(5 * RATE)]),
    "a single step of 24 bits": 2.0**-23 * np.sign(noise(5)),
    "surround": np.stack([noise(5, seed=channel) for channel in range(6)]),
    "the highest frequency": np.tile([0.5, -0.5], 3 * RATE),
}


@pytest.mark.parametrize("edge", EDGES)
def test_every_family_answers_or_says_null(edge):
    measure(EDGES[edge])


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 48000, 96000, 192000])
def test_every_rate_is_taken(rate):
    rows = measure(np.tile(sine(440, 4, 0.5, rate), (2, 1)), rate)
    assert rows["loudness"]["lufs"] == pytest.approx(-6.6, abs=0.2)
    assert rows["spectral"]["spectral_centroid_hz"] == pytest.approx(440, rel=0.05)
    assert np.argmax(rows["tonal"]["chroma"]) == 9
    assert rows["tonal"]["tuning_hz"] == pytest.approx(440, abs=0.2)
    assert rows["band_rms"]["rms_energy_body_db"] == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.1)


def test_silence_is_null_wherever_silence_has_no_answer():
    rows = measure(EDGES["silence"])
    for table in ("loudness", "spectral", "band_rms", "tonal", "rhythm", "high_level"):
        assert set(rows[table].values()) == {None}, table
    assert rows["beats"] == []
    assert rows["tempo"]["bpm_is_defined"] is False
    assert rows["tempo"]["tempo_confidence"] is None
    assert rows["saturation"] == {"saturation_ratio": 0.0, "saturation_count": 0}
    assert [chord["chord"] for chord in rows["chords"]] == ["N"]


def test_a_minute_of_a_constant_is_no_music():
    rows = measure(np.full(60 * RATE, 0.25))
    assert rows["onsets"]["onset_count"] <= 1
    assert rows["tempo"]["bpm"] is None
    assert rows["rhythm"]["rhythmic_complexity"] is None


def test_a_song_has_every_value_but_beat_this(song):
    rows = measure(song)
    missing = {
        (table, column)
        for table, row in rows.items()
        if isinstance(row, dict)
        for column, value in row.items()
        if value is None
    }
    assert missing == {("tempo", "bpm_beat_this")}
    assert rows["tempo"]["bpm"] == pytest.approx(120, rel=0.01)
    assert rows["beats"][0] == {
        "time_s": pytest.approx(0.2, abs=0.02),
        "beat_in_bar": 1,
        "is_downbeat": True,
        "tracker": "essentia",
    }
    assert [rows["tonal"]["key"], rows["tonal"]["scale"]] in (["C", "major"], ["A", "minor"])


def test_values_are_plain_python(song):
    signal = Signal.from_array(song, RATE)
    rows: dict[str, Any] = {}
    for asset in ASSETS:
        rows[asset.name] = compute(asset, signal, rows)
    plain = (float, int, bool, str, type(None))
    for table, result in rows.items():
        for row in result if isinstance(result, list) else [result]:
            for column, value in row.items():
                values = value if isinstance(value, list) else [value]
                assert all(type(item) in plain for item in values), (table, column)


def test_six_decibels_less_change_levels_and_nothing_else(song):
    loud, quiet = measure(song), measure(song / 2)
    step_db = 20 * np.log10(2)
    assert loud["loudness"]["lufs"] - quiet["loudness"]["lufs"] == pytest.approx(step_db, abs=1e-3)
    for band, level_db in loud["band_rms"].items():
        assert level_db - quiet["band_rms"][band] == pytest.approx(step_db, abs=1e-3)
    for table in ("onsets", "rhythm", "spectral"):
        for column, value in loud[table].items():
            assert quiet[table][column] == pytest.approx(value, rel=1e-2, abs=1e-2), column
    for column in ("chroma", "hpcp", "tiv"):
        assert quiet["tonal"][column] == pytest.approx(loud["tonal"][column], abs=0.02), column
    assert [row["chord"] for row in quiet["chords"]] == [row["chord"] for row in loud["chords"]]


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    seconds=st.floats(0.001, 6),
    gain_db=st.floats(-140, 0),
    channels=st.integers(1, 2),
)
def test_any_mixture_of_bursts_and_tones_stays_in_range(seed, seconds, gain_db, channels):
    rng = np.random.default_rng(seed)
    n = max(round(seconds * RATE), 1)
    tones = sum(np.sin(2 * np.pi * hz * np.arange(n) / RATE) for hz in rng.uniform(20, 20000, 4))
    gates = np.repeat(rng.uniform(0, 1, (channels, n // 4000 + 1)) > 0.5, 4000, axis=1)[:, :n]
    samples = gates * (tones + rng.standard_normal((channels, n)))
    measure(10 ** (gain_db / 20) * samples)
