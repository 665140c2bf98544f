"""Keeping pandas from being imported by commands that never use it."""

from __future__ import annotations

import sys


class _Hidden:
    """Finds no pandas, and everything else as before."""

    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        if name == "pandas":
            raise ModuleNotFoundError(name)


def hide_pandas() -> None:
    """Let pyarrow find no pandas, unless it is loaded already.

    It looks for pandas before it makes its first array, and importing that takes longer than many a command.
    Where it needs pandas, for `to_pandas`, it looks again; series given to it are taken for plain sequences.
    """
    if "pandas" in sys.modules:
        return
    sys.meta_path.insert(0, _Hidden)
    try:
        import pyarrow as pa

        pa.array([0])
    finally:
        sys.meta_path.remove(_Hidden)
