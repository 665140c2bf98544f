"""audio-assets: a data platform for audio machine learning on Dagster, DuckDB and PyTorch.

In a notebook, `connect().sql(…)` answers queries to all tables and views of this home.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from audio_assets.resources.query import connect

__all__ = ["connect"]


def _check_models() -> None:
    """Make sure that ``import models`` finds the networks that come with this package, and no other module.

    Raises:
        ImportError: another one comes first on the path; the message names its file.
    """
    spec = find_spec("models")
    places = [*(spec.submodule_search_locations or ()), spec.origin or ""] if spec else []
    own = Path(__file__).resolve().parent.parent / "models"
    if not any(Path(place).resolve() == own for place in places):
        raise ImportError(
            f"audio-assets comes with a package `models`, and Python finds {places[-1] if places else 'none'} instead: "
            f"rename that, or put {own.parent} before it on the path (PYTHONPATH)."
        )


_check_models()


def __getattr__(name: str) -> Any:
    if name == "connect":  # imported when used, so that workers do not pay for it
        from audio_assets.resources.query import connect

        return connect
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
