"""audio-assets: a data platform for audio machine learning on Dagster, DuckDB and PyTorch.

In a notebook, `connect()` gives a DuckDB connection with all tables and views of this home.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from audio_assets.resources.query import connect

__all__ = ["connect"]


def __getattr__(name: str) -> Any:
    if name == "connect":  # imported when used, so that workers do not pay for it
        from audio_assets.resources.query import connect

        return connect
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
