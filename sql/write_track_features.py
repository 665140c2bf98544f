"""Writes sql/views/track_features.sql from the tables' declarations: ``python sql/write_track_features.py``.

What is written here is only the order: first the groups, then all other columns of the same tables, where a column
added to a declaration comes too. Lists of twelve are spread, other lists left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from audio_assets.assets.music.aesthetics import AESTHETICS
from audio_assets.assets.music.features import (
    BAND_RMS,
    HIGH_LEVEL,
    LOUDNESS,
    ONSETS,
    RHYTHM,
    SATURATION,
    SPECTRAL,
    TEMPO,
    TONAL,
)
from audio_assets.assets.music.stem_features import STEM_HARMONY, STEM_LOUDNESS, STEM_RHYTHM
from audio_assets.assets.music.tags import BINARY_LABELS
from audio_assets.assets.music.timbre import TIMBRE
from audio_assets.engine import Column, Table

VIEW = Path(__file__).with_name("views") / "track_features.sql"
SPREAD, PER_LINE = 12, 4


@dataclass(frozen=True)
class Part:
    """Columns of a table, all unless `names` says which and in what order; `also` is SQL that goes with them."""

    table: Table | None
    names: str = ""
    also: tuple[str, ...] = ()

    @property
    def columns(self) -> list[Column]:
        """The columns."""
        if self.table is None:
            return []
        by_name = {column.name: column for column in self.table.columns}
        return [by_name[name] for name in self.names.split()] if self.names else list(by_name.values())


DANCEABILITY = "coalesce(binary_labels.danceable_probability, high_level.danceability) AS danceability"
ATONALITY = "coalesce(binary_labels.atonal_probability, high_level.atonality) AS atonality"
SOURCE = "CASE WHEN binary_labels.item IS NULL THEN 'classical' ELSE 'essentia' END AS high_level_source"
IN_OTHERS = {
    "danceability": HIGH_LEVEL,
    "atonality": HIGH_LEVEL,
    "danceable_probability": BINARY_LABELS,
    "atonal_probability": BINARY_LABELS,
}
"""Columns that have a part in one that is computed above."""

GROUPS = {
    "loudness": [Part(LOUDNESS, "lufs lra"), Part(STEM_LOUDNESS)],
    "tempo": [
        Part(TEMPO, "bpm bpm_beat_this bpm_essentia bpm_is_defined beat_count beat_regularity_s"),
    ],
    "onsets": [Part(ONSETS)],
    "rhythm": [Part(RHYTHM)],
    "position in the file, for crops only": [Part(None, also=("CAST(NULL AS DOUBLE) AS position_in_file",))],
    "timbre": [Part(TIMBRE)],
    "spectral shape": [
        Part(SPECTRAL, "spectral_flatness spectral_flux spectral_skewness spectral_kurtosis"),
    ],
    "saturation": [Part(SATURATION)],
    "band levels": [Part(BAND_RMS)],
    "tonal": [Part(TONAL, "chroma hpcp tiv tonic tonic_strength")],
    "harmony of stems": [Part(STEM_HARMONY)],
    "rhythm of stems": [Part(STEM_RHYTHM)],
    "high level": [Part(None, also=(DANCEABILITY, ATONALITY))],
    "aesthetics": [Part(AESTHETICS)],
}
REST = "beyond the 108; danceability and atonality of different sources are not comparable"
TABLES = (
    LOUDNESS, TEMPO, ONSETS, RHYTHM, SPECTRAL, SATURATION, BAND_RMS, TONAL, TIMBRE, HIGH_LEVEL, BINARY_LABELS,
    AESTHETICS, STEM_LOUDNESS, STEM_RHYTHM, STEM_HARMONY,
)  # fmt: skip
REST_FROM = (TEMPO, TONAL, LOUDNESS, SPECTRAL)
"""The tables whose other columns come first among the rest; those of all others follow."""

HEAD = """-- One wide row per track: every numeric feature by its flat name, NULL where it is not measured (yet).
-- Lists of twelve are spread to twelve columns, counted from 0 (pitch class C).
-- Written by sql/write_track_features.py from the tables' declarations.
CREATE OR REPLACE VIEW track_features AS
SELECT
    tracks.item,
    tracks.artist,
    tracks.title,
    tracks.duration_s,
"""


def selected(table: Table, column: Column) -> Iterator[str]:
    """A column of the view, or the twelve that a list is spread to, some to a line; nothing for other lists."""
    if column.length is None:
        yield f"{table.name}.{column.name}"
    elif column.length == SPREAD:
        parts = [f"{table.name}.{column.name}[{n + 1}] AS {column.name}_{n}" for n in range(SPREAD)]
        for start in range(0, SPREAD, PER_LINE):
            yield ", ".join(parts[start : start + PER_LINE])


def rest() -> list[str]:
    """All columns of the tables that no group has."""
    grouped = {
        (p.table.name, c.name) for group in GROUPS.values() for p in group if p.table for c in p.columns
    }
    grouped |= {(table.name, name) for name, table in IN_OTHERS.items()}
    return [
        line
        for table in (*REST_FROM, *(table for table in TABLES if table not in REST_FROM))
        for column in table.columns
        if (table.name, column.name) not in grouped
        for line in selected(table, column)
    ]


def text() -> str:
    """The statement that makes the view."""
    groups = {
        heading: [
            line
            for part in parts
            for line in (
                *(line for column in part.columns if part.table for line in selected(part.table, column)),
                *part.also,
            )
        ]
        for heading, parts in GROUPS.items()
    }
    groups[REST] = [SOURCE, *rest()]
    body = ",\n\n".join(
        f"    -- {heading}\n" + ",\n".join(f"    {line}" for line in lines)
        for heading, lines in groups.items()
    )
    joins = "\n".join(f"LEFT JOIN {table.name} USING (item)" for table in TABLES)
    return f"{HEAD}\n{body}\nFROM tracks\n{joins};\n"


if __name__ == "__main__":
    VIEW.write_text(text(), encoding="utf-8")
