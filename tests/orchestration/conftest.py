"""Dagster over the engine's toys."""

from tests.engine.conftest import _workers_end_with_their_test, bench

__all__ = ["_workers_end_with_their_test", "bench"]
