"""Examples in files, many in each, read as they are needed.

A file holds each named tensor of its examples laid end to end, and where it has a length of its own, the
lengths, both by safetensors:

    frames           [sum of T, ...]
    frames_lengths   [n] int64
    label            [n, ...]          what has no length

So an example is a slice of each tensor, and to read it touches nothing else of the file.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, cast

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from models.training.checkpoint import replace_file
from models.training.examples import Example, Examples

LENGTHS = "_lengths"


def write_packed(path: Path, examples: Iterable[Example], padded: Collection[str] = ()) -> int:
    """Write examples, at least one, to a file; how many they were.

    Args:
        path: replaced in one step.
        examples: held in memory together.
        padded: names of tensors that have a length.
    """
    rows = list(examples)
    tensors: dict[str, torch.Tensor] = {}
    for name in rows[0]:
        values = [row[name] for row in rows]
        if name in padded:
            tensors[name] = torch.cat(values).contiguous()
            tensors[name + LENGTHS] = torch.tensor([len(value) for value in values])
        else:
            tensors[name] = torch.stack(values).contiguous()
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, lambda temporary: save_file(tensors, temporary))
    return len(rows)


class PackedExamples:
    """The examples of a file that `write_packed` wrote. It stays open as long as this is kept.

    Raises:
        ValueError: the tensors of the file are not of as many examples.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = path
        self._file = cast(Any, safe_open(path, framework="pt"))
        names = set(self._file.keys())
        lengths = {name for name in names if name.endswith(LENGTHS) and name.removesuffix(LENGTHS) in names}
        self._slices = {name: self._file.get_slice(name) for name in sorted(names - lengths)}
        self._ends = {name.removesuffix(LENGTHS): self._ends_of(name) for name in lengths}
        counts = {
            name: len(self._ends[name]) - 1 if name in self._ends else rows.get_shape()[0]
            for name, rows in self._slices.items()
        }
        if len(set(counts.values())) != 1:
            raise ValueError(
                f"{path} holds {counts} examples; wanted as many of every tensor: write it again"
            )
        self._count = next(iter(counts.values()))

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int, /) -> Example:
        if not 0 <= index < self._count:
            raise IndexError(f"example {index} of {self._count}")
        return {
            name: rows[ends[index] : ends[index + 1]] if (ends := self._ends.get(name)) else rows[index]
            for name, rows in self._slices.items()
        }

    def __reduce__(self) -> tuple[type["PackedExamples"], tuple[str | Path]]:
        # Another process opens the file for itself.
        return PackedExamples, (self._path,)

    def _ends_of(self, name: str) -> list[int]:
        ends: list[int] = np.cumsum([0, *self._file.get_tensor(name).tolist()]).tolist()
        return ends


@dataclass(frozen=True)
class ExampleShard:
    """Some of the examples of a data set.

    `open` gives them: `lambda: PackedExamples(path)`, or one that fetches the file first.
    """

    name: str
    size: int
    open: Callable[[], Examples]


class ShardedExamples:
    """The examples of many shards, of which only the last few used are open.

    Go through it by `Shuffled(examples.sizes, in_reach)`, with no more shards in reach than may be open.

    Args:
        shards: in the order of the numbers of their examples.
        keep_open: how many.
    """

    def __init__(self, shards: Sequence[ExampleShard], keep_open: int = 8) -> None:
        self.shards = tuple(shards)
        self.sizes = tuple(shard.size for shard in shards)
        self._ends = np.cumsum([0, *self.sizes])
        self._keep_open = keep_open
        self._open: OrderedDict[int, Examples] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: int, /) -> Example:
        shard = int(np.searchsorted(self._ends, index, side="right")) - 1
        return self._opened(shard)[index - int(self._ends[shard])]

    def _opened(self, number: int) -> Examples:
        with self._lock:
            if number not in self._open:
                while len(self._open) >= self._keep_open:
                    self._open.popitem(last=False)
                shard = self.shards[number]
                examples = shard.open()
                if len(examples) != shard.size:
                    raise ValueError(f"shard {shard.name} has {len(examples)} examples; wanted {shard.size}")
                self._open[number] = examples
            self._open.move_to_end(number)
            return self._open[number]

    def __getstate__(self) -> dict[str, object]:
        # Another process opens the files for itself.
        return self.__dict__ | {"_open": OrderedDict(), "_lock": None}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__ |= state | {"_lock": Lock()}
