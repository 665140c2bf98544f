"""Batches of named tensors of any length.

An example is a dict of tensors. In a batch the fixed ones are stacked; those declared to have a length, which
is their first axis, are padded with zeros to the longest and go with their lengths:

    frames           [B, T, ...]
    frames_lengths   [B] int64
"""

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from models.training.epochs import Batch, Batches, Epoch
from models.training.samplers import Indices, InOrder, Sampler, Shuffled

Example = Mapping[str, torch.Tensor]
Prepare = Callable[[Example, np.random.Generator], Example]

_PREPARE = 1_000_003  # keeps these random numbers apart from those of samplers


class Examples(Protocol):
    """Examples by number: a list in memory, or what reads them when asked (`models.training.packed`)."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Example: ...


@dataclass(frozen=True)
class ExampleData:
    """A data set for `fit` of examples, wherever they are.

    Args:
        examples: to learn from or to validate on.
        sampler: of shuffled passes, which are those of training.
        padded: names of tensors that have a length.
        prepare: crops, augments or measures an example; its random numbers depend on the epoch, and on the
            place of the example in it, alone. None: as they are.
        read_ahead: batches that threads make while others are used; 0: none.
    """

    examples: Examples
    sampler: Sampler = field(default_factory=Shuffled)
    padded: Collection[str] = ()
    prepare: Prepare | None = None
    read_ahead: int = 0

    def batches(self, epoch: Epoch) -> Batches:
        """What one process sees in one pass."""
        sampler = self.sampler if epoch.shuffle else InOrder()
        chosen = sampler.batches(epoch, len(self.examples))

        def make(numbers: range) -> Iterator[Batch]:
            if not self.read_ahead:
                yield from (self._batch(epoch, number, chosen[number]) for number in numbers)
                return
            with ThreadPoolExecutor(self.read_ahead) as pool:
                ahead: deque[Future[Batch]] = deque()
                for number in numbers:
                    ahead.append(pool.submit(self._batch, epoch, number, chosen[number]))
                    if len(ahead) > self.read_ahead:
                        yield ahead.popleft().result()
                yield from (future.result() for future in ahead)

        return Batches(epoch.first_batch, len(chosen), make)

    def _batch(self, epoch: Epoch, number: int, chosen: Indices) -> Batch:
        places = np.array_split(np.arange(len(chosen)), epoch.world_size)[epoch.rank]
        examples = [self._example(epoch, number, place, int(chosen[place])) for place in places.tolist()]
        return collate(examples, self.padded)

    def _example(self, epoch: Epoch, number: int, place: int, index: int) -> Example:
        example = self.examples[index]
        if self.prepare is None:
            return example
        return self.prepare(example, epoch.generator(_PREPARE, number, place))


def collate(examples: Sequence[Example], padded: Collection[str] = ()) -> Batch:
    """One batch of some examples, at least one.

    Raises:
        ValueError: examples of other tensors than the first, or of other shapes than padding evens out.
    """
    batch: Batch = {}
    for name in examples[0]:
        try:
            tensors = [example[name] for example in examples]
            if name in padded:
                batch[name] = pad_sequence(tensors, batch_first=True)
                batch[f"{name}_lengths"] = torch.tensor([len(tensor) for tensor in tensors])
            else:
                batch[name] = torch.stack(tensors)
        except (KeyError, RuntimeError) as error:
            raise ValueError(_differing(name, examples, padded)) from error
    return batch


def padding_mask(lengths: torch.Tensor, length: int | None = None) -> torch.Tensor:
    """True where there is something, [B, T]; T is the longest of the `lengths` [B] if not given.

    >>> padding_mask(torch.tensor([1, 3])).int().tolist()
    [[1, 0, 0], [1, 1, 1]]
    """
    longest = int(lengths.max()) if length is None else length
    return torch.arange(longest, device=lengths.device) < lengths[:, None]


def _differing(name: str, examples: Sequence[Example], padded: Collection[str]) -> str:
    shapes: list[Any] = [list(example[name].shape) if name in example else "none" for example in examples]
    told = ", ".join(str(shape) for shape in dict.fromkeys(map(str, shapes)))
    wanted = "shapes that differ in their first axis alone" if name in padded else "the same shape in all"
    return f"{name} of the examples of a batch have shapes {told}; wanted {wanted}, or `padded` to name it"
