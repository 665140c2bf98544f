"""The lake for Dagster assets and jobs that are written beside the platform's own.

Item assets get their values handed to them and need no connection. What is written in plain Dagster asks
for ``lake: LakeResource`` and has the tables on a dagster-duckdb connection.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import duckdb
from dagster_duckdb import DuckDBResource

from audio_assets.resources.lake import Lake
from audio_assets.settings import get_settings


class LakeResource(DuckDBResource):
    """dagster-duckdb's resource, connected to the lake that the environment's settings name.

    Statements commit one by one. With `read_only` none can change anything.
    """

    database: str = ":memory:"
    read_only: bool = True

    @contextmanager
    def get_connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor on the lake."""
        with _lake(self.read_only).get_connection() as connection:
            yield connection


@lru_cache(maxsize=2)
def _lake(read_only: bool) -> Lake:
    return Lake.from_settings(get_settings(), read_only=read_only)
