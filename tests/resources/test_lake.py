"""The lake: transactions that happen once or not at all, whatever else opens, locks or fills it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from filelock import FileLock

from audio_assets.resources import lake as lake_module
from audio_assets.resources.lake import Lake, LakeError, extension_file
from audio_assets.settings import Settings


def make_lake(folder: Path, **options) -> Lake:
    quick = {"allow_unsigned_extensions": "true"}  # without checking their signatures, which takes 0.3 s
    places = {"catalog": f"sqlite:{folder}/lake/catalog.sqlite", "data": f"{folder}/lake/data"}
    return Lake(**places, connection_config=quick, **options)


@pytest.fixture
def lake(tmp_path):
    lake = make_lake(tmp_path)
    lake.write(lambda connection: connection.execute("CREATE TABLE t (n BIGINT)"))
    yield lake
    lake.close()


def insert(lake: Lake, *numbers: int) -> None:
    lake.write(lambda connection: connection.executemany("INSERT INTO t VALUES (?)", [[n] for n in numbers]))


def numbers(lake: Lake) -> list[int]:
    return [n for (n,) in lake.rows("SELECT n FROM t ORDER BY n")]


@contextmanager
def catalog_locked(folder: Path):
    """Another program that has the catalog open for writing, until it reads a line.

    A process of its own, since the locks of SQLite do not hold within one.
    """
    script = (
        "import sqlite3, sys; other = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "other.execute('BEGIN EXCLUSIVE'); print('locked', flush=True)\n"
        "sys.stdin.readline(); other.execute('COMMIT')"
    )
    command = [sys.executable, "-c", script, str(folder / "lake/catalog.sqlite")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "locked\n"
        yield other
        other.stdin.close()


def test_a_change_that_raises_leaves_nothing_behind(lake):
    def change(connection):
        connection.execute("INSERT INTO t VALUES (1)")
        connection.execute("CREATE TABLE other (n BIGINT)")
        raise KeyError("half way")

    with pytest.raises(KeyError, match="half way"):
        lake.write(change)
    assert numbers(lake) == []
    assert lake.rows("SELECT table_name FROM duckdb_tables() WHERE database_name = 'lake'") == [("t",)]
    insert(lake, 2)
    assert numbers(lake) == [2]


def test_a_wrong_statement_is_an_error_at_once_and_not_tried_again(lake):
    attempts = []

    def change(connection):
        attempts.append(1)
        connection.execute("INSERT INTO nowhere VALUES (1)")

    with pytest.raises(duckdb.CatalogException):
        lake.write(change)
    assert len(attempts) == 1


def test_a_change_is_made_once_although_it_had_to_be_tried_three_times(lake):
    attempts = []

    def change(connection):
        connection.execute("INSERT INTO t VALUES (1)")
        attempts.append(1)
        if len(attempts) < 3:
            raise duckdb.TransactionException("Transaction conflict - attempting to insert")

    lake.write(change)
    assert len(attempts) == 3
    assert numbers(lake) == [1]


def test_a_catalog_that_is_locked_for_a_while_is_waited_for(lake, tmp_path):
    with catalog_locked(tmp_path) as other:
        started = time.monotonic()
        release = threading.Timer(1.0, other.stdin.close)
        release.start()
        insert(lake, 1)
        assert time.monotonic() - started > 0.9
        release.join()
    assert numbers(lake) == [1]


def test_a_catalog_that_stays_locked_is_an_error_in_seconds_and_reading_goes_on(tmp_path):
    lake = make_lake(tmp_path, busy_wait_s=1.0)
    lake.write(lambda connection: connection.execute("CREATE TABLE t (n BIGINT)"))
    insert(lake, 1)
    with catalog_locked(tmp_path):
        started = time.monotonic()
        with pytest.raises(LakeError, match=r"catalog\.sqlite stayed locked by another program for 1 s"):
            insert(lake, 2)
        assert time.monotonic() - started < 10
        assert numbers(lake) == [1]
        assert numbers(make_lake(tmp_path, read_only=True)) == [1]
    insert(lake, 3)
    assert numbers(lake) == [1, 3]


def test_a_writer_that_does_not_end_is_an_error_that_names_it(lake, tmp_path):
    impatient = make_lake(tmp_path, lock_wait_s=0.3)
    assert numbers(impatient) == []
    with (
        FileLock(tmp_path / "lake/catalog.lock"),
        pytest.raises(LakeError, match=r"Another process has been writing to .*catalog\.sqlite for 0.3 s"),
    ):
        insert(impatient, 1)
    assert numbers(lake) == []


def test_a_process_that_dies_while_it_writes_locks_nobody_out(lake, tmp_path):
    script = (
        "import os, sys; from tests.resources.test_lake import make_lake, Path\n"
        "def change(connection):\n"
        "    connection.execute('INSERT INTO t VALUES (1)')\n"
        "    os.kill(os.getpid(), 9)\n"
        f"make_lake(Path({str(tmp_path)!r})).write(change)"
    )
    assert (
        subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[2], check=False).returncode
        == -9
    )
    insert(lake, 2)
    assert numbers(lake) == [2]


def test_of_many_that_open_a_new_lake_at_once_one_makes_it_and_all_have_it(tmp_path):
    barrier, errors = threading.Barrier(6), []

    def open_it() -> None:
        lake = make_lake(tmp_path)
        barrier.wait()
        try:
            lake.rows("SELECT 1")
        except LakeError as error:
            errors.append(error)
        lake.close()

    threads = [threading.Thread(target=open_it) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_threads_that_share_a_lake_write_and_read_at_once(lake):
    seen: list[int] = []

    def write(first: int) -> None:
        for n in range(first, first + 5):
            insert(lake, n)

    def read() -> None:
        while any(writer.is_alive() for writer in writers):
            seen.append(len(numbers(lake)))

    writers = [threading.Thread(target=write, args=(first,)) for first in (0, 10, 20)]
    for writer in writers:
        writer.start()
    read()
    assert numbers(lake) == [*range(5), *range(10, 15), *range(20, 25)]
    assert seen == sorted(seen)


def test_a_reader_is_not_in_the_way_of_a_writer_and_sees_whole_transactions(lake, tmp_path):
    insert(lake, 1)
    with make_lake(tmp_path, read_only=True).get_connection() as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM t").fetchall() == [(1,)]
        insert(lake, 2, 3)
        assert reader.execute("SELECT count(*) FROM t").fetchall() == [(1,)]
        reader.execute("COMMIT")
        assert reader.execute("SELECT count(*) FROM t").fetchall() == [(3,)]


@pytest.mark.parametrize(
    "statement", ["INSERT INTO t VALUES (1)", "DROP TABLE t", "CREATE TABLE u (n INT)", "DELETE FROM t"]
)
def test_a_read_only_connection_refuses_to_change_anything(lake, tmp_path, statement):
    insert(lake, 7)
    with make_lake(tmp_path, read_only=True).get_connection() as reader:
        with pytest.raises(duckdb.InvalidInputException, match="read-only"):
            reader.execute(statement)
        with pytest.raises(duckdb.InvalidInputException, match="read-only"):
            make_lake(tmp_path, read_only=True).write(lambda connection: connection.execute(statement))
    assert numbers(lake) == [7]


def test_a_read_only_lake_does_not_come_into_being_by_looking(tmp_path):
    lake = make_lake(tmp_path, read_only=True)
    assert not lake.exists
    with pytest.raises(LakeError, match="cannot be opened"):
        lake.rows("SELECT 1")
    assert not (tmp_path / "lake").exists()


def test_a_snapshot_shows_the_tables_as_they_were(lake):
    insert(lake, 1)
    before = lake.snapshot()
    insert(lake, 2)
    lake.write(lambda connection: connection.execute("DELETE FROM t WHERE n = 1"))
    assert lake.snapshot() == before + 2
    assert lake.rows(f"SELECT n FROM t AT (VERSION => {before})") == [(1,)]
    assert numbers(lake) == [2]


def test_any_value_comes_back_as_it_was_written(lake):
    values = pa.table(
        {
            "x": ["", "\0 in the middle", "'quoted\" \\", "𝄞 é\n", None],
            "n": [-(2**63), 2**63 - 1, 0, 1, None],
            "d": [5e-324, -1.7e308, 0.1, 1 / 3, None],
            "f": pa.array([[0.1, 1e-38], [], [3.4e38], [1.0], None], pa.list_(pa.float32())),
        }
    )

    def change(connection):
        connection.execute("CREATE TABLE v (x VARCHAR, n BIGINT, d DOUBLE, f FLOAT[])")
        connection.register("given", values)
        connection.execute("INSERT INTO v SELECT * FROM given")  # few rows: kept in the catalog
        connection.execute("INSERT INTO v SELECT given.* FROM given, range(200)")  # many: a Parquet file
        connection.unregister("given")

    lake.write(change)
    with lake.get_connection() as connection:
        table = connection.execute("SELECT * FROM v").to_arrow_table()
    expected = [tuple(row.values()) for row in values.to_pylist()]
    found = [tuple(row.values()) for row in table.to_pylist()]
    assert len(found) == 5 * 201
    assert all(found.count(row) == 201 for row in expected)


def test_a_full_disk_is_an_error_that_says_so_and_the_lake_goes_on_when_there_is_room(tmp_path):
    with small_disk(tmp_path) as disk:
        lake = Lake(catalog=f"sqlite:{tmp_path}/catalog.sqlite", data=str(disk / "data"))
        lake.write(lambda connection: connection.execute("CREATE TABLE t (n VARCHAR)"))
        text = pa.table({"n": [os.urandom(50).hex() for _ in range(10_000)]})

        def change(connection):
            connection.register("given", text)
            connection.execute("INSERT INTO t SELECT * FROM given")
            connection.unregister("given")

        for _ in range(3):
            lake.write(change)
        with pytest.raises(
            LakeError, match=r"cannot be written: .*No space left on device.*Nothing was half"
        ):
            lake.write(change)
        assert lake.rows("SELECT count(*) FROM t") == [(30_000,)]
        subprocess.run(["mount", "-o", "remount,size=16m", str(disk)], check=True)
        lake.write(change)
        assert lake.rows("SELECT count(*) FROM t") == [(40_000,)]
        lake.close()


@contextmanager
def small_disk(folder: Path):
    """A file system of 3 MiB; only root can make one."""
    disk = folder / "disk"
    disk.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("file systems cannot be mounted here")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_catalog_of_another_kind_is_refused_with_those_there_are():
    with pytest.raises(
        LakeError, match=r"AUDIO_ASSETS_LAKE_CATALOG is 'mysql:x'; wanted sqlite:PATH or postgres"
    ):
        Lake(catalog="mysql:x", data="y").rows("SELECT 1")


def test_a_missing_extension_is_answered_with_what_to_install(monkeypatch):
    version = duckdb.__version__
    assert extension_file("ducklake").is_file()
    with pytest.raises(LakeError, match=rf"pip install duckdb-extension-no-such=={version}"):
        extension_file("no_such")
    monkeypatch.setattr(lake_module.duckdb, "__version__", "9.9.9")
    with pytest.raises(LakeError, match=r"ducklake extension for version 9\.9\.9 is not installed"):
        extension_file("ducklake")


def test_the_settings_name_the_lake(tmp_path):
    lake = Lake.from_settings(Settings(home=tmp_path), read_only=True)
    assert lake.catalog == f"sqlite:{tmp_path}/lake/catalog.sqlite"
    assert lake.data == f"{tmp_path}/lake/data"
    assert lake.read_only


def flushed(folder: Path, *rows: int) -> Lake:
    """A lake whose rows are in Parquet files, closed."""
    lake = make_lake(folder)
    lake.write(lambda connection: connection.execute("CREATE TABLE t (n BIGINT)"))
    insert(lake, *rows)
    lake.write(lambda connection: connection.execute("CALL ducklake_flush_inlined_data('lake')").fetchall())
    lake.close()
    return lake


@pytest.mark.parametrize("catalog", ["gone", "empty", "another"])
def test_no_catalog_is_made_where_data_lie(tmp_path, catalog):
    flushed(tmp_path, 1, 2, 3)
    data = {path: path.read_bytes() for path in (tmp_path / "lake/data").rglob("*.parquet")}
    file = tmp_path / "lake/catalog.sqlite"
    if catalog == "another":
        lake = Lake(catalog=f"sqlite:{tmp_path}/mistyped.sqlite", data=str(tmp_path / "lake/data"))
    else:
        kept = file.read_bytes()
        file.unlink() if catalog == "gone" else file.write_bytes(b"")
        lake = make_lake(tmp_path)
    for _ in range(2):
        with pytest.raises(LakeError, match=r"no catalog .*\.sqlite, and its data are in .*from a backup"):
            lake.rows("SELECT 1")
    assert not lake.exists
    assert data and all(path.read_bytes() == content for path, content in data.items())
    if catalog != "another":
        file.write_bytes(kept)
        assert numbers(make_lake(tmp_path)) == [1, 2, 3]


def test_a_folder_of_data_that_was_moved_away_lets_a_new_lake_begin(tmp_path):
    flushed(tmp_path, 1)
    (tmp_path / "lake/catalog.sqlite").unlink()
    (tmp_path / "lake/data").rename(tmp_path / "away")
    lake = make_lake(tmp_path)
    assert lake.rows("SELECT table_name FROM duckdb_tables() WHERE database_name = 'lake'") == []
    lake.close()


def test_a_catalog_that_is_no_database_is_an_error_and_left_as_it_is(tmp_path):
    flushed(tmp_path, 1)
    (tmp_path / "lake/catalog.sqlite").write_bytes(b"this is no database, but longer than a header" * 100)
    with pytest.raises(LakeError, match=r"cannot be opened: .*not a database"):
        make_lake(tmp_path).rows("SELECT 1")
    assert (tmp_path / "lake/catalog.sqlite").read_bytes().startswith(b"this is no database")
