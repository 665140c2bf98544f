"""What a data set is: something that can be gone through epoch by epoch, in batches.

What a process sees is a pure function of the data set and an `Epoch`. So an epoch can be taken up at any
batch, and the batches of all ranks together are the batches that one process alone would see.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

Batch = dict[str, torch.Tensor]
"""Named tensors whose first axis counts the examples."""


@dataclass(frozen=True)
class Epoch:
    """What one process sees of a data set in one pass.

    Attributes:
        batch_size: examples of a batch, of all ranks together.
        seed, index: of the shuffling; equal ones give equal batches.
        shuffle: False gives every example exactly once, as for validation. True may drop the few (fewer
            than there are ranks or lanes) that would leave ranks with unequal steps.
        rank, world_size: which share of every batch.
        first_batch: where to begin, to take up an epoch that was interrupted.
    """

    batch_size: int
    seed: int = 0
    index: int = 0
    shuffle: bool = True
    rank: int = 0
    world_size: int = 1
    first_batch: int = 0

    def generator(self, *purpose: int) -> np.random.Generator:
        """Random numbers that are the same on every rank; `purpose` keeps uses apart."""
        return np.random.default_rng([self.seed, self.index, *purpose])


class Batches(IterableDataset[Batch]):
    """The batches of one process in one epoch, in order; the same ones in every iteration.

    Ready-made batches: use it as it is, or in a `DataLoader` with `batch_size=None`, whose workers
    share the batches without changing their order.

    Args:
        first: number of the batch to begin with.
        n_batches: of the whole epoch.
        make: gives the batches of some numbers, in order.
    """

    def __init__(self, first: int, n_batches: int, make: Callable[[range], Iterator[Batch]]) -> None:
        self.n_batches = n_batches
        self._first, self._make = first, make

    def __len__(self) -> int:
        return max(self.n_batches - self._first, 0)

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        skip, stride = (worker.id, worker.num_workers) if worker else (0, 1)
        return self._make(range(self._first + skip, self.n_batches, stride))


class EpochData(Protocol):
    """What `fit` learns from and validates on. Every rank must get the same number of batches."""

    def batches(self, epoch: Epoch) -> Batches:
        """What one process sees in one pass."""


def share_of_batch(batch_size: int, parts: int, what: str) -> int:
    """Examples of a batch that each of `parts` equal parts gives.

    Raises:
        ValueError: the parts do not divide the batch.
    """
    if batch_size < 1 or batch_size % parts:
        raise ValueError(f"batch size is {batch_size} with {parts} {what}; wanted a multiple of {parts}")
    return batch_size // parts
