"""Frames of many episodes in shuffled batches: what a data set is, and the one in memory.

What a process sees is a pure function of the data set and an `Epoch`. The batches of all ranks
together are the batches that one process alone would see, so a training does not depend on how many
processes share it. Batches are made whole, never frame by frame.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import IterableDataset, get_worker_info

from models.laughter.shards import Shard


class Batch(NamedTuple):
    """Frames [n, D] in the dtype they are stored in, and their labels [n] float32."""

    frames: torch.Tensor
    labels: torch.Tensor


@dataclass(frozen=True)
class Epoch:
    """What one process sees of a data set in one pass.

    Attributes:
        batch_size: frames of a batch, of all ranks together.
        seed, index: of the shuffling; equal ones give equal batches.
        shuffle: False gives every frame exactly once, as for validation. True drops the few frames
            (fewer than there are ranks or lanes) that would leave ranks with unequal steps.
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


class FrameBatches(IterableDataset[Batch]):
    """The batches of one process in one epoch, in order; the same ones in every iteration.

    Ready-made batches: use it as it is, or in a `DataLoader` with `batch_size=None`, whose workers
    share the batches without changing their order.
    """

    def __init__(self, first: int, n_batches: int, make: Callable[[range], Iterator[Batch]]) -> None:
        self._first, self._n_batches, self._make = first, n_batches, make

    def __len__(self) -> int:
        return max(self._n_batches - self._first, 0)

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        skip, stride = (worker.id, worker.num_workers) if worker else (0, 1)
        return self._make(range(self._first + skip, self._n_batches, stride))


class FrameDataset(Protocol):
    """Frames with labels that can be gone through epoch by epoch."""

    @property
    def labels(self) -> npt.NDArray[np.float32]:
        """[n] labels of all frames, in the order of the shards."""

    @property
    def input_dim(self) -> int:
        """D, features of a frame."""

    def batches(self, epoch: Epoch) -> FrameBatches:
        """What one process sees in one pass."""


class InMemoryFrames:
    """All frames as one tensor.

    Args:
        frames: [n, D].
        labels: [n].
    """

    def __init__(self, frames: torch.Tensor, labels: npt.NDArray[np.float32]) -> None:
        if frames.ndim != 2 or len(frames) != len(labels):
            raise ValueError(f"frames {tuple(frames.shape)} and labels {labels.shape}; wanted [n, D] and [n]")
        self.frames = frames
        self.labels = np.asarray(labels, dtype=np.float32)
        self._targets = torch.from_numpy(self.labels)

    @classmethod
    def from_shards(cls, shards: Sequence[Shard]) -> "InMemoryFrames":
        """Read all of the shards, at least one."""
        frames = [shard.read(0, len(shard.labels)) for shard in shards]
        return cls(torch.cat(frames), np.concatenate([shard.labels for shard in shards]))

    @property
    def input_dim(self) -> int:
        return self.frames.shape[1]

    def batches(self, epoch: Epoch) -> FrameBatches:
        share = share_of_batch(epoch.batch_size, epoch.world_size, "ranks")
        n_frames = len(self.labels)
        if epoch.shuffle:
            per_rank = n_frames // epoch.world_size
            order = epoch.generator().permutation(n_frames)[: per_rank * epoch.world_size]
            # Column r of every batch's rows is the share of rank r.
            mine = torch.from_numpy(order.reshape(-1, epoch.world_size)[:, epoch.rank].copy())
        else:
            bounds = np.arange(epoch.world_size + 1) * n_frames // epoch.world_size
            per_rank = int(np.diff(bounds).max())
            first, last = bounds[epoch.rank], bounds[epoch.rank + 1]

        def make(indices: range) -> Iterator[Batch]:
            for index in indices:
                part = slice(index * share, (index + 1) * share)
                if epoch.shuffle:
                    rows = mine[part]
                    yield Batch(self.frames.index_select(0, rows), self._targets[rows])
                else:
                    part = slice(first + part.start, min(first + part.stop, last))
                    yield Batch(self.frames[part], self._targets[part])

        return FrameBatches(epoch.first_batch, -(-per_rank // share), make)


@dataclass(frozen=True)
class FeatureStatistics:
    """Mean and standard deviation [D] of every feature; 1 in place of a deviation of 0."""

    mean: npt.NDArray[np.float32]
    std: npt.NDArray[np.float32]


def feature_statistics(dataset: FrameDataset, batch_size: int = 4096) -> FeatureStatistics:
    """Statistics of all frames, in one pass that holds one batch (Chan et al. 1979).

    Raises:
        ValueError: a feature that is not finite.
    """
    count, mean, squares = 0, np.zeros(dataset.input_dim), np.zeros(dataset.input_dim)
    for batch in dataset.batches(Epoch(batch_size, shuffle=False)):
        frames = batch.frames.double().numpy()
        batch_mean = frames.mean(axis=0)
        if not np.isfinite(batch_mean).all():
            wrong = np.flatnonzero(~np.isfinite(batch_mean))
            raise ValueError(
                f"feature {wrong[0]} is not finite within frames {count} to {count + len(frames)} "
                f"of the data set ({len(wrong)} of {dataset.input_dim} features are not): "
                "compute the frames of that episode again"
            )
        shift = batch_mean - mean
        total = count + len(frames)
        squares += ((frames - batch_mean) ** 2).sum(axis=0) + shift**2 * count * len(frames) / total
        mean += shift * len(frames) / total
        count = total
    std = np.sqrt(squares / max(count, 1))
    std[std == 0] = 1
    return FeatureStatistics(mean.astype(np.float32), std.astype(np.float32))


def share_of_batch(batch_size: int, parts: int, what: str) -> int:
    """Frames of a batch that each of `parts` equal parts gives.

    Raises:
        ValueError: the parts do not divide the batch.
    """
    if batch_size < 1 or batch_size % parts:
        raise ValueError(f"batch size is {batch_size} with {parts} {what}; wanted a multiple of {parts}")
    return batch_size // parts
