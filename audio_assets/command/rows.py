"""The rows of a query as text or bytes: a table to look at, CSV, JSON, Parquet.

DuckDB itself puts every type that it has into words. CSV has nested values as JSON. JSON has null where a number
is NaN or infinite, which it has no words for. Parquet has as text what it or Arrow cannot hold.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import duckdb

from audio_assets.command.output import out
from audio_assets.resources.lake import quote
from audio_assets.resources.query import Result

Format = Literal["table", "csv", "json", "parquet"]
Row = tuple[str | None, ...]

SHOWN = 200
"""Rows of a table to look at."""
BATCH = 10_000
NUMBERS = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|BIGNUM|DECIMAL.*")
NESTED = re.compile(r".*[\])]")  # lists, arrays, STRUCT(…), MAP(…), UNION(…); also DECIMAL(…) and ENUM(…)
NOT_NESTED = re.compile(r"(DECIMAL|ENUM)\([^\[]*\)", re.DOTALL)
NOT_IN_ARROW = re.compile(r"UHUGEINT|BIGNUM|BIT|UNION|GEOMETRY|TIME_NS|TIME WITH TIME ZONE|VARIANT")
FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
"""How a formula begins, in East Asian text too."""


def written(result: Result, form: Format, *, spreadsheet: bool = False) -> bytes:
    """The rows in the given form; in CSV for a `spreadsheet` no text is a formula."""
    if form == "parquet":
        return _parquet(result)
    if form == "csv":
        return "".join(_csv(result, spreadsheet)).encode()
    if form == "json":
        return "".join(_json(result)).encode()
    return _table(result).encode()


def _is_nested(kind: str) -> bool:
    return bool(NESTED.fullmatch(kind.replace("\n", " "))) and not NOT_NESTED.fullmatch(kind)


def _as_text(result: Result) -> Iterator[Row]:
    return result.texts(["JSON" if _is_nested(str(kind)) else "VARCHAR" for kind in result.types], BATCH)


def _valid(text: str | None) -> str | None:
    """A JSON value of DuckDB as one that others read too."""
    if text is None or not ("NaN" in text or "Infinity" in text):
        return text
    return json.dumps(json.loads(text, parse_constant=lambda _: None), ensure_ascii=False)


def _json(result: Result) -> Iterator[str]:
    names = [json.dumps(name, ensure_ascii=False) for name in result.columns]
    yield "["
    before = ""
    for row in result.texts(["JSON"] * len(names), BATCH):
        pairs = (f"{name}: {_valid(text) or 'null'}" for name, text in zip(names, row, strict=True))
        yield f"{before}{{{', '.join(pairs)}}}"
        before = ",\n "
    yield "]\n"


def _csv(result: Result, spreadsheet: bool) -> Iterator[str]:
    kinds = [str(kind) for kind in result.types]
    nested = [_is_nested(kind) for kind in kinds]
    is_text = [spreadsheet and not NUMBERS.fullmatch(kind) for kind in kinds]
    yield _csv_line(_harmless(name) if spreadsheet else name for name in result.columns)
    for row in _as_text(result):
        values = [_valid(text) if deep else text for text, deep in zip(row, nested, strict=True)]
        yield _csv_line(_harmless(v) if guarded else v for v, guarded in zip(values, is_text, strict=True))


def _harmless(text: str | None) -> str | None:
    return f"'{text}" if text and text.startswith(FORMULA) else text


def _csv_line(values: Iterable[str | None]) -> str:
    """NULL is nothing, an empty text two quotation marks."""

    def cell(value: str | None) -> str:
        if value is None:
            return ""
        if value == "" or re.search(r'[",\r\n]', value):
            return '"' + value.replace('"', '""') + '"'
        return value

    return ",".join(map(cell, values)) + "\n"


def _parquet(result: Result) -> bytes:
    """Written by a DuckDB of its own, which may use files; the rows come to it through Arrow."""
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as writer:
        path = Path(folder) / "rows.parquet"
        writer.register("given", result.table(NOT_IN_ARROW))
        writer.execute(f"COPY given TO {quote(str(path))} (FORMAT parquet)")
        return path.read_bytes()


def _table(result: Result) -> str:
    """Side by side if it fits the terminal, else one value to a line."""
    names = list(result.columns)
    rows = list(_first(_as_text(result), SHOWN + 1))
    more = f"… the first {SHOWN} rows; --format csv, json or parquet has all\n" if len(rows) > SHOWN else ""
    cells = [[_one_line(text) for text in row] for row in rows[:SHOWN]]
    widths = [max(map(len, column)) for column in zip(names, *cells, strict=True)]
    if sum(widths) + 3 * (len(widths) - 1) > out.width:
        return _upright(names, cells) + more
    right = [bool(NUMBERS.fullmatch(str(kind))) for kind in result.types]
    return _side_by_side(names, cells, widths, right) + more


def _first(rows: Iterator[Row], n: int) -> Iterator[Row]:
    for _, row in zip(range(n), rows, strict=False):
        yield row


def _one_line(text: str | None) -> str:
    if text is None:
        return "NULL"
    return text.replace("\\", "\\\\").replace("\n", "\\n") if "\n" in text else text


def _side_by_side(
    names: Sequence[str], cells: Sequence[Sequence[str]], widths: Sequence[int], right: Sequence[bool]
) -> str:
    def line(values: Sequence[str]) -> str:
        padded = (
            value.rjust(width) if is_right else value.ljust(width)
            for value, width, is_right in zip(values, widths, right, strict=True)
        )
        return " │ ".join(padded).rstrip() + "\n"

    rule = "─┼─".join("─" * width for width in widths) + "\n"
    return line(names) + rule + "".join(map(line, cells)) + f"({len(cells)} rows)\n"


def _upright(names: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    longest = max(map(len, names))
    parts = []
    for number, row in enumerate(cells, 1):
        parts.append(f"── row {number} ".ljust(longest + 20, "─"))
        parts += [f"{name.ljust(longest)} │ {value}" for name, value in zip(names, row, strict=True)]
    return "\n".join([*parts, f"({len(cells)} rows)"]) + "\n"
