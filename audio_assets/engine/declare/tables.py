"""Tables: the one declaration of what an item asset writes.

From a `Table` come the lake's DDL, the checks of every row before it is stored, Dagster's column
schema, the range checks and the data dictionary. Every table also has the columns of `KEY_COLUMNS`,
which the engine fills.
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal

import numpy as np

Row = dict[str, Any]


class InvalidRow(ValueError):
    """A computed row breaks its table's declaration; the message names column and value."""


@dataclass(frozen=True)
class ColumnType:
    """A lake type and its name in SQL."""

    name: str
    sql: str


FLOAT = ColumnType("float", "DOUBLE")
INTEGER = ColumnType("integer", "BIGINT")
UNSIGNED = ColumnType("unsigned", "UBIGINT")
"""64 bits of a hash; the engine's own."""
BOOLEAN = ColumnType("boolean", "BOOLEAN")
TEXT = ColumnType("text", "VARCHAR")
TIMESTAMP = ColumnType("timestamp", "TIMESTAMP WITH TIME ZONE")
OBJECT = ColumnType("object", "VARCHAR")
"""The key of a large value in object storage; the function returns a `Blob`, the key is stored."""


@dataclass(frozen=True)
class Blob:
    """A large value: an asset's function returns it in an object column, and the key is stored.

    `data` are its bytes, or a file that holds them where they are too many for memory. The engine moves
    such a file to object storage: it is gone afterwards, stored or not.
    """

    data: bytes | Path
    extension: str


@dataclass(frozen=True)
class Column:
    """A column: its type, meaning, unit and range.

    `length` makes it a list: an int for exactly that many values, ``"any"`` for any number. Lists of
    floats are stored with 32 bits, single floats with 64. `low` and `high` are inclusive.
    """

    name: str
    type: ColumnType
    doc: str = field(kw_only=True)
    unit: str | None = field(default=None, kw_only=True)
    low: float | None = field(default=None, kw_only=True)
    high: float | None = field(default=None, kw_only=True)
    length: int | Literal["any"] | None = field(default=None, kw_only=True)
    nullable: bool = field(default=True, kw_only=True)

    @property
    def sql_type(self) -> str:
        """The column's type in DDL."""
        if self.length is None:
            return self.type.sql
        return ("FLOAT" if self.type is FLOAT else self.type.sql) + "[]"

    @property
    def has_range(self) -> bool:
        """Whether values are bounded."""
        return self.low is not None or self.high is not None

    @property
    def range_text(self) -> str:
        """The range as people write it, e.g. ``-70..5 LUFS``."""
        low = "" if self.low is None else f"{self.low:g}"
        high = "" if self.high is None else f"{self.high:g}"
        return f"{low}..{high}" + (f" {self.unit}" if self.unit else "")

    def outside_sql(self) -> str:
        """SQL that is true where a value lies outside the range."""
        value = f'"{self.name}"'
        low = f"{value} < {self.low}" if self.low is not None else ""
        high = f"{value} > {self.high}" if self.high is not None else ""
        condition = " OR ".join(filter(None, (low, high)))
        if self.length is None:
            return f"({condition})"
        return f"len(list_filter({value}, lambda x: {condition.replace(value, 'x')})) > 0"

    def check(self, value: Any) -> Any:
        """`value` as a plain Python value of this column's type; a `Blob` as it is.

        Raises:
            InvalidRow: wrong type, wrong length, NaN or infinite, or outside the range.
        """
        if value is None:
            if not self.nullable:
                raise InvalidRow(f"{self.name} is NULL; a value is required")
            return None
        if self.length is None:
            return self._check_scalar(value)
        values = self._check_floats(value) if self.type is FLOAT else self._check_list(value)
        if self.length != "any" and len(values) != self.length:
            raise InvalidRow(f"{self.name} has {len(values)} values; wanted {self.length}")
        return values

    def _check_floats(self, value: Any) -> list[float]:
        """Values with 32 bits, as stored: an upstream's values must not depend on where they are read."""
        try:
            given = np.asarray(value)
        except ValueError:  # rows of different lengths
            given = np.asarray(None)
        if given.ndim != 1 or given.dtype.kind not in "fiu":
            raise self._wrong_type(value)
        with np.errstate(over="ignore"):
            values = given.astype(np.float32)
        wrong = ~np.isfinite(values)
        if self.low is not None:
            wrong |= values < np.float32(self.low)
        if self.high is not None:
            wrong |= values > np.float32(self.high)
        if wrong.any():
            self._check_number(float(values[wrong][0]))
        found: list[float] = values.tolist()
        return found

    def _check_list(self, value: Any) -> list[Any]:
        if isinstance(value, np.ndarray):
            value = value.tolist()
        if not isinstance(value, list | tuple):
            raise self._wrong_type(value)
        return [self._check_scalar(element) for element in value]

    def _check_scalar(self, value: Any) -> Any:
        is_boolean = isinstance(value, bool | np.bool_)
        if self.type is BOOLEAN and is_boolean:
            return bool(value)
        if self.type is FLOAT and isinstance(value, Real) and not is_boolean:
            return self._check_number(float(value))
        if self.type is INTEGER and isinstance(value, Integral) and not is_boolean:
            return self._check_number(int(value))
        if self.type is OBJECT and isinstance(value, Blob):
            return value
        if self.type in (TEXT, OBJECT) and isinstance(value, str):
            return self._check_text(value)
        if self.type is TIMESTAMP and isinstance(value, datetime) and value.tzinfo is not None:
            return value
        raise self._wrong_type(value)

    def _check_number(self, value: float) -> float:
        if not math.isfinite(value):
            raise InvalidRow(f"{self.name} is {value}; wanted a finite number, or None")
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise InvalidRow(f"{self.name} is {value:.3g}; wanted an integer of at most 64 bits")
        if (self.low is not None and value < self.low) or (self.high is not None and value > self.high):
            raise InvalidRow(f"{self.name} is {value:g}, outside {self.range_text}")
        return value

    def _check_text(self, value: str) -> str:
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise InvalidRow(f"{self.name} is no valid Unicode text: {error.reason}") from error
        return value

    def _wrong_type(self, value: Any) -> InvalidRow:
        wanted = self.type.name if self.length is None else f"a list of {self.type.name}"
        wanted += " with a time zone" if self.type is TIMESTAMP else ""
        return InvalidRow(f"{self.name} is {reprlib.repr(value)} ({type(value).__name__}); wanted {wanted}")


@dataclass(frozen=True)
class Item:
    """One item of the catalog: what is computed on. `size` is in the unit of its kind's size column."""

    key: str
    content_hash: str
    path: str
    size: float = 0.0
    record: Mapping[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Size:
    """The catalog's column that measures how much an item is, and how much of it people call one `unit`."""

    column: str
    unit: str
    per_unit: float = 1.0


@dataclass(frozen=True)
class ItemKind:
    """A kind of item: where its catalog stands and how a worker opens one.

    `plural` is the catalog table and the name of the dynamic partitions. `open` turns an `Item` into
    the first argument of the item assets; it should be lazy, since not every asset needs everything.
    """

    name: str
    plural: str
    open: Callable[[Item], Any]
    doc: str = ""
    size: Size | None = None


@dataclass(frozen=True)
class Table:
    """A table of the lake, whoever fills it: an asset, ingest or the engine itself.

    `item` is the kind of item its rows are about, where they are about single items; `rows` is ``"one"`` row or
    ``"many"`` rows of what fills it at a time. `keys` are columns before its own that the engine fills: an
    asset's declaration sets them, by what the asset is computed from.
    """

    name: str
    item: ItemKind | None = None
    columns: Sequence[Column] = ()
    doc: str = ""
    rows: Literal["one", "many"] = "one"
    keys: Sequence[Column] = ()

    def __post_init__(self) -> None:
        names = [column.name.lower() for column in self.all_columns]  # SQL knows no case
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"Table {self.name} declares {', '.join(repeated)} more than once.")

    @property
    def all_columns(self) -> tuple[Column, ...]:
        """The engine's columns, then the table's own."""
        return (*self.keys, *self.columns)

    @property
    def stored_as(self) -> str:
        """The name in the lake: another where rows of several checkpoints stand beside each other.

        The table's own name is then a view of one checkpoint's rows.
        """
        return by_checkpoint(self.name) if self.item and CHECKPOINT in self.keys else self.name

    def check_rows(self, result: Any) -> list[Row]:
        """What an asset's function returned, as checked rows of plain values.

        A one-row table takes a mapping, a many-row table a sequence of mappings.

        Raises:
            InvalidRow: the rows break the declaration.
        """
        if self.rows == "one":
            return [self._check_row(result)]
        if not isinstance(result, Sequence) or isinstance(result, str | bytes):
            raise InvalidRow(f"{self.name} returned {type(result).__name__}; wanted a list of mappings")
        return [self._check_row(row) for row in result]

    def _check_row(self, row: Any) -> Row:
        if not isinstance(row, Mapping):
            raise InvalidRow(
                f"{self.name} returned {type(row).__name__}; wanted a mapping of column to value for each row"
            )
        unknown = sorted(set(row) - {column.name for column in self.columns})
        if unknown:
            raise InvalidRow(f"{self.name} has no column {', '.join(unknown)}")
        absent = [column.name for column in self.columns if column.name not in row]
        if absent:
            raise InvalidRow(f"{self.name} returned no value for {', '.join(absent)}")
        return {column.name: column.check(row[column.name]) for column in self.columns}


def by_checkpoint(table: str) -> str:
    """The name in the lake of a table with values of several checkpoints beside each other."""
    return f"{table}_by_checkpoint"


def rows_at(table: str, snapshot: int, checkpoint: str | None) -> str:
    """SQL of a table's rows as of a lake snapshot; of one with values by checkpoint, those of `checkpoint`."""
    if checkpoint is None:
        return f'SELECT * FROM "{table}" AT (VERSION => {snapshot})'
    return f"SELECT * FROM \"{by_checkpoint(table)}\" AT (VERSION => {snapshot}) WHERE checkpoint = '{checkpoint}'"


ITEM = Column("item", TEXT, doc="Key of the item in its catalog", nullable=False)
FINGERPRINT = Column("fingerprint", TEXT, doc="What the row was computed from; see `ledger`", nullable=False)
CHECKPOINT = Column("checkpoint", TEXT, doc="The trained model it is from; see `checkpoints`", nullable=False)
