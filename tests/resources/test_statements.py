"""SQL for the lake: whatever reads it is answered, and nothing reaches past it."""

from __future__ import annotations

import hashlib
import random
import re
import sqlite3
from pathlib import Path

import duckdb
import pytest

from audio_assets.resources.lake import Lake, LakeError
from audio_assets.resources.query import Connection, QueryError, connect
from audio_assets.resources.statements import Judge, StatementError
from audio_assets.settings import Settings
from tests.conftest import CHECKOUT

MARK = "what-nobody-may-read"
REFUSED = (StatementError, QueryError, LakeError)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A home with a lake, and files outside it that bear the mark."""
    folder = tmp_path_factory.mktemp("place")
    lake = Lake.from_settings(Settings(home=folder / "home"))

    def change(connection):
        connection.execute("CREATE TABLE songs (item VARCHAR, bpm DOUBLE, genre VARCHAR)")
        connection.execute(
            "INSERT INTO songs SELECT 'a' || range, 60 + range, ['rock', 'folk'][1 + range % 2] FROM range(300)"
        )
        connection.execute("CREATE VIEW quick AS SELECT * FROM songs WHERE bpm > 200")
        connection.execute("CREATE MACRO half(x) AS x / 2")
        connection.execute("CREATE MACRO above(x) AS TABLE SELECT * FROM songs WHERE bpm > x")

    lake.write(change)
    lake.close()
    outside = folder / "outside"
    outside.mkdir()
    for name in ("secret.txt", "secret.csv", "secret.json"):
        (outside / name).write_text(f'{{"x": "{MARK}"}}\n' * 3)
    duckdb.execute(f"COPY (SELECT '{MARK}' AS x) TO '{outside}/secret.parquet'")
    with sqlite3.connect(outside / "secret.sqlite") as database:
        database.execute("CREATE TABLE t (x TEXT)")
        database.execute(f"INSERT INTO t VALUES ('{MARK}')")
    return folder


@pytest.fixture(scope="module")
def connection(place):
    with connect(Settings(home=place / "home")) as connection:
        yield connection


ESCAPES = [
    # reading files, folders, databases
    "FROM read_text('{o}/secret.txt')",
    "SELECT * FROM read_blob('{o}/*')",
    "FROM read_csv('{o}/secret.csv')",
    "FROM read_csv_auto('{o}/secret.csv')",
    "FROM read_json('{o}/secret.json')",
    "FROM read_ndjson_objects('{o}/secret.json')",
    "FROM read_parquet('{o}/secret.parquet')",
    "FROM parquet_scan('{o}/secret.parquet')",
    "FROM parquet_kv_metadata('{o}/secret.parquet')",
    "FROM parquet_metadata('{o}/secret.parquet')",
    "FROM glob('{o}/*')",
    "FROM sniff_csv('{o}/secret.csv')",
    "FROM sqlite_scan('{o}/secret.sqlite', 't')",
    "FROM read_duckdb('{o}/secret.sqlite')",
    "FROM '{o}/secret.csv'",
    "FROM '{o}/secret.parquet'",
    'SELECT * FROM "{o}/secret.json"',
    "FROM 'https://example.com/secret.parquet'",
    "FROM read_text('s3://bucket/secret.txt')",
    "FROM query_table('{o}/secret.csv')",
    "FROM query('FROM read_text(''{o}/secret.txt'')')",
    "FROM query('FROM sqlite_' || 'scan(''{o}/secret.sqlite'', ''t'')')",
    "FROM json_execute_serialized_sql(json_serialize_sql('FROM songs'))",
    "FROM sqlite_query('__ducklake_metadata_lake', 'SELECT 1')",
    "FROM songs, LATERAL (SELECT * FROM sqlite_scan('{o}/secret.sqlite', 't'))",
    "WITH x AS (FROM sqlite_scan('{o}/secret.sqlite', 't')) FROM x",
    "SELECT (SELECT x FROM sqlite_scan('{o}/secret.sqlite', 't'))",
    "PIVOT (FROM sqlite_scan('{o}/secret.sqlite', 't')) ON x USING count(*)",
    "DESCRIBE FROM sqlite_scan('{o}/secret.sqlite', 't')",
    "SUMMARIZE FROM sqlite_scan('{o}/secret.sqlite', 't')",
    "EXPLAIN ANALYZE FROM sqlite_scan('{o}/secret.sqlite', 't')",
    "SELECT getenv('HOME')",
    "SELECT * FROM here",
    # writing files
    "COPY songs TO '{o}/new.csv'",
    "COPY songs TO '{h}/lake/data/new.parquet'",
    "COPY (SELECT 1) TO '/dev/stdout'",
    "COPY songs FROM '{o}/secret.csv'",
    "COPY FROM DATABASE lake TO memory",
    "EXPLAIN ANALYZE COPY songs TO '{h}/lake/data/new.csv'",
    "EXPLAIN (ANALYZE, FORMAT json) COPY songs TO '{h}/lake/data/new.csv'",
    "EXPORT DATABASE '{o}/new'",
    "EXPORT DATABASE '{h}/lake/data/new'",
    "IMPORT DATABASE '{o}'",
    # other databases, settings, extensions, secrets
    "ATTACH '{o}/new.db'",
    "ATTACH '{o}/secret.sqlite' (TYPE sqlite)",
    "ATTACH 'ducklake:sqlite:{h}/lake/catalog.sqlite' AS again",
    "DETACH lake",
    "USE memory",
    "SET threads = 1",
    "SET enable_external_access = true",
    "RESET allowed_directories",
    "SET VARIABLE x = 1",
    "PRAGMA enable_profiling",
    "PRAGMA database_size; PRAGMA threads = 2",
    "INSTALL spatial",
    "LOAD httpfs",
    "LOAD '{o}/secret.txt'",
    "CREATE SECRET s (TYPE s3, KEY_ID 'k', SECRET 's')",
    "CALL enable_logging()",
    "FROM enable_profiling()",
    "FROM duckdb_secrets(redact => false)",
    # changing the lake
    "INSERT INTO songs VALUES ('z', 1, 'x')",
    "UPDATE songs SET bpm = 0",
    "DELETE FROM songs",
    "TRUNCATE songs",
    "MERGE INTO songs USING songs AS s ON false WHEN NOT MATCHED THEN INSERT VALUES ('z', 1, 'x')",
    "DROP TABLE songs",
    "ALTER TABLE songs ADD COLUMN z INT",
    "COMMENT ON TABLE songs IS 'x'",
    "CREATE TABLE z AS SELECT 1",
    "CREATE TEMP TABLE z AS SELECT 1",
    "CREATE TEMP MACRO z() AS TABLE FROM sqlite_scan('{o}/secret.sqlite', 't')",
    "CREATE VIEW z AS SELECT 1",
    "EXPLAIN ANALYZE DELETE FROM songs",
    "CALL ducklake_expire_snapshots('lake', older_than => now())",
    "FROM ducklake_delete_orphaned_files('lake', cleanup_all => true)",
    "FROM lake.delete_orphaned_files(cleanup_all => true)",
    "FROM ducklake_merge_adjacent_files('lake')",
    "FROM lake.merge_adjacent_files()",
    "FROM ducklake_set_option('lake', 'parquet_compression', 'zstd')",
    "FROM lake.set_option('parquet_compression', 'zstd')",
    "FROM ducklake_add_data_files('lake', 'songs', '{o}/secret.parquet')",
    "FROM sqlite_query('__ducklake_metadata_lake', 'DELETE FROM ducklake_snapshot RETURNING 1')",
    "CHECKPOINT",
    "VACUUM",
    "BEGIN",
    # more than one statement, and none
    "SELECT 1; SELECT 2",
    "SELECT 1; DETACH lake",
    "PIVOT songs ON genre USING count(*); SELECT 1",
    "CREATE TEMP TABLE z AS SELECT 1; PIVOT songs ON genre USING count(*)",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "",
    " -- nothing",
    ";",
    "EXPLAIN",
    "SELECT 1\0",
    "/* /* */ EXPLAIN SELECT 1; -- */ EXPLAIN ANALYZE COPY songs TO '{h}/lake/data/new.csv'",
]

ANSWERED = [
    "SELECT count(*) FROM songs",
    "FROM songs LIMIT 1",
    "FROM songs;",
    "  (SELECT 1) ; -- the end",
    "/* first /* nested */ */ SELECT 'é', bpm FROM songs",
    "VALUES (1), (2)",
    "WITH recent AS (FROM quick) SELECT avg(bpm) FROM recent",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) FROM n",
    "SELECT item, rank() OVER (PARTITION BY genre ORDER BY bpm) FROM songs QUALIFY rank() OVER (ORDER BY bpm) < 3",
    "PIVOT songs ON genre USING avg(bpm)",
    "PIVOT songs ON genre IN ('rock') USING avg(bpm)",
    "FROM (PIVOT songs ON genre USING count(*))",
    "UNPIVOT (SELECT 1 AS a, 2 AS b) ON a, b",
    "SUMMARIZE songs",
    "DESCRIBE songs",
    "DESCRIBE SELECT half(bpm) FROM songs",
    "EXPLAIN SELECT * FROM songs",
    "EXPLAIN PIVOT songs ON genre IN ('rock') USING avg(bpm)",
    "-- why\nEXPLAIN /* é */ ANALYZE (SELECT 1)",
    "EXPLAIN (FORMAT json) FROM songs",
    "SHOW TABLES",
    "SHOW ALL TABLES",
    "SELECT half(bpm) FROM quick",
    "FROM above(250)",
    "SELECT unnest(range(3)), query FROM (SELECT 'read_text(1)' AS query)",
    "SELECT list_transform([1, 2], x -> x + 1), json_extract('{{\"a\": 1}}', '$.a')",
    "FROM range(3) AS r(n) JOIN generate_series(1, 2) AS g(n) USING (n)",
    "FROM songs AT (VERSION => 1)",
    "FROM ducklake_snapshots('lake')",
    "FROM lake.snapshots()",
    "SELECT id FROM lake.current_snapshot()",
    "FROM ducklake_table_info('lake')",
    "FROM duckdb_tables()",
    "FROM query_table('songs')",
    "SELECT * FROM songs USING SAMPLE 3",
    "SELECT s FROM songs AS s ASOF JOIN songs AS t ON s.bpm >= t.bpm",
]


def filled(text: str, place: Path) -> str:
    return text.replace("{o}", f"{place}/outside").replace("{h}", f"{place}/home").replace("{{", "{")


def contents(place: Path) -> dict[str, str]:
    files = (path for path in sorted(place.rglob("*")) if path.is_file())
    passing = ("-shm", "-wal")  # of SQLite, where there is a reader
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if not path.name.endswith(passing)
    }


def escapes(connection: Connection, query: str) -> bool:
    """Whether the query was answered."""
    here = duckdb.sql(f"SELECT '{MARK}' AS x").to_arrow_table()
    assert here.num_rows == 1
    try:
        found = connection.sql(query)
        assert found is not None
        found.fetchall()
    except REFUSED as error:
        assert MARK not in str(error)
        return False
    return True


def test_no_statement_reaches_past_the_lake_or_changes_anything(connection, place):
    before = contents(place)
    passed = [text for text in ESCAPES if escapes(connection, filled(text, place))]
    assert passed == []
    assert contents(place) == before
    assert len(ESCAPES) >= 90


@pytest.mark.parametrize("text", ANSWERED)
def test_whatever_reads_the_lake_is_answered(connection, place, text):
    found = connection.sql(filled(text, place).replace("}}", "}"))
    assert found is not None
    assert found.fetchall()


SPACES = [
    " ",
    "\n",
    "\t",
    "/**/",
    "/* /* */ */",
    "--\n",
    "\u00a0",
    "\u3000",
    "\u2003",
    "\ufeff",
    "\u200b",
    "\u2028",
]


def disguised(text: str, chance: random.Random) -> str:
    """The same statement as another would write it: cases, spaces, comments, quotes, and around it another."""

    def name(found: re.Match[str]) -> str:
        word = "".join(chance.choice([c.lower(), c.upper()]) for c in found[1])
        word = f'"{word}"' if chance.random() < 0.3 and "." not in word else word
        return word + chance.choice(SPACES) * chance.randrange(3) + "("

    text = re.sub(r"\b([a-z_]+)\(", name, text)
    text = re.sub(r" (?=[^']*(?:'[^']*'[^']*)*$)", lambda _: chance.choice(SPACES[:4] + SPACES), text)
    wrapped = [
        "{}", "{};", "-- x\n{}", "EXPLAIN {}", "EXPLAIN ANALYZE {}", "EXPLAIN (FORMAT json) {}", "({})", "FROM ({})",
        "DESCRIBE {}", "SUMMARIZE {}", "WITH x AS ({}) FROM x", "WITH x AS MATERIALIZED ({}) SELECT * FROM x, songs",
        "SELECT 1 UNION ALL {}", "PIVOT ({}) ON #1 USING count(*)", "SELECT 1; {}", "{}; SELECT 1", "SELECT ({})",
        "FROM songs, LATERAL ({})", "PREPARE p AS {}", "CREATE TEMP VIEW v AS {}", "FROM query($$ {} $$)",
        "EXPLAIN EXPLAIN {}", "/* */ {} /* */", "SELECT EXISTS ({})", "SELECT 1 WHERE 1 IN ({})",
        "COPY ({}) TO '{h}/lake/data/new.csv'", "INSERT INTO songs {}",
    ]  # fmt: skip
    return chance.choice(wrapped).replace("{}", text)


def test_disguised_escapes_do_not_pass_either(connection, place):
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    files = [text for text in ESCAPES if "secret" in text or "new" in text or "ducklake" in text]
    before = contents(place)
    passed = []
    for _ in range(5000):
        query = filled(disguised(chance.choice(files), chance), place)
        try:
            found = connection.sql(query)
            rows = found.fetchall() if found is not None else []
        except REFUSED as error:
            assert MARK not in str(error)
            continue
        passed.append((query, rows))
    assert passed == []
    assert contents(place) == before


def test_with_write_the_lake_can_be_changed_by_several_statements_and_nothing_else(place, tmp_path):
    home = tmp_path / "home"
    Lake.from_settings(Settings(home=home)).rows("SELECT 1")
    with connect(Settings(home=home), write=True) as connection:
        connection.sql("CREATE TABLE t (n INT); INSERT INTO t SELECT range FROM range(1000)")
        assert connection.sql("SELECT count(*) FROM t").fetchone() == (1000,)
        with pytest.raises(QueryError):
            connection.sql("INSERT INTO t VALUES (7); INSERT INTO nowhere VALUES (1)")
        connection.sql(
            "UPDATE t SET n = -1 WHERE n = 3; CREATE VIEW v AS FROM t; CALL lake.merge_adjacent_files()"
        )
        assert connection.sql("SELECT count(*), min(n) FROM v").fetchone() == (1000, -1)
        connection.sql("DELETE FROM t WHERE n > 1")
        for text in (
            "COPY t TO '{o}/new.csv'", "INSERT INTO t FROM read_csv('{o}/secret.csv')", "ATTACH '{o}/new.db'",
            "CREATE TABLE u AS FROM sqlite_scan('{o}/secret.sqlite', 't')", "SET threads = 1", "DETACH lake",
            "SELECT 1; EXPORT DATABASE '{o}/new'", "FROM query('SELECT 1')",
            "CREATE MACRO m() AS TABLE FROM sqlite_scan('{o}/secret.sqlite', 't')",
        ):  # fmt: skip
            with pytest.raises(REFUSED):
                connection.sql(filled(text, place))
    assert not (place / "outside/new.csv").exists()


def test_what_changes_the_lake_takes_its_turn_among_the_writers(place, tmp_path, monkeypatch):
    home = tmp_path / "home"
    Lake.from_settings(Settings(home=home)).rows("SELECT 1")
    turns = []
    write = Lake.write
    monkeypatch.setattr(Lake, "write", lambda self, change: (turns.append(1), write(self, change)))
    with connect(Settings(home=home), write=True) as connection:
        connection.sql("CREATE TABLE t (n INT)")
        connection.sql("FROM t")
    assert turns == [1]


def test_with_files_files_can_be_read_and_written_and_the_lake_stays_as_it_is(place, tmp_path):
    with connect(Settings(home=place / "home"), files=True) as connection:
        assert connection.sql(filled("FROM read_text('{o}/secret.txt')", place)).fetchall()
        connection.sql(f"COPY songs TO '{tmp_path}/songs.parquet'")
        assert connection.sql(f"SELECT count(*) FROM '{tmp_path}/songs.parquet'").fetchone() == (300,)
        for text in ("DELETE FROM songs", "ATTACH ':memory:' AS m", "SELECT 1; SELECT 2", "DETACH lake"):
            with pytest.raises(REFUSED):
                connection.sql(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("DELETE FROM songs", "--write"),
        ("FROM lake.merge_adjacent_files()", "--write"),
        ("COPY songs TO 'x.csv'", "--files"),
        ("FROM read_csv('x.csv')", "--files"),
        ("SELECT 1; SELECT 2", "2 statements"),
        ("ATTACH 'x'", "no statement for the lake"),
    ],
)
def test_a_refusal_says_what_would_allow_it_if_anything_does(connection, text, said):
    with pytest.raises(StatementError, match=said):
        connection.sql(text)


def test_the_queries_that_ship_are_single_statements_that_read():
    judge = Judge(duckdb.connect())
    files = sorted((CHECKOUT / "sql/queries").glob("*.sql"))
    assert files
    for path in files:
        assert judge.check(path.read_text()) is False


def test_a_large_query_may_still_use_the_disk(place):
    settings = Settings(home=place / "home")
    lake = Lake.from_settings(settings, read_only=True, enclosed=True)
    lake.connection_config = {"memory_limit": "100MB"}
    query = (
        "SELECT count(*) FROM (SELECT random() r, repeat('x', 100) || range s FROM range(2000000) ORDER BY r)"
    )
    assert lake.rows(query) == [(2_000_000,)]
    lake.close()
