"""What SQL may do: read the lake; where allowed, change it; where allowed, use files.

Two walls stand behind each other. DuckDB itself is closed: the lake is attached read-only, and `Lake` with
``enclosed`` lets no statement reach files, networks or settings. Before that, here, the text is judged: how many
statements it has, of which kinds, and which table functions they name, since some of DuckLake, SQLite and
Postgres heed none of DuckDB's settings. Only the text counts, not what a view or macro of the lake is made of.

Statements of other kinds (ATTACH, SET, LOAD, transactions, prepared statements …) are never let through.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import duckdb

from audio_assets.errors import UserError

READING = frozenset({"SELECT", "EXPLAIN"})
WRITING = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE_INTO", "CREATE", "ALTER", "DROP", "CALL"})
OF_FILES = frozenset({"COPY", "EXPORT"})

HARMLESS_FAMILIES = ("duckdb_", "pragma_")
HARMLESS = frozenset([
    "generate_series", "histogram", "histogram_values", "icu_calendar_names", "json_each",
    "json_tree", "pg_timezone_names", "query_table", "range", "repeat", "repeat_row", "summary",
    "test_all_types", "test_vector_types", "unnest", "ducklake_current_snapshot",
    "ducklake_last_committed_snapshot", "ducklake_list_files", "ducklake_options",
    "ducklake_settings", "ducklake_snapshots", "ducklake_table_changes", "ducklake_table_deletions",
    "ducklake_table_info", "ducklake_table_insertions",
])  # fmt: skip
"""Table functions that read nothing but the lake and what they are given."""

FOR_FILES = re.compile(r"read_\w+|parquet_\w+|glob|sniff_csv|sqlite_scan")
FOR_WRITING = re.compile(r"(ducklake_)?\w*(files|data|snapshots|option|message)")

ASK_TO_WRITE = "--write (write=True)"
ASK_FOR_FILES = "--files (files=True)"

_IDENTIFIER = re.compile(r'"((?:[^"]|"")*)"|([^\W\d][\w$]*)')


class StatementError(UserError, ValueError):
    """A statement may not be run; the message says which, and what would allow it."""


@dataclass(frozen=True)
class Judge:
    """What else than reading the lake of `connection` statements may do: change it (`write`), use `files`."""

    connection: duckdb.DuckDBPyConnection
    write: bool = False
    files: bool = False

    def check(self, query: str) -> bool:
        """Whether `query` may change the lake.

        Raises:
            StatementError: it is none, or more than one without `write`, or would do what is not allowed.
            duckdb.ParserException: it is no SQL.
        """
        kinds = _kinds(self.connection, query)
        if not kinds:
            raise StatementError("There is no statement.")
        if len(kinds) > 1 and not self.write:
            raise StatementError(f"These are {len(kinds)} statements; without --write give one.")
        for kind in kinds:
            self._check_kind(kind)
        for name in _called(query):
            if name in self._other_functions:
                self._check_function(name)
        return not WRITING.isdisjoint(kinds)

    def _check_kind(self, kind: str) -> None:
        if kind not in READING | WRITING | OF_FILES:
            raise StatementError(
                f"{kind} is no statement for the lake: it is read by SELECT, FROM, DESCRIBE, SUMMARIZE, SHOW, EXPLAIN."
            )
        if kind in WRITING and not self.write:
            raise StatementError(f"{kind} would change the lake: {ASK_TO_WRITE} allows it if you mean it.")
        if kind in OF_FILES and not self.files:
            raise StatementError(f"{kind} uses files: {ASK_FOR_FILES} allows it if you mean it.")

    def _check_function(self, name: str) -> None:
        if FOR_FILES.fullmatch(name):
            if not self.files:
                raise StatementError(f"{name}() reads files: {ASK_FOR_FILES} allows it if you mean it.")
        elif FOR_WRITING.fullmatch(name):
            if not self.write:
                raise StatementError(
                    f"{name}() would change the lake: {ASK_TO_WRITE} allows it if you mean it."
                )
        else:
            raise StatementError(f"{name}() reaches past the lake, and is not let through.")

    @cached_property
    def _other_functions(self) -> frozenset[str]:
        """The table functions of DuckDB and its extensions that are not harmless.

        Those of DuckLake go by a second name: ``ducklake_set_option('lake')`` is ``lake.set_option()``.
        """
        rows = self.connection.execute(
            "SELECT DISTINCT lower(function_name) FROM duckdb_functions() "
            "WHERE database_name = 'system' AND function_type IN ('table', 'table_macro')"
        ).fetchall()
        names = {name for (name,) in rows if name not in HARMLESS and not name.startswith(HARMLESS_FAMILIES)}
        return frozenset(names | {name.removeprefix("ducklake_") for name in names})


def _kinds(connection: duckdb.DuckDBPyConnection, query: str) -> list[str]:
    """The kinds of the statements in `query`; what an EXPLAIN explains counts as a statement of its own kind."""
    tokens = list(_tokens(query))
    found = [statement.type.name for statement in connection.extract_statements(query)]
    if _is_one(tokens):
        found = found[-1:]  # of a PIVOT, which DuckDB's parser makes two statements of
        if found == ["EXPLAIN"]:
            return _kinds(connection, _explained(query, tokens))
    if "EXPLAIN" in found:
        raise StatementError("Give an EXPLAIN alone.")
    return found


@dataclass(frozen=True)
class _Token:
    text: str
    offset: int
    is_name: bool

    @property
    def word(self) -> str:
        return self.text.lower()


def _plain(query: str) -> bytes:
    """`query` as DuckDB reads it: it takes what Unicode calls a space for one, and its tokenizer does not."""
    return "".join(c if c.isascii() or c.isalnum() else " " for c in query).encode()


def _tokens(query: str) -> Iterator[_Token]:
    if "\0" in query:
        raise StatementError("There is a zero byte in the statement.")
    plain = _plain(query)
    for offset, kind in duckdb.tokenize(plain.decode()):
        rest = plain[offset:].decode()
        name = _IDENTIFIER.match(rest) if kind.name in ("identifier", "keyword") else None
        if name:
            yield _Token((name[1] or "").replace('""', '"') or name[2] or "", offset, is_name=True)
        else:
            yield _Token(rest[:1], offset, is_name=False)


def _is_one(tokens: list[_Token]) -> bool:
    """Whether there is nothing behind the first semicolon."""
    is_end = [token.text == ";" and not token.is_name for token in tokens]
    return all(is_end[is_end.index(True) :]) if any(is_end) else True


def _explained(query: str, tokens: list[_Token]) -> str:
    """What is explained: without EXPLAIN, ANALYZE and options in brackets."""
    rest = tokens[1:]
    if rest and rest[0].word == "analyze":
        rest = rest[1:]
    if len(rest) > 1 and rest[0].text == "(" and rest[1].word in ("analyze", "format"):
        end = next((place for place, token in enumerate(rest) if token.text == ")"), len(rest) - 1)
        rest = rest[end + 1 :]
    if not rest or rest[0].word == "explain":
        raise StatementError("There is nothing that EXPLAIN could explain.")
    return _plain(query)[rest[0].offset :].decode()


def _called(query: str) -> Iterator[str]:
    """Names before an opening bracket, in small letters."""
    tokens = list(_tokens(query))
    for token, following in pairwise(tokens):
        if token.is_name and following.text == "(":
            yield token.word
