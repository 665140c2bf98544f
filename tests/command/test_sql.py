"""`sql`: every type in every form, tables that can be read, and the list of tables."""

from __future__ import annotations

import csv
import io
import json
import math
from datetime import date

import duckdb
import polars
import pytest

from audio_assets.command import rows
from audio_assets.command.rows import written
from audio_assets.resources.lake import Lake
from audio_assets.resources.query import connect
from audio_assets.settings import Settings

WANTED = """
SELECT
    INTERVAL '1 month 2 days' AS "interval", 'a\\x00'::BLOB AS "blob",
    170141183460469231731687303715884105727::HUGEINT AS "huge",
    ['nan'::DOUBLE, 1, '-inf'] AS "list", {'a': 'inf'::FLOAT, 'b': [MAP {'k': 'nan'::DOUBLE}]} AS "deep",
    'nan'::DOUBLE AS "nan", '0101'::BIT AS "bit", 'x'::ENUM('x', 'y') AS "enum", union_value(k := 1) AS "union",
    '2020-01-02 03:04:05+00'::TIMESTAMPTZ AS "when", DATE '2020-01-02' AS "date",
    '00000000-0000-0000-0000-000000000001'::UUID AS "uuid", 1.50::DECIMAL(10, 2) AS "decimal",
    NULL AS "none", '' AS "empty",
    'NaN, "quoted"' AS "text"
"""


@pytest.fixture(scope="module")
def connection(tmp_path_factory):
    settings = Settings(home=tmp_path_factory.mktemp("sql") / "home")
    Lake.from_settings(settings).rows("SELECT 1")
    with connect(settings) as connection:
        yield connection


@pytest.mark.parametrize("form", ["csv", "json", "parquet", "table"])
def test_every_type_that_there_is_can_be_written_in_every_form(connection, form, tmp_path):
    found = written(connection.sql("FROM test_all_types()"), form)
    file = tmp_path / "rows"
    file.write_bytes(found)
    rows_of = {
        "csv": lambda: list(csv.reader(io.StringIO(found.decode())))[1:],
        "json": lambda: json.loads(found, parse_constant=lambda name: pytest.fail(f"{name} is no JSON")),
        "parquet": lambda: duckdb.sql(f"FROM read_parquet('{file}')").fetchall(),
        "table": lambda: [
            line for line in found.decode().splitlines() if line.startswith(("false", "true", "NULL"))
        ],
    }
    assert len(rows_of[form]()) == 3


def test_json_has_the_values_and_null_where_a_number_is_none(connection):
    (row,) = json.loads(written(connection.sql(WANTED), "json"))
    assert row["list"] == [None, 1.0, None]
    assert row["deep"] == {"a": None, "b": [{"k": None}]}
    assert row["nan"] is row["none"] is None
    assert row["huge"] == 2**127 - 1
    assert (row["interval"], row["bit"], row["enum"], row["union"]) == (
        "1 month 2 days",
        "0101",
        "x",
        {"k": 1},
    )
    assert (row["when"], row["date"], row["decimal"]) == ("2020-01-02 03:04:05+00", "2020-01-02", 1.5)
    assert (row["empty"], row["text"]) == ("", 'NaN, "quoted"')


def test_csv_has_nested_values_as_json_and_tells_null_from_an_empty_text(connection):
    text = written(connection.sql(WANTED), "csv").decode()
    (row,) = csv.DictReader(io.StringIO(text))
    assert json.loads(row["list"]) == [None, 1.0, None]
    assert json.loads(row["deep"]) == {"a": None, "b": [{"k": None}]}
    assert row["huge"] == str(2**127 - 1)
    assert (row["interval"], row["decimal"], row["text"]) == ("1 month 2 days", "1.50", 'NaN, "quoted"')
    assert text.splitlines()[1].endswith(',,"","NaN, ""quoted"""')


def test_parquet_keeps_types_and_loses_no_digit(connection):
    wanted = f"SELECT * EXCLUDE (interval) FROM ({WANTED})"  # polars reads none
    row = polars.read_parquet(io.BytesIO(written(connection.sql(wanted), "parquet"))).row(0, named=True)
    assert row["huge"] == str(2**127 - 1)
    assert row["date"] == date(2020, 1, 2)
    assert row["list"][1:] == [1.0, -math.inf]
    assert math.isnan(row["list"][0])
    summed = polars.read_parquet(
        io.BytesIO(written(connection.sql("SELECT sum(n) AS s FROM range(9) AS r(n)"), "parquet"))
    )
    assert summed["s"].dtype.is_decimal()
    assert summed["s"][0] == 36


def test_for_a_spreadsheet_no_text_is_a_formula_and_numbers_stay_numbers(connection):
    texts = "['=1+1', '+1', '-1', '@x', chr(9) || 'x', chr(13) || 'x', '＝1', 'a=1', '']"
    query = f'SELECT unnest({texts}) AS "=title", -1 AS n'
    plain = list(csv.reader(io.StringIO(written(connection.sql(query), "csv").decode(), newline="")))
    assert plain[0] == ["=title", "n"]
    assert plain[1] == ["=1+1", "-1"]
    guarded = list(
        csv.reader(io.StringIO(written(connection.sql(query), "csv", spreadsheet=True).decode(), newline=""))
    )
    assert guarded[0] == ["'=title", "n"]
    assert [row[0] for row in guarded[1:]] == [
        "'=1+1", "'+1", "'-1", "'@x", "'\tx", "'\rx", "'＝1", "a=1", "",
    ]  # fmt: skip
    assert {row[1] for row in guarded[1:]} == {"-1"}


def test_rows_stand_side_by_side_if_they_fit_and_upright_if_not(connection, monkeypatch):
    query = "SELECT 'one' AS name, 12 AS n, NULL AS missing UNION ALL SELECT 'a' || chr(10) || 'b', 3, 'x'"
    monkeypatch.setattr(rows, "out", type("Out", (), {"width": 80}))
    assert written(connection.sql(query), "table").decode().splitlines() == [
        "name │  n │ missing",
        "─────┼────┼────────",
        "one  │ 12 │ NULL",
        "a\\nb │  3 │ x",
        "(2 rows)",
    ]
    monkeypatch.setattr(rows, "out", type("Out", (), {"width": 18}))
    assert written(connection.sql(query), "table").decode().splitlines() == [
        "── row 1 ──────────────────",
        "name    │ one",
        "n       │ 12",
        "missing │ NULL",
        "── row 2 ──────────────────",
        "name    │ a\\nb",
        "n       │ 3",
        "missing │ x",
        "(2 rows)",
    ]


def test_a_table_that_is_cut_says_so(connection):
    said = written(connection.sql("FROM range(201)"), "table").decode()
    assert "(200 rows)" in said
    assert "--format csv" in said
    assert "--format" not in written(connection.sql("FROM range(200)"), "table").decode()


def test_without_a_query_all_tables_and_views_are_listed_by_group_with_rows_and_what_they_hold(typed):
    typed("status")
    listed = {row["name"]: row for row in typed("sql", "--format", "json").rows}
    lake = typed(
        "sql",
        "SELECT table_name AS name FROM duckdb_tables() WHERE database_name = 'lake'",
        "--format",
        "json",
    )
    assert {row["name"] for row in lake.rows} < listed.keys()
    assert (listed["tempo"]["group"], listed["tempo"]["kind"], listed["tempo"]["rows"]) == (
        "features",
        "table",
        0,
    )
    assert (listed["top_tags"]["group"], listed["top_tags"]["kind"]) == ("views", "view")
    assert listed["ledger"]["group"] == "platform"
    assert listed["files"]["group"] == "catalog"
    assert [row["name"] for row in listed.values() if not row["description"]] == []
    assert [row["name"] for row in listed.values() if row["group"] == "other"] == []
    table = typed("sql")
    assert len(table.lines) == len(listed) + 3


def test_the_command_reads_the_lake_alone_and_says_what_would_allow_more(typed, tmp_path):
    typed("status")
    (tmp_path / "x.csv").write_text("a\n1\n")
    refused = typed("sql", f"FROM read_csv('{tmp_path}/x.csv')")
    assert (refused.code, "--files" in refused.err) == (2, True)
    assert typed("sql", "--files", "--format", "json", f"FROM read_csv('{tmp_path}/x.csv')").rows == [
        {"a": 1}
    ]
    assert "--write" in typed("sql", "DELETE FROM ledger").err
    assert typed("sql", "--write", "DELETE FROM ledger").code == 0
    assert "for --format csv" in typed("sql", "--spreadsheet", "SELECT 1").err
