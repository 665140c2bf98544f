"""Where frames come from: one shard per recording (or per speaker of one).

Conventions: frames are [T, D] in float32, float16 or bfloat16; labels are [T] float32, either 0 and
1 or seconds. A shard knows its labels and can open its frames; where those are kept is its affair.
"""

import json
import mmap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

_DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


class Frames(Protocol):
    """Anything of shape [T, D] that gives its rows ``[a:b]`` as an array or a tensor."""

    @property
    def shape(self) -> Any: ...

    def __getitem__(self, rows: slice, /) -> Any: ...


@dataclass(frozen=True)
class Shard:
    """The frames of one recording and their labels.

    Attributes:
        name: for messages, such as the recording's key.
        labels: [T] float32.
        open: gives the frames. Called once for every chunk that is read, and what it gives is
            dropped after the chunk, so it should be cheap and read no more than the rows asked for.
    """

    name: str
    labels: npt.NDArray[np.float32]
    open: Callable[[], Frames]

    def read(self, start: int, stop: int) -> torch.Tensor:
        """Frames ``[start:stop]`` as a tensor [stop - start, D], without a copy where possible.

        Raises:
            ValueError: there are not as many frames as labels, or they are not a matrix.
        """
        frames = self.open()
        shape = tuple(frames.shape)
        if len(shape) != 2 or shape[0] != len(self.labels):
            raise ValueError(
                f"shard {self.name} has frames of shape {shape} and {len(self.labels)} labels; "
                "wanted [T, D] and T: make labels with the number of its frames"
            )
        rows = frames[start:stop]
        if isinstance(rows, torch.Tensor):
            return rows
        return torch.from_numpy(np.require(rows, requirements="W"))  # PyTorch warns of read-only memory


class SafetensorsFrames:
    """One tensor [T, D] of a local safetensors file, read where and when rows are asked for.

    Each slice maps just its own rows, and lets go of them when it is dropped. The safetensors
    library maps the whole file instead, and every row ever touched stays in memory until it closes.

    Raises:
        ValueError: the file has no such tensor, or it is not a matrix of a floating dtype.
    """

    def __init__(self, path: str | Path, tensor: str = "frames") -> None:
        self.path = Path(path)
        with self.path.open("rb") as file:
            header_bytes = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(header_bytes))
        entry = header.get(tensor)
        if entry is None or entry["dtype"] not in _DTYPES or len(entry["shape"]) != 2:
            found = {name: value for name, value in header.items() if name != "__metadata__"}
            raise ValueError(
                f"{path} holds {found}; wanted a tensor {tensor!r} of shape [T, D] in {', '.join(_DTYPES)}"
            )
        self.dtype = _DTYPES[entry["dtype"]]
        self.shape: tuple[int, int] = tuple(entry["shape"])
        self._offset = 8 + header_bytes + entry["data_offsets"][0]

    def __getitem__(self, rows: slice, /) -> torch.Tensor:
        start, stop, step = rows.indices(self.shape[0])
        if step != 1:
            raise ValueError(f"rows {rows} of {self.path} have step {step}; wanted 1")
        n_rows, row_bytes = max(stop - start, 0), self.shape[1] * self.dtype.itemsize
        if not n_rows * row_bytes:
            return torch.empty(n_rows, self.shape[1], dtype=self.dtype)
        begin = self._offset + start * row_bytes
        # A mapping begins at a page; ACCESS_COPY because PyTorch warns of memory it may not write.
        page = begin - begin % mmap.ALLOCATIONGRANULARITY
        with self.path.open("rb") as file:
            mapped = mmap.mmap(
                file.fileno(),
                begin - page + n_rows * row_bytes,
                access=mmap.ACCESS_COPY,
                offset=page,
            )
        mapped.madvise(mmap.MADV_WILLNEED)
        return torch.frombuffer(
            mapped, dtype=self.dtype, count=n_rows * self.shape[1], offset=begin - page
        ).view(n_rows, self.shape[1])


def safetensors_shard(path: str | Path, labels: npt.NDArray[np.float32], tensor: str = "frames") -> Shard:
    """The shard of a local safetensors file, named after it."""
    frames = SafetensorsFrames(path, tensor)
    return Shard(f"{path}:{tensor}", labels, _Constant(frames))


@dataclass(frozen=True)
class _Constant:
    """`lambda: frames`, but one that can be sent to another process."""

    frames: Frames

    def __call__(self) -> Frames:
        return self.frames
