"""Dagster's event log in SQLite, with connections that are kept open and events that are stored together.

Dagster opens a database, compiles its statements and closes the database again for every event, which on
closing copies the write-ahead log and waits for the disk. A run over many items logs an event for each, so
that was most of a cheap run's time. Here the databases used last stay open, and the events of a chunk of
items are one transaction (Dagster hands them over together where DAGSTER_EVENT_BATCH_SIZE is set).

With ``synchronous = NORMAL`` a power failure may cost the last events, never more; the next run over the
same items logs them again, since the ledger has them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dagster import DagsterEventType, EventLogEntry, StringSource
from sqlalchemy import Connection, Engine, StaticPool, create_engine, event

from audio_assets.orchestration.dagster_private import (
    ConfigurableClassData,
    SqlEventLogStorageTable,
    SqliteEventLogStorage,
)

OPEN_DATABASES = 8
BUSY_TIMEOUT_S = 60
TOGETHER = (DagsterEventType.ASSET_MATERIALIZATION, DagsterEventType.ASSET_OBSERVATION)


class OpenSqliteEventLogStorage(SqliteEventLogStorage):
    """`SqliteEventLogStorage` in a Dagster folder; see the module."""

    _engines: OrderedDict[str, Engine] | None = None

    @classmethod
    def config_type(cls) -> Mapping[str, Any]:
        """The Dagster folder; the events stand in it where Dagster's own storage would have them."""
        return {"folder": StringSource}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> OpenSqliteEventLogStorage:
        """As Dagster makes it from ``dagster.yaml``."""
        return cls(str(Path(config_value["folder"]) / "history" / "runs"), inst_data)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            engine = self._opened(shard)
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.connect() as connection, connection.begin():
                yield connection

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store events in their order; one run's materializations in one transaction per database.

        So are observations that no run made.
        """
        runs = {event.run_id for event in events}
        if len(runs) != 1 or not {event.dagster_event_type for event in events} <= set(TOGETHER):
            super().store_event_batch(events)
            return
        rows = [self._event_to_row(event) for event in events]
        insert = SqlEventLogStorageTable.insert()
        with self.run_connection(runs.pop()) as connection:
            connection.execute(insert, rows)
        with self.index_connection() as connection:  # the mirror of all runs, which queries of assets use
            numbers = [int(connection.execute(insert, row).lastrowid) for row in rows]
            self._store_asset_event_tags(connection, events, numbers)
            last = {
                event.get_dagster_event().asset_key: (event, number)
                for event, number in zip(events, numbers, strict=True)
            }
            for event, number in last.values():
                self._store_asset_event(connection, event, number)

    def _opened(self, shard: str) -> Engine:
        engines = self._engines = self._engines or OrderedDict()
        if shard in engines:
            engines.move_to_end(shard)
            return engines[shard]
        engine = create_engine(
            self.conn_string_for_shard(shard),
            poolclass=StaticPool,  # one connection; the lock keeps threads from sharing it
            connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False},
        )
        event.listen(engine, "connect", _set_synchronous)
        engines[shard] = engine
        if len(engines) > OPEN_DATABASES:
            engines.popitem(last=False)[1].dispose()
        return engine

    def wipe(self) -> None:
        """Remove all events, and let go of the files."""
        self.dispose()
        super().wipe()

    def dispose(self) -> None:
        """Close all databases."""
        for engine in (self._engines or {}).values():
            engine.dispose()
        self._engines = None
        super().dispose()


def _set_synchronous(connection: Any, _: Any) -> None:
    connection.execute("PRAGMA synchronous = NORMAL")
