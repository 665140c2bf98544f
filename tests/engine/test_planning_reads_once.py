"""A plan reads the catalog and the ledger once, however many assets it is for."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from audio_assets.engine.declare.asset import Asset
from audio_assets.engine.state.kept import keep_plan
from audio_assets.engine.state.states import DEFAULT
from audio_assets.resources.lake import Lake
from tests.engine.conftest import make_learning_bench
from tests.engine.kinds_toys import counts
from tests.engine.learning_toys import mean_parts, parts, percents, scales
from tests.engine.toys import lengths, words

LAKE = ("ledger", "notes", "notes_text", "checkpoints", "adoptions", "shown_checkpoints", "training_items")


class Told:
    """A connection, and how many of its statements read each of the lake's tables."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, read: Counter[str]) -> None:
        self._connection = connection
        self._read = read

    def execute(self, statement: str, *parameters: object) -> duckdb.DuckDBPyConnection:
        self._read.update(
            {name for name in LAKE if re.search(rf'(FROM|JOIN) (lake\.)?"?{name}"?\b', statement)}
        )
        return self._connection.execute(statement, *parameters)

    def __getattr__(self, name: str) -> object:
        return getattr(self._connection, name)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many statements have read each table of a lake."""
    read: Counter[str] = Counter()
    original = Lake.get_connection

    @contextmanager
    def telling(lake: Lake):
        with original(lake) as connection:
            yield Told(connection, read)

    monkeypatch.setattr(Lake, "get_connection", telling)
    return read


def copies_of(asset: Asset, count: int) -> list[Asset]:
    names = [f"{asset.name}_{number}" for number in range(count)]
    return [replace(asset, name=name, tables=(replace(asset.tables[0], name=name),)) for name in names]


FEW = [lengths, parts, scales]
MANY = [
    *FEW,
    words,
    percents,
    counts,
    mean_parts,
    *copies_of(lengths, 2),
    *copies_of(counts, 2),
    *copies_of(parts, 1),
]


def measured(folder: Path, assets: list[Asset], read: Counter[str]) -> list[Counter[str]]:
    """What is read by a plan with nothing done, and by one that is kept, with something done."""
    folder.mkdir()
    bench = make_learning_bench(folder, assets)
    bench.add({"a": "one", "b": "three"})
    read.clear()
    bench.plan()
    found = [Counter(read)]
    bench.run(["lengths"])
    bench.train("scales")
    read.clear()
    keep_plan(bench.platform, "id", [asset.name for asset in assets], None, DEFAULT)
    return [*found, Counter(read)]


def test_a_plan_of_many_assets_reads_no_more_than_one_of_few(tmp_path, read):
    few = measured(tmp_path / "few", FEW, read)
    many = measured(tmp_path / "many", MANY, read)
    assert len(MANY) == 12
    for found in (*few, *many):
        assert (found["ledger"], found["notes"]) == (1, 1)
    assert [found["notes_text"] for found in many] == [1, 1], "which a collection reads"
    for names in (few, many):
        for found in names:
            del found["notes_text"]
    assert few == many
