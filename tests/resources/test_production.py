"""The production preset: the catalog in Postgres, tables and objects in S3, both on this machine.

Needs a Postgres server's programs (Debian: ``apt-get install postgresql``). Without them the tests are
skipped, unless AUDIO_ASSETS_TEST_POSTGRES is ``required``.
"""

from __future__ import annotations

import itertools
import os
import pwd
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg2
import pytest

from audio_assets.engine.declare.graph import AssetGraph
from audio_assets.engine.platform import Platform
from audio_assets.engine.run.damage import find_damage
from audio_assets.engine.run.repair import repair
from audio_assets.engine.state.catalog import catalog_tables
from audio_assets.resources.ducklake import table_files
from audio_assets.resources.lake import Lake, LakeError
from audio_assets.resources.objects import ObjectError, Objects
from audio_assets.resources.query import QueryError, connect
from audio_assets.resources.statements import StatementError
from audio_assets.settings import Settings
from benchmarks.lake_concurrency import measure
from tests.engine import toys
from tests.engine.conftest import ALL, CATALOG, Bench, quick_lake


def postgres_programs() -> Path | None:
    found = shutil.which("postgres")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


PROGRAMS = postgres_programs()
pytestmark = [
    pytest.mark.skipif(
        PROGRAMS is None and os.environ.get("AUDIO_ASSETS_TEST_POSTGRES") != "required",
        reason="no Postgres is installed",
    ),
    pytest.mark.xdist_group("production"),
]


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """A Postgres server with an empty database, as a connection string."""
    assert PROGRAMS is not None, "AUDIO_ASSETS_TEST_POSTGRES is required: apt-get install postgresql"
    user = "postgres" if os.geteuid() == 0 else None  # Postgres refuses to run as root
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    if user:
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = folder / "data"
    made = [PROGRAMS / "initdb", "-D", data, "-A", "trust", "-U", "lake", "-E", "UTF8", "--no-sync"]
    subprocess.run(made, check=True, user=user, cwd=folder, stdout=subprocess.DEVNULL)
    options = ["-h", "127.0.0.1", "-p", str(port), "-k", folder, "-c", "fsync=off"]
    server = subprocess.Popen(
        [PROGRAMS / "postgres", "-D", data, *options], user=user, cwd=folder, stderr=subprocess.DEVNULL
    )
    connection = f"host=127.0.0.1 port={port} user=lake dbname=postgres"
    try:
        wait_for(connection)
        yield connection
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(folder)


def wait_for(connection: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            psycopg2.connect(connection).close()
            return
        except psycopg2.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The address of an S3 server with an empty bucket, ``sounds``."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
    )
    client.create_bucket(Bucket="sounds")
    yield endpoint
    server.stop()


@pytest.fixture
def settings(postgres: str, s3: str, tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    """The production preset with a database and a prefix of the test's own."""
    name = f"lake_{abs(hash(request.node.name))}"
    server = psycopg2.connect(postgres)
    server.autocommit = True
    with server.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    server.close()
    return Settings(
        preset="production",
        home=tmp_path,
        workers=2,
        lake_catalog=f"postgres:{postgres.replace('dbname=postgres', f'dbname={name}')}",
        lake_data=f"s3://sounds/{name}/lake",
        objects=f"s3://sounds/{name}/objects",
        s3_endpoint=s3,
        s3_key_id="key",
        s3_secret="secret",
    )


@pytest.fixture
def bench(settings: Settings, tmp_path: Path) -> Iterator[Bench]:
    lake = quick_lake(settings)
    platform = Platform(
        settings,
        AssetGraph.of(ALL),
        lake,
        Objects.from_settings(settings),
        catalog_tables(toys.NOTE.plural, CATALOG),
    )
    platform.prepare()
    folder = tmp_path / "notes"
    folder.mkdir()
    yield Bench(platform, folder)
    lake.close()


def test_assets_run_on_postgres_and_s3_as_they_do_locally(bench, settings):
    bench.add({"a": "two words", "b": "fail", "c": "silent", "d": "crash", "e": "three \0 words"})
    names = ["lengths", "words", "ratios", "remarks", "copies"]
    summaries = bench.run(names)
    assert {name: s.computed for name, s in summaries.items()} == {
        "lengths": 5, "words": 5, "ratios": 3, "remarks": 3, "copies": 5,
    }  # fmt: skip
    assert bench.query("SELECT item, outcome FROM ledger WHERE asset = 'lengths' ORDER BY item") == [
        ("a", "ok"), ("b", "failed"), ("c", "not_applicable"), ("d", "failed"), ("e", "ok"),
    ]  # fmt: skip
    assert bench.query("SELECT word FROM words WHERE item = 'e' ORDER BY position") == [
        ("three",),
        ("\0",),
        ("words",),
    ]
    ((key,),) = bench.query("SELECT copy FROM copies WHERE item = 'a'")
    assert Objects.from_settings(settings).get(key) == b"two words"
    kept = {key for key, _ in bench.platform.objects.modified() if not key.startswith("plans/")}
    assert kept == {key for (key,) in bench.query("SELECT copy FROM copies")}
    assert bench.run(names)["lengths"].computed == 1, "the one whose worker died"


def test_what_is_lost_in_the_bucket_is_found_and_made_again(bench, settings):
    bench.add({"a": "two words", "b": "three more words"})
    bench.run(["lengths", "copies"])
    bench.platform.lake.write(lambda c: c.execute("CALL ducklake_flush_inlined_data('lake')").fetchall())
    lake, objects = bench.platform.lake, bench.platform.objects
    with lake.get_connection() as connection:
        files = [file.path for file in table_files(connection) if file.table == "lengths"]
    lake.files.delete(files)
    ((key,),) = bench.query("SELECT copy FROM copies WHERE item = 'a'")
    objects.put(key, b"two turds")
    damage = find_damage(bench.platform)
    assert [(lost.name, lost.found) for lost in damage.lost] == [(files[0], "gone"), (key, "other bytes")]
    repair(bench.platform, damage)
    done = bench.run(["lengths", "copies"])
    assert {name: summary.computed for name, summary in done.items()} == {"lengths": 2, "copies": 1}
    assert objects.get(key) == b"two words" and find_damage(bench.platform).lost == []


def test_no_catalog_is_made_in_an_empty_database_where_data_lie_in_the_bucket(bench, settings):
    bench.add({"a": "two words"})
    bench.platform.lake.write(lambda c: c.execute("CALL ducklake_flush_inlined_data('lake')").fetchall())
    dsn = settings.lake_catalog.removeprefix("postgres:")
    server = psycopg2.connect(re.sub(r"dbname=\S+", "dbname=postgres", dsn))
    server.autocommit = True
    empty = f"empty_{os.getpid()}"
    with server.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {empty}")
    server.close()
    catalog = "postgres:" + re.sub(r"dbname=\S+", f"dbname={empty}", dsn)
    lake = quick_lake(settings.model_copy(update={"lake_catalog": catalog}))
    with pytest.raises(LakeError, match=r"no catalog in Postgres, and its data are in s3://"):
        lake.rows("SELECT 1")
    assert bench.query("SELECT item FROM notes") == [("a",)]


def test_readers_see_the_lake_while_it_is_written_and_older_snapshots_after(bench, settings):
    bench.add({"a": "one two"})
    bench.run(["words"])
    before = bench.platform.lake.snapshot()
    reader = Lake.from_settings(settings, read_only=True)
    with reader.get_connection() as connection:
        connection.execute("BEGIN")
        assert connection.execute("SELECT count(*) FROM words").fetchall() == [(2,)]
        bench.add({"a": "one two three", "b": "four"})
        bench.run(["words"])
        assert connection.execute("SELECT count(*) FROM words").fetchall() == [(2,)]
        connection.execute("COMMIT")
        assert connection.execute("SELECT count(*) FROM words").fetchall() == [(4,)]
    assert reader.rows(f"SELECT count(*) FROM words AT (VERSION => {before})") == [(2,)]
    reader.close()


def test_writers_and_a_reader_at_once_make_no_error_and_lose_and_double_no_row(settings):
    found = measure(quick_lake(settings), writers=3, seconds=4)
    assert found.errors == found.wrong == found.lost == ()
    assert found.commits >= 3


def test_those_that_open_a_new_lake_at_once_all_have_it(settings):
    errors: list[Exception] = []
    barrier = threading.Barrier(3)

    def open_it() -> None:
        lake = quick_lake(settings)
        barrier.wait()
        try:
            lake.rows("SELECT 1")
        except LakeError as error:
            errors.append(error)
        lake.close()

    threads = [threading.Thread(target=open_it) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


@contextmanager
def another_writer(settings: Settings) -> Iterator[None]:
    holding, done = threading.Event(), threading.Event()
    lake = quick_lake(settings)
    lake.rows("SELECT 1")
    thread = threading.Thread(target=lambda: lake.write(lambda _: holding.set() or done.wait(20)))
    thread.start()
    assert holding.wait(20)
    try:
        yield
    finally:
        done.set()
        thread.join()
        lake.close()


def test_a_writer_that_does_not_end_is_an_error_in_seconds(settings):
    impatient = replace(quick_lake(settings), lock_wait_s=0.5)
    impatient.rows("SELECT 1")
    started = time.monotonic()
    with another_writer(settings), pytest.raises(LakeError, match=r"has been writing to the lake for 0.5 s"):
        impatient.write(lambda connection: connection.execute("CREATE TABLE t (n INT)"))
    assert time.monotonic() - started < 10
    impatient.close()


def test_a_server_that_is_not_there_is_an_error_that_keeps_the_password_to_itself(settings):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    connections = (
        f"host=127.0.0.1 port={port} user=lake password=hunter2 dbname=x",
        f"host=127.0.0.1 port={port} user=lake password='hunter2 and more' dbname=x",
        f"postgresql://lake:hunter2@127.0.0.1:{port}/x",
    )
    for catalog, read_only in itertools.product(connections, (False, True)):
        lake = Lake(catalog=f"postgres:{catalog}", data=settings.lake_data, read_only=read_only)
        with pytest.raises(LakeError, match="refused") as caught:
            lake.rows("SELECT 1")
        assert "hunter2" not in "".join(traceback.format_exception(caught.value))
    objects = Objects(
        "s3://sounds/x", s3_endpoint=f"http://127.0.0.1:{port}", s3_key_id="k", s3_secret="hunter2"
    )
    with pytest.raises(ObjectError) as caught_object:
        objects.get("x")
    assert "hunter2" not in str(caught_object.value)


def test_no_view_or_error_shows_the_password_and_the_enclosed_lake_is_read_and_written(settings, postgres):
    with closing(psycopg2.connect(postgres)) as server, server, server.cursor() as cursor:
        cursor.execute("ALTER USER lake PASSWORD 'hunter2'")
    catalog = f"{settings.lake_catalog} password=hunter2"
    host, port = (part.split("=")[1] for part in postgres.split()[:2])
    database = catalog.partition("dbname=")[2].split()[0]
    uri = f"postgres:postgresql://lake:hunter2@{host}:{port}/{database}"
    for address in (catalog, uri):
        given = settings.model_copy(update={"lake_catalog": address})
        assert "hunter2" not in repr(Lake.from_settings(given))
        with connect(given, write=True) as connection:
            connection.sql("CREATE OR REPLACE TABLE t AS SELECT range AS n FROM range(1000)")
        with connect(given) as connection:
            assert connection.sql("SELECT count(*) FROM t").fetchone() == (1000,)
            for query in (
                "FROM duckdb_databases()", "PRAGMA database_list", "FROM duckdb_secrets()", "FROM duckdb_settings()",
                "EXPLAIN ANALYZE FROM t", "FROM duckdb_tables()", "FROM ducklake_options('lake')",
                "FROM __ducklake_metadata_lake.ducklake_metadata", "FROM ducklake_settings('lake')",
            ):  # fmt: skip
                found = connection.sql(query).fetchall()
                assert found
                assert "hunter2" not in str(found)
            for query in (
                "FROM nowhere", "FROM postgres_query('__ducklake_metadata_lake', 'SELECT 1')", "DELETE FROM t",
                "FROM postgres_scan('" + address.removeprefix("postgres:") + "', 'public', 't')",
                "FROM 's3://sounds/other/x.parquet'", "CALL postgres_execute('__ducklake_metadata_lake', 'SELECT 1')",
            ):  # fmt: skip
                with pytest.raises((QueryError, StatementError)) as caught:
                    connection.sql(query)
                assert "hunter2" not in "".join(traceback.format_exception(caught.value)).replace(query, "")
