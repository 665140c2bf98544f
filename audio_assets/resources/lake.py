"""The lake: DuckLake tables, read by anyone while the platform writes.

A `Lake` is DuckDB with a DuckLake catalog attached (SQLite in a file, or Postgres). All statements
run on cursors of one in-memory DuckDB per process. Write transactions are serialised, by a file lock
beside a SQLite catalog or an advisory lock in Postgres, and tried again when another program keeps the
catalog busy, so that callers see neither conflicts nor lost rows. Dagster is not needed to use it;
`lake_resource` hands it to Dagster's assets.

The DuckDB extensions come from wheels; nothing is fetched at run time.
"""

from __future__ import annotations

import importlib.util
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from threading import Lock
from typing import Any

import duckdb
from filelock import FileLock, Timeout

from audio_assets.errors import UserError
from audio_assets.resources.ducklake import is_at, set_data_path, some_data_file
from audio_assets.resources.files import copy_file
from audio_assets.resources.locks import check_locks
from audio_assets.resources.objects import Objects
from audio_assets.resources.scratch import process_scratch
from audio_assets.settings import Settings

ADVISORY_LOCK = 0x617564696F  # "audio"
LONGEST_PAUSE_S = 1.0


class LakeError(UserError, RuntimeError):
    """The lake cannot be opened, read or written; the message says what to do."""


@dataclass
class Lake:
    """The lake's tables.

    `catalog` is ``sqlite:PATH`` or ``postgres:CONNECTION STRING``, `data` a folder or an
    ``s3://bucket/prefix``. With `read_only` no statement can change anything. `lock_wait_s` is how long
    a write waits for its turn among the platform's writers, `busy_wait_s` how long it then waits for
    other programs. `connection_config` are further settings of DuckDB. With `enclosed` no statement reaches
    other files than those of `data`, the network, variables of Python or settings; DuckDB has functions that
    heed this not, which `statements` refuses.
    """

    catalog: str = field(repr=False)
    data: str
    read_only: bool = False
    enclosed: bool = False
    lock_wait_s: float = 120.0
    busy_wait_s: float = 20.0
    s3_endpoint: str = ""
    s3_region: str = "us-east-1"
    s3_key_id: str = ""
    s3_secret: str = field(default="", repr=False)
    connection_config: Mapping[str, str] = field(default_factory=dict)

    _base: duckdb.DuckDBPyConnection | None = field(default=None, init=False, repr=False, compare=False)
    _opening: Lock = field(default_factory=Lock, init=False, repr=False, compare=False)
    _writing: Lock = field(default_factory=Lock, init=False, repr=False, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        return {entry.name: getattr(self, entry.name) for entry in fields(self) if entry.init}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]  # another process has a connection of its own

    @classmethod
    def from_settings(cls, settings: Settings, *, read_only: bool = False, enclosed: bool = False) -> Lake:
        """The lake that the settings name."""
        return cls(
            catalog=settings.lake_catalog,
            data=settings.lake_data,
            read_only=read_only,
            enclosed=enclosed,
            s3_endpoint=settings.s3_endpoint,
            s3_region=settings.s3_region,
            s3_key_id=settings.s3_key_id,
            s3_secret=settings.s3_secret.get_secret_value(),
        )

    @property
    def exists(self) -> bool:
        """Whether the catalog is there already; in Postgres it is looked for when it is opened."""
        path = self._sqlite_path
        return path is None or (path.is_file() and path.stat().st_size > 0)

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A cursor on the lake, which whoever asks for it closes; see `get_connection`."""
        with self._opening:
            if self._base is None:
                self._base = self._open()
            cursor = self._base.cursor()
        cursor.execute("USE lake")
        return cursor

    @contextmanager
    def get_connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor on the lake; its statements commit one by one."""
        with self.storage_errors(), closing(self.cursor()) as cursor:
            yield cursor

    @contextmanager
    def storage_errors(self) -> Iterator[None]:
        """Errors of DuckDB that come from disks, servers and damaged files, as `LakeError`.

        Others stay what they are: they are faults of the statement.
        """
        try:
            yield
        except duckdb.Error as error:
            if not _is_storage(error):
                raise
            raise LakeError(
                f"The lake with catalog {self._catalog_name} and data {self.data} cannot be read: "
                f"{_first_line(error)}"
            ) from None  # the cause may hold the password

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of one query."""
        with self.get_connection() as connection:
            return connection.execute(query, list(parameters)).fetchall()

    def snapshot(self) -> int:
        """The number of the newest snapshot; ``AT (VERSION => number)`` behind a table reads it."""
        return int(self.rows("SELECT id FROM lake.current_snapshot()")[0][0])

    def write(self, change: Callable[[duckdb.DuckDBPyConnection], object]) -> None:
        """Run `change` in one transaction, alone among all writers.

        `change` may run more than once, each time in a fresh transaction.

        Raises:
            LakeError: the catalog stayed locked by another program, or storage cannot be written.
        """
        if self._is_fixed and not self.read_only:
            raise LakeError(
                f"The lake with catalog {self._catalog_name} cannot be written: its folder is read-only."
            )
        with self.get_connection() as connection, self._writing, self._write_lock():
            deadline, pause_s = time.monotonic() + self.busy_wait_s, 0.05
            while not self._attempt(connection, change, is_last=time.monotonic() > deadline):
                time.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _attempt(
        self,
        connection: duckdb.DuckDBPyConnection,
        change: Callable[[duckdb.DuckDBPyConnection], object],
        *,
        is_last: bool,
    ) -> bool:
        """Whether `change` was committed; if not, it may be tried again."""
        try:
            connection.execute("BEGIN")
            change(connection)
            connection.execute("COMMIT")
            return True
        except BaseException as error:
            _rollback(connection)
            if _is_passing(error) and not is_last:
                return False
            if _is_passing(error):
                raise LakeError(
                    f"The catalog {self._catalog_name} stayed locked by another program for "
                    f"{self.busy_wait_s:g} s ({_first_line(error)}). Close what holds it open for writing "
                    "and run again; nothing was half written."
                ) from error
            if _is_storage(error):
                raise LakeError(
                    f"The lake with catalog {self._catalog_name} and data {self.data} cannot be written: "
                    f"{_first_line(error)}. Nothing was half written; run again when it can."
                ) from error
            raise

    def close(self) -> None:
        """Close this process's connection."""
        with self._opening:
            if self._base is not None:
                self._base.close()
                self._base = None

    @property
    def _sqlite_path(self) -> Path | None:
        kind, _, rest = self.catalog.partition(":")
        if kind not in ("sqlite", "postgres"):
            raise LakeError(
                f"AUDIO_ASSETS_LAKE_CATALOG is {self.catalog!r}; wanted sqlite:PATH or postgres:CONNECTION."
            )
        return Path(rest) if kind == "sqlite" else None

    @property
    def _catalog_name(self) -> str:
        return str(self._sqlite_path or "in Postgres")

    def _write_lock(self) -> AbstractContextManager[Any]:
        path = self._sqlite_path
        if path is None:
            return _postgres_lock(self.catalog.removeprefix("postgres:"), self.lock_wait_s)
        return _file_lock(path, self.lock_wait_s)

    def _open(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(
            ":memory:",
            config={
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                # The extensions are files of wheels, as DuckDB is; to check who signed them takes 0.3 s.
                "allow_unsigned_extensions": "false" if self.read_only else "true",
                **self.connection_config,
            },
        )
        try:
            connection.execute("SET enable_progress_bar = false")
            # What does not fit in memory; otherwise it would go to the working directory.
            spilled = process_scratch().path / "duckdb"
            connection.execute(f"SET temp_directory = {quote(str(spilled))}")
            self._load_extensions(connection)
            self._attach(connection)
            if self.enclosed:
                self._enclose(connection)
        except duckdb.Error as error:
            connection.close()
            raise LakeError(
                f"The lake with catalog {self._catalog_name} and data {self.data} cannot be "
                f"opened: {_first_line(error)}"
            ) from None  # the cause may hold the password
        except BaseException:
            connection.close()
            raise
        return connection

    def _attach(self, connection: duckdb.DuckDBPyConnection) -> None:
        path = self._sqlite_path
        options = [f"DATA_PATH {quote(self.data)}"]
        if path is not None:  # a home may have been moved, and its data with it
            options += ["OVERRIDE_DATA_PATH true"]
            options += ["META_JOURNAL_MODE 'WAL'", f"META_BUSY_TIMEOUT {round(self.busy_wait_s * 1000)}"]
        if self.read_only or self._is_fixed:
            self._attach_with(connection, *options, "READ_ONLY")
            return
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        with self._write_lock():
            self._attach_or_make(connection, options)
            if path is not None and not is_at(connection, self.data):
                self._settle_data_path(connection)

    @property
    def _is_fixed(self) -> bool:
        """Whether the catalog is in a folder that nothing can be written to, e.g. of a disk mounted read-only."""
        path = self._sqlite_path
        return path is not None and path.is_file() and not os.access(path.parent, os.W_OK)

    def _copied_catalog(self, path: Path) -> str:
        """A copy: SQLite itself wants to write beside a catalog, even to read it."""
        folder = Path(tempfile.mkdtemp(prefix="catalog-", dir=process_scratch().path))
        for file in (path, path.with_name(f"{path.name}-wal")):
            if file.is_file():
                copy_file(file, folder / file.name)
        return f"sqlite:{folder / path.name}"

    def _attach_with(self, connection: duckdb.DuckDBPyConnection, *options: str) -> None:
        catalog = self.catalog
        if self._is_fixed and self._sqlite_path is not None:
            catalog = self._copied_catalog(self._sqlite_path)
        if self._sqlite_path is None:
            catalog, password = _without_password(catalog.removeprefix("postgres:"))
            # Views of DuckDB show the connection, but never a secret.
            connection.execute(
                f"CREATE OR REPLACE SECRET lake_catalog (TYPE postgres, PASSWORD {quote(password)})"
            )
            options = (*options, "META_SECRET 'lake_catalog'")
        connection.execute(f"ATTACH {quote(f'ducklake:{catalog}')} AS lake ({', '.join(options)})")

    def _attach_or_make(self, connection: duckdb.DuckDBPyConnection, options: Sequence[str]) -> None:
        """Attach the catalog; a new one is made only where no data lie."""
        try:
            if self.exists:
                self._attach_with(connection, *options, "CREATE_IF_NOT_EXISTS false")
                return
        except duckdb.InvalidInputException as error:
            if "creating a new DuckLake is explicitly disabled" not in str(error):
                raise
        if self._sqlite_path is not None:
            check_locks(self._sqlite_path.parent)
        if self.files.holds_any():
            raise LakeError(
                f"There is no catalog {self._catalog_name}, and its data are in {self.data}: a new catalog would "
                "know nothing of them. Put the catalog back from a backup, or check AUDIO_ASSETS_LAKE_CATALOG "
                "and AUDIO_ASSETS_LAKE_DATA; if the data are to be lost, move them away. Nothing was changed."
            )
        self._attach_with(connection, *options)

    def _settle_data_path(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Write down that the data are at another place now, if they are."""
        file = some_data_file(connection)
        if file is not None and not self.files.holds(file):
            raise LakeError(
                f"The data of the lake with catalog {self._catalog_name} are not in {self.data}, which has no "
                f"{file}: check AUDIO_ASSETS_LAKE_DATA, or put the data there. Nothing was changed."
            )
        set_data_path(connection, self.data)

    @property
    def files(self) -> Objects:
        """The files of the tables, by their paths below the lake's data."""
        return Objects(self.data, self.s3_endpoint, self.s3_region, self.s3_key_id, self.s3_secret)

    def _enclose(self, connection: duckdb.DuckDBPyConnection) -> None:
        if not self.read_only and not self.data.startswith("s3://"):
            Path(self.data).mkdir(parents=True, exist_ok=True)  # DuckLake may not, once it is closed
        connection.execute(f"SET allowed_directories = [{quote(self.data.rstrip('/') + '/')}]")
        connection.execute("SET python_enable_replacements = false")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")

    def _load_extensions(self, connection: duckdb.DuckDBPyConnection) -> None:
        on_s3 = self.data.startswith("s3://")
        kind = "postgres" if self._sqlite_path is None else "sqlite"
        for name in ["ducklake", f"{kind}_scanner", *(["httpfs"] if on_s3 else [])]:
            connection.execute(f"LOAD {quote(str(extension_file(name)))}")
        if on_s3:
            endpoint = self.s3_endpoint.partition("://")
            secret = {
                "TYPE": "s3",
                "KEY_ID": self.s3_key_id,
                "SECRET": self.s3_secret,
                "REGION": self.s3_region,
            }
            if self.s3_endpoint:
                secret |= {"ENDPOINT": endpoint[2], "URL_STYLE": "path"}
                secret["USE_SSL"] = "true" if endpoint[0] == "https" else "false"
            options = ", ".join(f"{key} {quote(value)}" for key, value in secret.items())
            connection.execute(f"CREATE SECRET lake_data ({options})")


def _without_password(connection: str) -> tuple[str, str]:
    """A Postgres connection as DuckDB takes it but for the password, and the password."""
    from psycopg2.extensions import make_dsn, parse_dsn

    parts = parse_dsn(connection)
    password = parts.pop("password", "")
    return f"postgres:{make_dsn(**parts)}", password


def extension_file(name: str) -> Path:
    """The signed DuckDB extension `name` in its installed wheel.

    Raises:
        LakeError: the wheel is not installed, or is for another DuckDB.
    """
    spec = importlib.util.find_spec(f"duckdb_extension_{name}")
    folder = Path(spec.origin).parent if spec and spec.origin else Path()
    path = folder / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
    if not path.is_file():
        package = f"duckdb-extension-{name.replace('_', '-')}"
        raise LakeError(
            f"DuckDB's {name} extension for version {duckdb.__version__} is not installed: "
            f"pip install {package}=={duckdb.__version__}"
        )
    return path


@contextmanager
def _file_lock(catalog: Path, wait_s: float) -> Iterator[None]:
    lock = FileLock(catalog.with_suffix(".lock"), timeout=wait_s)
    try:
        lock.acquire(poll_interval=0.01)
    except Timeout as error:
        raise LakeError(_stuck_message(str(catalog), wait_s)) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _postgres_lock(dsn: str, wait_s: float) -> Iterator[None]:
    import psycopg2

    try:
        connection = psycopg2.connect(dsn)
    except psycopg2.OperationalError as error:
        raise LakeError(f"The lake's Postgres cannot be reached: {_first_line(error)}") from error
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, false)", (f"{round(wait_s * 1000)}ms",))
            cursor.execute("SELECT pg_advisory_lock(%s)", (ADVISORY_LOCK,))
        yield
    except psycopg2.errors.LockNotAvailable as error:
        raise LakeError(_stuck_message("the lake", wait_s)) from error
    finally:
        connection.close()  # ends the session, which releases the lock


def _stuck_message(what: str, wait_s: float) -> str:
    return f"Another process has been writing to {what} for {wait_s:g} s. Wait for it, or stop it; run again."


def _rollback(connection: duckdb.DuckDBPyConnection) -> None:
    with suppress(duckdb.Error):  # the failed statement may have ended the transaction already
        connection.execute("ROLLBACK")


def _is_passing(error: BaseException) -> bool:
    text = str(error).lower()
    return isinstance(error, duckdb.Error) and (
        "database is locked" in text or "conflict" in text or "busy" in text
    )


OF_STORAGE = re.compile(
    "disk i/o|disk is full|database disk image is malformed|file is not a database|malformed database schema"
    "|unable to open database file|attempt to write a readonly database"
    "|no magic bytes|too small to be a parquet|footer length error|failed to read file|tprotocolexception"
    "|could not connect|connection refused|server closed the connection|connection to server|terminating connection",
    re.IGNORECASE,
)
"""What DuckDB, SQLite, Postgres and Parquet's reader say of disks, servers and damaged files."""


def _is_storage(error: BaseException) -> bool:
    return isinstance(error, duckdb.Error) and (
        isinstance(error, duckdb.IOException) or OF_STORAGE.search(str(error)) is not None
    )


def _first_line(error: BaseException) -> str:
    """What happened, without the passwords in the connections that it names."""
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    line = re.sub(r"password\s*=\s*('[^']*'|[^\s\"]+)", "password=…", line)
    return re.sub(r"(://[^:/@\s]+):[^@\s]+@", r"\1:…@", line)


def quote(text: str) -> str:
    """`text` as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def quoted(values: Iterable[str]) -> str:
    """`values` as a list of SQL literals.

    The first value that DuckDB's Python package is given as a parameter makes it import pandas, which takes
    as long as all the rest of a short command; so keys and names go into the text of a query.

    >>> quoted(["tempo", "it's"])
    "['tempo', 'it''s']::VARCHAR[]"
    """
    return f"[{', '.join(quote(value) for value in values)}]::VARCHAR[]"
