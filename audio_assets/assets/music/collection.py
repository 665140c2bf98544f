"""What is known of all tracks together: duplicates, splits, and the statistics of the features."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from audio_assets.assets.catalog import TRACK
from audio_assets.engine import FLOAT, INTEGER, OBJECT, TEXT, Blob, Column, Item
from audio_assets.engine.declare.collection_asset import Collection, collection_asset
from audio_assets.engine.declare.splits import split_items
from audio_assets.engine.declare.tables import ResultTable
from audio_assets.features.distributions import (
    NO_QUANTITIES,
    OUTLIER_Z,
    Values,
    dependences,
    describe,
    robust_z,
)
from audio_assets.features.duplicates import find_duplicates, groups

if TYPE_CHECKING:
    import polars as pl

Rows = dict[str, list[dict[str, Any]]]

GROUP = "collection"

DUPLICATES = ResultTable(
    "duplicates",
    [
        Column("item", TEXT, nullable=False, doc="Key of the track"),
        Column("duplicate_group", TEXT, nullable=False, doc="The first key of all that are the same"),
        Column("other", TEXT, nullable=False, doc="The track it was found to be the same as"),
        Column("offset_s", FLOAT, unit="s", doc="Where the start of `other` lies in the track"),
        Column("overlap_s", FLOAT, unit="s", low=0, doc="Length of what both hold"),
        Column("bit_error_rate", FLOAT, low=0, high=1, doc="Share of fingerprint bits that differ there"),
    ],
    "Pairs of tracks that are the same recording but for coding, level or cuts; each pair in both orders.",
)

SPLITS = ResultTable(
    "splits",
    [
        Column("item", TEXT, nullable=False, doc="Key of the track"),
        Column("split", TEXT, nullable=False, doc="train, validation or test"),
        Column("split_group", TEXT, nullable=False, doc="The first key of all that must not be parted"),
    ],
    "Part of the split for each track. Tracks of one recording, work or artist are in the same part.",
)

STATISTICS = ResultTable(
    "collection_statistics",
    [
        Column("table_name", TEXT, doc="Table of the feature"),
        Column("feature", TEXT, doc="Its column; a number is added for values of lists"),
        Column("count", INTEGER, low=0, doc="Tracks that have a value"),
        Column("missing_share", FLOAT, low=0, high=1, doc="Share of tracks that have none"),
        *(
            Column(name, FLOAT, doc=doc)
            for name, doc in {
                "mean": "Mean",
                "std": "Standard deviation",
                "min": "Smallest value",
                "p5": "5th percentile",
                "p25": "25th percentile",
                "median": "Median",
                "p75": "75th percentile",
                "p95": "95th percentile",
                "max": "Largest value",
            }.items()
        ),
        Column("outliers", INTEGER, low=0, doc="Values with a robust z-score beyond 3.5"),
    ],
    "How each numeric feature is distributed over the tracks.",
)

DEPENDENCES = ResultTable(
    "feature_dependences",
    [
        Column("first", TEXT, doc="A feature"),
        Column("second", TEXT, doc="Another feature"),
        Column("count", INTEGER, low=0, doc="Tracks that have both"),
        Column("pearson", FLOAT, low=-1, high=1, doc="Linear correlation"),
        Column("spearman", FLOAT, low=-1, high=1, doc="Rank correlation"),
        Column("mutual_information_nats", FLOAT, unit="nat", low=0, doc="From counts in bins"),
    ],
    "How pairs of numeric features depend on each other; NULL where one does not vary.",
)

OUTLIERS = ResultTable(
    "feature_outliers",
    [
        Column("item", TEXT, nullable=False, doc="Key of the track"),
        Column("feature", TEXT, doc="The feature"),
        Column("value", FLOAT, doc="Its value"),
        Column("median", FLOAT, doc="The collection's median"),
        Column("robust_z", FLOAT, doc="Distance from the median in robust standard deviations"),
    ],
    "Values far from the collection's median.",
)

FIGURES = ResultTable(
    "collection_figures",
    [
        Column("name", TEXT, nullable=False, doc="What it shows"),
        Column("figure", OBJECT, nullable=False, doc="PNG"),
    ],
    "Pictures of the distributions and correlations.",
)


@collection_asset(
    item=TRACK, upstream=["audio_fingerprints"], tables=[DUPLICATES], group=GROUP, code_version="1"
)
def duplicates(tracks: Collection, *, max_bit_error_rate: float = 0.2, min_overlap_s: float = 5.0) -> Rows:
    rows = tracks.rows("audio_fingerprints")
    words = {item: np.array(w, np.uint32) for item, w in rows.select("item", "words").iter_rows()}
    pairs = find_duplicates(words, max_error_rate=max_bit_error_rate, min_overlap_s=min_overlap_s)
    group_of = groups([(pair.first, pair.second) for pair in pairs])
    found = []
    for pair in pairs:
        for item, other, sign in ((pair.first, pair.second, 1), (pair.second, pair.first, -1)):
            found.append(
                {
                    "item": item,
                    "duplicate_group": group_of[item],
                    "other": other,
                    "offset_s": sign * pair.offset_s,
                    "overlap_s": pair.overlap_s,
                    "bit_error_rate": pair.bit_error_rate,
                }
            )
    return {"duplicates": sorted(found, key=lambda row: (row["duplicate_group"], row["item"], row["other"]))}


@collection_asset(
    item=TRACK,
    upstream=["duplicates"],
    reads=["artist", "isrc", "musicbrainz_work_id", "musicbrainz_artist_id", "metadata_json"],
    tables=[SPLITS],
    group=GROUP,
    code_version="1",
)
def splits(tracks: Collection, *, seed: int = 0) -> Rows:
    pairs = list(tracks.rows("duplicates").select("item", "other").iter_rows())
    first_with: dict[tuple[str, str], str] = {}
    for key, item in sorted(tracks.items.items()):
        pairs += [(key, first_with.setdefault(tie, key)) for tie in _ties(item)]
    group_of = groups(pairs)
    named = {key: group_of.get(key, key) for key in tracks.items}
    parts = split_items(set(named.values()), seed=seed)
    return {
        "splits": [
            {"item": key, "split": parts[group], "split_group": group} for key, group in sorted(named.items())
        ]
    }


def _ties(item: Item) -> Iterator[tuple[str, str]]:
    """What an item shares with others that must be in its part of the split."""
    record = item.record
    beside = json.loads(record["metadata_json"] or "{}")
    values = {
        "artist": (record["artist"] or "").casefold(),
        "artist id": record["musicbrainz_artist_id"],
        "recording": record["isrc"],
        "work": record["musicbrainz_work_id"] or beside.get("work_id") or beside.get("work"),
    }
    for name, value in values.items():
        if value:
            yield name, str(value).strip()


VECTOR_LENGTH = 12
MEASURED = (
    "loudness", "tempo", "onsets", "rhythm", "timbre", "spectral", "saturation", "band_rms", "tonal",
    "high_level", "stem_loudness", "stem_rhythm", "stem_harmony", "aesthetics",
)  # fmt: skip


@collection_asset(
    item=TRACK,
    upstream=MEASURED,
    tables=[STATISTICS, DEPENDENCES, OUTLIERS, FIGURES],
    group=GROUP,
    code_version="1",
)
def collection_statistics(tracks: Collection) -> Rows:
    from audio_assets.features.distribution_figures import plot_correlations, plot_distributions

    keys = sorted(tracks.items)
    scalars: dict[str, Values] = {}
    rows: list[dict[str, Any]] = []
    outliers: list[dict[str, Any]] = []
    for table in MEASURED:
        for feature, values in _numbers(tracks.rows(table), keys).items():
            rows.append({"table_name": table, "feature": feature, **asdict(describe(values))})
            outliers += _outliers(keys, feature, values)
            if not feature[-1].isdigit():
                scalars[feature] = values
    found = dependences(scalars)
    pictures = {
        "distributions": plot_distributions(scalars),
        "correlations": plot_correlations(list(scalars), found),
    }
    return {
        "collection_statistics": rows,
        "feature_dependences": [asdict(dependence) for dependence in found],
        "feature_outliers": outliers,
        "collection_figures": [{"name": n, "figure": Blob(png, "png")} for n, png in pictures.items()],
    }


def _numbers(rows: pl.DataFrame, keys: list[str]) -> dict[str, Values]:
    """The numeric columns by name, one value for each of `keys`, NaN where there is none."""
    import polars as pl

    found: dict[str, Values] = {}
    aligned = pl.DataFrame({"item": keys}).join(rows, on="item", how="left", maintain_order="left")
    for name, kind in rows.schema.items():
        if name in NO_QUANTITIES:
            continue
        if kind.is_numeric():
            found[name] = aligned[name].cast(pl.Float64).fill_null(float("nan")).to_numpy().copy()
        elif isinstance(kind, pl.List) and kind.inner.is_numeric():
            lengths = rows[name].list.len().drop_nulls().unique().to_list()
            if len(lengths) == 1 and lengths[0] == VECTOR_LENGTH:
                for n in range(VECTOR_LENGTH):
                    part = aligned[name].list.get(n).cast(pl.Float64)
                    found[f"{name}_{n}"] = part.fill_null(float("nan")).to_numpy().copy()
    return found


def _outliers(keys: list[str], feature: str, values: Values) -> Iterator[dict[str, Any]]:
    z = robust_z(values)
    for n in np.flatnonzero(np.abs(z) > OUTLIER_Z):
        yield {
            "item": keys[n],
            "feature": feature,
            "value": float(values[n]),
            "median": float(np.nanmedian(values)),
            "robust_z": float(z[n]),
        }
