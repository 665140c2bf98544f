"""Duplicates, splits and statistics as assets of a collection."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_assets.assets.music.collection import MEASURED, collection_statistics, duplicates, splits
from audio_assets.engine import Item


@dataclass
class Tracks:
    """Stands for the engine's `Collection`."""

    items: dict[str, Item]
    tables: dict[str, pl.DataFrame]

    def rows(self, table: str) -> pl.DataFrame:
        return self.tables[table]


FIELDS = ("artist", "isrc", "musicbrainz_work_id", "musicbrainz_artist_id", "metadata_json")


def track(key: str, **record: str) -> Item:
    return Item(key, key, f"/{key}", record={**dict.fromkeys(FIELDS), **record})


def pairs(*ties: tuple[str, str]) -> pl.DataFrame:
    rows = [{"item": a, "other": b} for a, b in ties]
    return pl.DataFrame(rows, schema={"item": pl.String, "other": pl.String})


def split(items: list[Item], *ties: tuple[str, str], seed: int = 0) -> dict[str, tuple[str, str]]:
    rows = splits(Tracks({i.key: i for i in items}, {"duplicates": pairs(*ties)}), seed=seed)["splits"]
    assert [row["item"] for row in rows] == sorted(item.key for item in items)
    return {row["item"]: (row["split"], row["split_group"]) for row in rows}


def test_tracks_of_one_recording_work_or_artist_are_in_one_group():
    items = [
        track("a", artist="Nina"),
        track("b", artist="NINA", musicbrainz_work_id="w"),
        track("c", musicbrainz_work_id="w"),
        track("d", metadata_json=json.dumps({"work_id": "v"})),
        track("e", metadata_json=json.dumps({"work_id": "v"}), artist=""),
        track("f", isrc="X"),
        track("g", isrc="X"),
        track("h"),
        track("i", artist=""),
    ]
    found = {key: group for key, (_, group) in split(items, ("c", "h"), ("h", "c")).items()}
    assert found == {
        "a": "a", "b": "a", "c": "a", "h": "a", "d": "d", "e": "d", "f": "f", "g": "f", "i": "i",
    }  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=20), st.integers(0, 3))
def test_no_group_is_ever_parted(ties, seed):
    items = [track(f"t{n:02}", artist=f"artist {n % 17}") for n in range(41)]
    found = split(items, *((f"t{a:02}", f"t{b:02}") for a, b in ties), seed=seed)
    part_of_group = {}
    for part, group in found.values():
        assert part_of_group.setdefault(group, part) == part
    assert all(found[f"t{a:02}"] == found[f"t{b:02}"] for a, b in ties)


def test_parts_have_about_their_shares_and_stay_when_tracks_are_added():
    items = [track(f"t{n:04}", artist=f"artist {n}") for n in range(1000)]
    before = split(items)
    shares = Counter(part for part, _ in before.values())
    assert shares["train"] == pytest.approx(700, abs=50)
    assert shares["test"] == pytest.approx(150, abs=40)
    after = split([*items, track("x", artist="somebody new")])
    assert {key: value for key, value in after.items() if key != "x"} == before
    assert split(items, seed=1) != before


def test_duplicates_are_listed_in_both_orders_with_their_group():
    rng = np.random.default_rng(0)
    words = rng.integers(0, 2**32, 200).tolist()
    rows = [
        {"item": "a", "words": words},
        {"item": "b", "words": words[30:]},
        {"item": "c", "words": words[:150]},
        {"item": "d", "words": rng.integers(0, 2**32, 200).tolist()},
    ]
    found = duplicates(Tracks({}, {"audio_fingerprints": pl.DataFrame(rows)}))["duplicates"]
    assert {(row["item"], row["other"]) for row in found} == {
        ("a", "b"), ("b", "a"), ("a", "c"), ("c", "a"), ("b", "c"), ("c", "b"),
    }  # fmt: skip
    assert {row["duplicate_group"] for row in found} == {"a"}
    offsets = {(row["item"], row["other"]): row["offset_s"] for row in found}
    assert offsets["a", "b"] == pytest.approx(30 * 1365 / 11025) == -offsets["b", "a"]


def test_statistics_cover_scalars_and_vectors_and_name_outliers():
    items = {f"t{n:02}": track(f"t{n:02}") for n in range(30)}
    keys = list(items)
    empty = pl.DataFrame(schema={"item": pl.String})
    tables = dict.fromkeys(MEASURED, empty)
    lufs = [-14 + 0.1 * n for n in range(29)] + [-60.0]
    tables["loudness"] = pl.DataFrame(
        {"item": keys, "lufs": lufs, "lra": [None] * 29 + [3.0], "x": lufs[::-1]}
    )
    tables["tonal"] = pl.DataFrame(
        {"item": keys[:20], "key": ["C"] * 20, "chroma": [[n / 100] * 12 for n in range(20)]}
    )
    found = collection_statistics(Tracks(items, tables))
    rows = {row["feature"]: row for row in found["collection_statistics"]}
    assert set(rows) == {"lufs", "lra", "x", *(f"chroma_{n}" for n in range(12))}
    assert rows["lufs"]["median"] == pytest.approx(float(np.median(lufs)))
    assert (rows["lra"]["count"], rows["lra"]["missing_share"]) == (1, pytest.approx(29 / 30))
    assert rows["chroma_3"]["missing_share"] == pytest.approx(1 / 3)
    outliers = {(row["item"], row["feature"]): row for row in found["feature_outliers"]}
    assert set(outliers) == {("t29", "lufs"), ("t00", "x")}
    assert outliers["t29", "lufs"]["value"] == -60.0
    assert outliers["t29", "lufs"]["robust_z"] < -3.5
    (dependence,) = found["feature_dependences"]
    assert (dependence["first"], dependence["second"], dependence["count"]) == ("lufs", "x", 30)
    assert {row["name"] for row in found["collection_figures"]} == {"distributions", "correlations"}
    for table in collection_statistics.tables:
        assert table.check_rows(found[table.name])
