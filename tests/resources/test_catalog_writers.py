"""The catalog beside other programs that write it, and all writes by one door.

DuckLake does not wait at COMMIT when another program holds the SQLite catalog, whatever busy time is set (issue 1309
of duckdb/ducklake), so that a write outside `Lake.write`, which repeats the whole transaction, can be lost.
"""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from audio_assets.engine.run.damage import find_damage
from audio_assets.engine.run.maintenance import maintain
from audio_assets.engine.run.repair import repair
from audio_assets.engine.run.trainings import kept_snapshot
from audio_assets.resources.lake import Lake
from audio_assets.resources.tracking import flush_all
from tests.engine.collection_toys import ranks
from tests.engine.conftest import make_learning_bench
from tests.engine.learning_toys import parts, scales
from tests.engine.toys import copies, lengths, words
from tests.resources.test_lake import insert, make_lake, numbers

BUSY = """
import sqlite3, sys, time
other = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
other.execute("CREATE TABLE IF NOT EXISTS of_another_program (n INTEGER)")
print("begun", flush=True)
while True:
    other.execute("BEGIN IMMEDIATE")
    other.execute("INSERT INTO of_another_program VALUES (1)")
    time.sleep(float(sys.argv[2]))
    other.execute("COMMIT")
    time.sleep(0.25)
"""


@contextmanager
def another_program(catalog: Path, holds_s: float) -> Iterator[None]:
    """Writes to the catalog's database again and again."""
    command = [sys.executable, "-c", BUSY, str(catalog), str(holds_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "begun\n"
        try:
            yield
        finally:
            other.kill()


def test_beside_another_program_that_writes_the_catalog_every_write_is_made_once(tmp_path):
    lake = make_lake(tmp_path)
    lake.write(lambda c: c.execute("CREATE TABLE t (n BIGINT)"))
    tries: list[int] = []

    def write(n: int) -> None:
        def change(connection: duckdb.DuckDBPyConnection) -> None:
            tries.append(n)
            connection.execute(f"INSERT INTO t VALUES ({n})")

        lake.write(change)

    catalog = tmp_path / "lake" / "catalog.sqlite"
    with another_program(catalog, 0.15):
        for n in range(15):
            write(n)
    assert numbers(lake) == list(range(15))
    assert len(tries) > 15, "some had to be repeated"
    with sqlite3.connect(catalog) as database:
        assert database.execute("SELECT count(*) FROM of_another_program").fetchone()[0] > 0
    lake.close()


def test_threads_write_beside_another_program_too(tmp_path):
    lake = make_lake(tmp_path)
    lake.write(lambda c: c.execute("CREATE TABLE t (n BIGINT)"))
    with another_program(tmp_path / "lake" / "catalog.sqlite", 0.05):
        threads = [
            threading.Thread(target=lambda k=k: [insert(lake, 10 * k + n) for n in range(5)])
            for k in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert numbers(lake) == sorted(10 * k + n for k in range(3) for n in range(5))
    lake.close()


WRITES = re.compile(
    r"\s*(INSERT|DELETE|UPDATE|CREATE|DROP|ALTER|CALL|MERGE|TRUNCATE)\b(?!.*\bTEMP\b)", re.I | re.S
)


class Watched:
    """A connection that writes down what statements changed the lake outside `Lake.write`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, lake: Lake, found: list[str]) -> None:
        self._connection, self._lake, self._found = connection, lake, found

    def __getattr__(self, name: str) -> object:
        return getattr(self._connection, name)

    def _watched(self, act: str, statement: str, *rest: object) -> object:
        if not WRITES.match(statement) or IN_WRITE.is_set():
            return getattr(self._connection, act)(statement, *rest)
        before = self._snapshot()
        result = getattr(self._connection, act)(statement, *rest)
        if self._snapshot() != before:
            self._found.append(statement)
        return result

    def execute(self, statement: str, *rest: object) -> object:
        return self._watched("execute", statement, *rest)

    def executemany(self, statement: str, *rest: object) -> object:
        return self._watched("executemany", statement, *rest)

    def sql(self, statement: str, *rest: object) -> object:
        return self._watched("sql", statement, *rest)

    def _snapshot(self) -> object:
        cursor = self._connection.cursor()
        try:
            return cursor.execute("SELECT id FROM lake.current_snapshot()").fetchone()
        finally:
            cursor.close()


IN_WRITE = threading.Event()


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Statements that change the lake outside `Lake.write`, from now on."""
    found: list[str] = []
    connect, attempt = Lake.get_connection, Lake._attempt

    @contextmanager
    def watched(lake: Lake) -> Iterator[Watched]:
        with connect(lake) as connection:
            yield Watched(connection, lake, found)

    def attempted(lake: Lake, *given: object, **more: object) -> bool:
        IN_WRITE.set()
        try:
            return attempt(lake, *given, **more)  # type: ignore[arg-type]
        finally:
            IN_WRITE.clear()

    monkeypatch.setattr(Lake, "get_connection", watched)
    monkeypatch.setattr(Lake, "_attempt", attempted)
    return found


def test_a_write_past_the_door_is_seen(tmp_path, outside):
    lake = make_lake(tmp_path)
    lake.write(lambda c: c.execute("CREATE TABLE t (n BIGINT)"))
    assert outside == []
    lake.rows("INSERT INTO t VALUES (1)")
    with lake.get_connection() as connection:
        connection.execute("CREATE TEMP TABLE mine (n BIGINT)")
        connection.execute("SELECT * FROM t")
        connection.execute("DELETE FROM t")
    assert outside == ["INSERT INTO t VALUES (1)", "DELETE FROM t"]
    lake.close()


def test_all_that_the_engine_does_writes_by_one_door(tmp_path, outside):
    bench = make_learning_bench(tmp_path, [lengths, words, copies, ranks, scales, parts])
    bench.add({"a": "one", "b": "three", "c": "seventeen", "d": "two"})
    bench.work()
    bench.add({"e": "fail", "f": "six"})
    bench.work()
    maintain(bench.platform, keep_days=0)
    flush_all(bench.platform.settings)
    repair(bench.platform, find_damage(bench.platform))
    assert bench.plan().is_empty
    assert kept_snapshot(tmp_path) is None
    assert outside == []
