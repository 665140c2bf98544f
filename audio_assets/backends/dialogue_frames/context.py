"""Each frame joined with the frames around it, when they are read.

Nine frames of context make stored frames nine times as large and say nothing new, so they are stored
without. Joined at reading, they are the same, wherever the reading begins.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray


class Rows(Protocol):
    """Anything of shape [T, D] that gives its rows ``[a:b]`` as an array or a tensor on the CPU."""

    @property
    def shape(self) -> Any: ...

    def __getitem__(self, rows: slice, /) -> Any: ...


class ContextFrames:
    """Frames [T, (2 context + 1) D] of stored frames [T, D].

    Row ``i`` is the rows ``i - context`` to ``i + context``, one after the other; the first and the
    last row stand in beyond the ends.

    >>> ContextFrames(np.array([[1], [2], [3]]), context=1)[0:2]
    array([[1, 1, 2],
           [1, 2, 3]])
    """

    def __init__(self, stored: Rows, context: int) -> None:
        self._stored, self.context = stored, context
        n_frames, dimensions = stored.shape
        self.shape: tuple[int, int] = (n_frames, (2 * context + 1) * dimensions)

    def __getitem__(self, rows: slice, /) -> NDArray[Any]:
        start, stop, step = rows.indices(self.shape[0])
        if step != 1:
            raise ValueError(f"found rows {rows}, wanted a step of 1")
        if start >= stop:
            return np.empty((0, self.shape[1]), np.asarray(self._stored[0:0]).dtype)
        first, last = max(start - self.context, 0), min(stop + self.context, self.shape[0])
        beyond = (first - start + self.context, stop + self.context - last)
        around = np.pad(np.asarray(self._stored[first:last]), (beyond, (0, 0)), mode="edge")
        windows = sliding_window_view(around, 2 * self.context + 1, axis=0)
        return windows.transpose(0, 2, 1).reshape(stop - start, -1)
