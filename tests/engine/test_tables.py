"""Columns and tables: what they accept, what they refuse, and what they say of it."""

from __future__ import annotations

from datetime import UTC, datetime

import duckdb
import numpy as np
import pytest

from audio_assets.engine import (
    BOOLEAN,
    FLOAT,
    INTEGER,
    OBJECT,
    TEXT,
    TIMESTAMP,
    Blob,
    Column,
    ItemKind,
    Table,
    item_asset,
)
from audio_assets.engine.declare.tables import InvalidRow
from audio_assets.engine.state.rows import arrow_table

NOTE = ItemKind("note", "notes", str)
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def column(type_=FLOAT, **options) -> Column:
    return Column("level", type_, doc="A level", **options)


@pytest.mark.parametrize(
    ("type_", "given", "stored"),
    [
        (FLOAT, 1, 1.0),
        (FLOAT, np.float32(0.5), 0.5),
        (INTEGER, np.int64(7), 7),
        (INTEGER, 2**63 - 1, 2**63 - 1),
        (BOOLEAN, np.bool_(True), True),
        (TEXT, "é😀", "é😀"),
        (OBJECT, "stems/a/1.flac", "stems/a/1.flac"),
        (TIMESTAMP, NOON, NOON),
        (FLOAT, None, None),
    ],
)
def test_a_value_is_stored_as_the_plain_python_value_of_its_column(type_, given, stored):
    checked = column(type_).check(given)
    assert checked == stored
    assert type(checked) is type(stored)


@pytest.mark.parametrize(
    ("type_", "value", "words"),
    [
        (FLOAT, float("nan"), "nan"),
        (FLOAT, float("inf"), "inf"),
        (FLOAT, True, "wanted float"),
        (FLOAT, "1.5", "wanted float"),
        (INTEGER, 1.0, "wanted integer"),
        (INTEGER, True, "wanted integer"),
        (INTEGER, 2**63, "64 bits"),
        (BOOLEAN, 1, "wanted boolean"),
        (TEXT, b"bytes", "wanted text"),
        (TEXT, "\udcff", "Unicode"),
        (OBJECT, b"bytes", "wanted object"),
        (TIMESTAMP, NOON.replace(tzinfo=None), "time zone"),
        (TIMESTAMP, NOON.date(), "wanted timestamp"),
    ],
)
def test_a_value_of_another_kind_is_refused_with_column_and_value(type_, value, words):
    with pytest.raises(InvalidRow, match=words) as caught:
        column(type_).check(value)
    assert "level" in str(caught.value)


def test_an_object_column_lets_a_blob_through_to_be_stored():
    blob = Blob(b"abc", "bin")
    assert column(OBJECT).check(blob) is blob


def test_bounds_are_inclusive_and_the_message_names_value_range_and_unit():
    lufs = column(low=-70, high=5, unit="LUFS")
    assert [lufs.check(-70), lufs.check(5)] == [-70, 5]
    for outside in (-70.001, 5.001):
        with pytest.raises(InvalidRow, match=r"level is .*, outside -70\.\.5 LUFS"):
            lufs.check(outside)


def test_null_is_refused_only_where_a_value_is_required():
    assert column(length=3).check(None) is None
    with pytest.raises(InvalidRow, match="required"):
        column(nullable=False).check(None)


def test_a_list_of_floats_is_rounded_to_the_32_bits_it_is_stored_with():
    checked = column(length="any").check([0.1, 1 / 3])
    assert checked == [float(np.float32(0.1)), float(np.float32(1 / 3))]
    assert column(length="any").check([]) == []


def test_a_bound_that_32_bits_cannot_hold_is_still_inclusive():
    assert column(length=2, low=0.1, high=0.7).check([0.1, 0.7])


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([1.0, float("nan"), 2.0], "nan"),
        ([1.0, 1e39, 2.0], "inf"),
        ([1.0, None, 2.0], "wanted a list of float"),
        (["1.0", "2.0", "3.0"], "wanted a list of float"),
        ([[1.0, 2.0], [3.0]], "wanted a list of float"),
        (np.zeros((3, 1)), "wanted a list of float"),
        ([True, False, True], "wanted a list of float"),
        (1.0, "wanted a list of float"),
        ([1.0, 2.0], "has 2 values; wanted 3"),
        ([1.0, 2.0, 99.0], r"99, outside 0\.\.10"),
    ],
)
def test_a_list_of_floats_is_refused_for_any_wrong_value_shape_or_length(value, words):
    with pytest.raises(InvalidRow, match=words):
        column(length=3, low=0, high=10).check(value)


def test_a_text_is_no_list_of_texts():
    words = column(TEXT, length="any")
    assert words.check(("one", "two")) == ["one", "two"]
    with pytest.raises(InvalidRow, match="wanted a list of text"):
        words.check("one")
    with pytest.raises(InvalidRow, match="wanted a list of text"):
        words.check(["one", 2])


def test_a_message_about_a_huge_value_stays_short():
    with pytest.raises(InvalidRow) as caught:
        column(length=3).check(["x" * 10_000] * 1000)
    assert len(str(caught.value)) < 300


RANGED = [
    column(low=-1),
    column(high=2.5),
    column(INTEGER, low=0, high=10),
    column(length="any", low=0.1, high=0.7),
    column(length="any", high=1e-5),
]


@pytest.mark.parametrize("ranged", RANGED, ids=lambda c: f"{c.sql_type} {c.range_text}")
def test_sql_and_python_agree_on_what_is_outside_the_range(ranged):
    numbers = [-1, 0, 1, 2, 3, 11] if ranged.type is INTEGER else [-1.5, -1, 0, 1e-6, 0.1, 0.7, 2.5, 2.6]
    values = [[number, 0] for number in numbers] if ranged.length else numbers

    def is_outside(value: object) -> bool:
        try:
            ranged.check(value)
        except InvalidRow:
            return True
        return False

    connection = duckdb.connect()
    connection.execute(f"CREATE TABLE t (level {ranged.sql_type})")
    connection.executemany("INSERT INTO t VALUES (?)", [[value] for value in [*values, None]])
    query = f"SELECT coalesce({ranged.outside_sql()}, false) FROM t"
    found = [outside for (outside,) in connection.execute(query).fetchall()]
    assert found == [*(is_outside(value) for value in values), False]


LEVELS = Table("levels", NOTE, [column(), Column("name", TEXT, doc="A name")])
MANY = Table("levels", NOTE, LEVELS.columns, rows="many")


@pytest.mark.parametrize(
    ("table", "returned", "words"),
    [
        (LEVELS, [{"level": 1.0, "name": "a"}], "levels returned list; wanted a mapping"),
        (LEVELS, None, "levels returned NoneType"),
        (LEVELS, {"level": 1.0}, "levels returned no value for name"),
        (LEVELS, {"level": 1.0, "name": "a", "extra": 1}, "levels has no column extra"),
        (MANY, {"level": 1.0, "name": "a"}, "levels returned dict; wanted a list of mappings"),
        (MANY, "text", "levels returned str; wanted a list of mappings"),
        (MANY, [(1.0, "a")], "levels returned tuple; wanted a mapping of column to value for each row"),
    ],
)
def test_what_does_not_fit_the_table_is_refused_with_the_reason(table, returned, words):
    with pytest.raises(InvalidRow, match=words):
        table.check_rows(returned)


def test_a_many_row_table_takes_any_number_of_rows():
    assert MANY.check_rows([]) == []
    assert MANY.check_rows(({"level": 1, "name": "a"},)) == [{"level": 1.0, "name": "a"}]


@pytest.mark.parametrize("name", ["item", "fingerprint", "Level"])
def test_a_column_may_not_be_declared_twice_nor_take_the_engines_names(name):
    with pytest.raises(ValueError, match=f"levels declares {name.lower()} more than once"):
        item_asset(
            table=Table("levels", NOTE, [column(), Column(name, TEXT, doc="Again")]),
            group="g",
            code_version="1",
        )(levels)


def levels(note): ...


def test_whatever_passes_the_checks_can_be_written():
    kinds = (FLOAT, INTEGER, BOOLEAN, TEXT, TIMESTAMP)
    values = {
        FLOAT: [5e-324, -0.0, 1.7e308],
        INTEGER: [-(2**63), 2**63 - 1],
        BOOLEAN: [False, True],
        TEXT: ["", "\0", "'\";--", "𝄞"],
        TIMESTAMP: [NOON, datetime.max.replace(tzinfo=UTC)],
    }
    for type_ in kinds:
        single, several = column(type_), Column("several", type_, doc="Many", length="any")
        stored = [v for v in values[type_] if type_ is not FLOAT or abs(v) < 1e38]
        rows = [
            {"level": single.check(value), "several": several.check(stored)}
            for value in [*values[type_], None]
        ]
        assert arrow_table((single, several), rows).to_pylist() == rows
