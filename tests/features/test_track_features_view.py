"""The wide view over the tables that the assets declare."""

import re
import runpy
from pathlib import Path

import duckdb
import pytest

from audio_assets.assets.music import aesthetics, features, stem_features, tags, timbre
from audio_assets.engine import Table
from audio_assets.engine.declare.tables import ITEM
from audio_assets.ingest.catalog import RECORDING_COLUMNS

VIEW = Path(__file__).parents[2] / "sql" / "views" / "track_features.sql"
MODULES = (features, timbre, stem_features, aesthetics, tags)
TABLES = {
    table.name: (ITEM, *table.columns)
    for module in MODULES
    for table in vars(module).values()
    if isinstance(table, Table)
}

STEMS = ("bass", "drums", "other")
NUMERIC = {
    "loudness": ["lufs", "lra", *(f"{m}_{s}" for s in (*STEMS, "vocals") for m in ("lufs", "lra"))],
    "tempo": ["bpm", "bpm_beat_this", "bpm_essentia", "bpm_is_defined", "beat_count", "beat_regularity_s"],
    "onsets": ["onset_count", "onset_density_hz", "onset_strength_mean", "onset_strength_std"],
    "rhythm": [
        *("syncopation", "on_beat_ratio", "rhythmic_complexity", "rhythmic_evenness"),
        *("ioi_mean_s", "ioi_std_s"),
    ],
    "position": ["position_in_file"],
    "timbral": [
        "brightness",
        "roughness",
        "hardness",
        "depth",
        "booming",
        "reverberation",
        "sharpness",
        "warmth",
    ],
    "spectral": [f"spectral_{name}" for name in ("flatness", "flux", "skewness", "kurtosis")],
    "saturation": ["saturation_ratio", "saturation_count"],
    "band RMS": [f"rms_energy_{band}_db" for band in ("bass", "body", "mid", "air")],
    "tonal": [f"{n}_{i}" for n in ("chroma", "hpcp", "tiv") for i in range(12)] + ["tonic", "tonic_strength"],
    "harmonic": [f"harmonic_{m}_{s}" for m in ("movement", "variance") for s in ("bass", "other")],
    "per stem": [
        f"{m}_{s}"
        for s in STEMS
        for m in (
            *("onset_density_average", "onset_density_variance"),
            *("syncopation", "rhythmic_complexity", "rhythmic_evenness"),
        )
    ],
    "high level": ["danceability", "atonality"],
    "aesthetics": [
        *("content_enjoyment", "content_usefulness"),
        *("production_complexity", "production_quality"),
    ],
}


@pytest.fixture
def lake():
    connection = duckdb.connect()
    for name, columns in {"tracks": RECORDING_COLUMNS, **TABLES}.items():
        declared = ", ".join(f'"{column.name}" {column.sql_type}' for column in columns)
        connection.execute(f"CREATE TABLE {name} ({declared})")
    connection.execute(VIEW.read_text())
    return connection


def test_the_view_is_what_the_declarations_say():
    written = runpy.run_path(str(VIEW.parents[1] / "write_track_features.py"))["text"]()
    assert VIEW.read_text() == written, "run sql/write_track_features.py"


def test_every_single_number_of_its_tables_is_a_column_and_no_name_is_there_twice(lake):
    joined = set(re.findall(r"LEFT JOIN (\w+)", VIEW.read_text()))
    assert len(joined) == 15
    columns = [row[0] for row in lake.execute("DESCRIBE track_features").fetchall()]
    assert len(columns) == len(set(columns)) == 4 + 108 + 1 + 14 + 2
    in_others = {"danceable_probability", "atonal_probability"}
    single = {c.name for name in joined for c in TABLES[name] if c.length is None} - in_others - {"item"}
    assert single <= set(columns)


def test_the_view_has_all_108_numeric_features_by_name(lake):
    names = [name for family in NUMERIC.values() for name in family]
    assert len(names) == 108
    columns = {row[0] for row in lake.execute("DESCRIBE track_features").fetchall()}
    assert set(names) <= columns


def test_a_track_is_one_row_with_what_is_measured_and_null_for_the_rest(lake):
    lake.execute("INSERT INTO tracks (item, title) VALUES ('a', 'A'), ('b', 'B')")
    lake.execute("INSERT INTO loudness (item, lufs) VALUES ('a', -14)")
    lake.execute("INSERT INTO tonal (item, chroma) VALUES ('a', range(12)::FLOAT[])")
    lake.execute("SELECT item, lufs, chroma_0, chroma_11, bpm FROM track_features ORDER BY item")
    assert lake.fetchall() == [("a", -14, 0, 11, None), ("b", None, None, None, None)]
