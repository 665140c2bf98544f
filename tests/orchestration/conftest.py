"""Dagster over the engine's toys."""

from tests.engine.conftest import bench

__all__ = ["bench"]
