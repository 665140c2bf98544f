"""SQL on the platform's tables, for the command line and for notebooks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import duckdb

from audio_assets.errors import UserError
from audio_assets.resources.home_format import check_format
from audio_assets.resources.lake import Lake, LakeError
from audio_assets.resources.statements import Judge
from audio_assets.settings import Settings, get_settings

if TYPE_CHECKING:
    import pyarrow as pa

OF_RESULT = frozenset([
    "arrow", "columns", "description", "df", "dtypes", "fetch_arrow_reader", "fetch_df_chunk",
    "fetchall", "fetchdf", "fetchmany", "fetchnumpy", "fetchone", "pl", "shape", "show", "tf",
    "to_arrow_reader", "to_arrow_table", "to_df", "torch", "types",
])  # fmt: skip
"""What a result has of DuckDB's relations: whatever hands out its rows."""


class QueryError(UserError, ValueError):
    """A query cannot be run; the message is DuckDB's, with what helps."""


class Result:
    """The rows of a query: ``.pl()``, ``.df()``, ``.to_arrow_table()``, ``.fetchall()``, ``.columns`` … as DuckDB's."""

    def __init__(self, relation: duckdb.DuckDBPyRelation, lake: Lake) -> None:
        self._relation = relation
        self._lake = lake

    def __getattr__(self, name: str) -> Any:
        if name not in OF_RESULT:
            raise AttributeError(f"A result has no {name!r}; it has {', '.join(sorted(OF_RESULT))}.")
        with _told(self._lake):
            found = getattr(self._relation, name)
        if not callable(found):
            return found

        def called(*arguments: Any, **options: Any) -> Any:
            with _told(self._lake):
                return found(*arguments, **options)

        return called

    def texts(self, kinds: Sequence[str], batch: int) -> Iterator[tuple[str | None, ...]]:
        """The rows with every value in DuckDB's own words: as ``VARCHAR`` or ``JSON``, by column."""
        columns = ", ".join(
            f"CAST({'to_json' if kind == 'JSON' else ''}(#{place}) AS VARCHAR) AS c{place}"
            for place, kind in enumerate(kinds, 1)
        )
        with _told(self._lake):
            rows = self._relation.project(columns)
            while found := rows.fetchmany(batch):
                yield from found

    def table(self, as_text: re.Pattern[str]) -> pa.Table:
        """The rows as an Arrow table; values of types in whose names `as_text` is found as text.

        A HUGEINT, which Arrow does not have, is a decimal of 38 digits, or text if one is longer.
        """
        with _told(self._lake):
            try:
                return self._relation.project(self._casts(as_text, "DECIMAL(38, 0)")).to_arrow_table()
            except duckdb.ConversionException:
                return self._relation.project(self._casts(as_text, "VARCHAR")).to_arrow_table()

    def _casts(self, as_text: re.Pattern[str], hugeint: str) -> str:
        def cast(place: int, name: str, kind: str) -> str:
            label = f'AS "{name.replace(chr(34), 2 * chr(34))}"'
            if kind == "HUGEINT":
                return f"CAST(#{place} AS {hugeint}) {label}"
            return f"CAST(#{place} AS VARCHAR) {label}" if as_text.search(kind) else f"#{place} {label}"

        kinds = map(str, self._relation.types)
        pairs = enumerate(zip(self._relation.columns, kinds, strict=True), 1)
        return ", ".join(cast(place, name, kind) for place, (name, kind) in pairs)

    def __repr__(self) -> str:
        with _told(self._lake):
            return repr(self._relation)


class Connection:
    """Statements to the lake: each is judged (see `statements`), and what changes it goes through `Lake.write`."""

    def __init__(self, lake: Lake, *, write: bool = False, files: bool = False) -> None:
        self._lake = lake
        self._judge = Judge(lake.cursor(), write=write, files=files)

    def sql(self, query: str, params: Sequence[Any] | None = None) -> Result | None:
        """The rows that `query` gives, if it does; with `write` it may be several statements, in one transaction.

        Raises:
            StatementError: it would do what is not allowed.
            QueryError: it is wrong.
            LakeError: storage cannot be read or written.
        """
        with _told(self._lake):
            if self._judge.check(query):
                self._lake.write(lambda connection: connection.execute(query, params))
                return None
            # A cursor of its own, since rows that were not all fetched hold the lake of their time.
            relation = self._lake.cursor().sql(query, params=params)
            return None if relation is None else Result(relation, self._lake)

    execute = sql

    def close(self) -> None:
        """Close the connection."""
        self._judge.connection.close()
        self._lake.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@contextmanager
def _told(lake: Lake) -> Iterator[None]:
    """DuckDB's errors as ours."""
    try:
        with lake.storage_errors():
            yield
    except duckdb.Error as error:
        raise QueryError(str(error)) from error


def connect(settings: Settings | None = None, *, write: bool = False, files: bool = False) -> Connection:
    """A connection that reads all tables and views and nothing else.

    With `write` statements may change the lake, with `files` they may read and write files.

    >>> connection = connect()  # doctest: +SKIP
    >>> connection.sql("SELECT item, lufs FROM loudness").pl()  # doctest: +SKIP

    Raises:
        LakeError: there is no lake yet, it cannot be opened, or the home has another format.
    """
    chosen = settings or get_settings()
    lake = Lake.from_settings(chosen, read_only=not write, enclosed=not files)
    if not lake.exists:
        raise LakeError(
            f"There is no lake in {chosen.home} yet: `audio-assets ingest PATH` makes one "
            "(AUDIO_ASSETS_HOME chooses the folder)."
        )
    try:
        with lake.get_connection() as connection:
            check_format(connection, chosen.home)
        return Connection(lake, write=write, files=files)
    except BaseException:
        lake.close()
        raise
