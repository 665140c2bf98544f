"""Frames of many recordings in shuffled batches: what a set of frames is, and the one in memory.

A frame is an example of its own. A batch has `frames` [n, D] in the dtype they are stored in, and their
`labels` [n] float32. Batches are made whole, never frame by frame.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from models.training.epochs import Batch, Batches, Epoch, share_of_batch
from models.training.shards import Shard


class FrameDataset(Protocol):
    """Frames with labels that can be gone through epoch by epoch."""

    @property
    def labels(self) -> npt.NDArray[np.float32]:
        """[n] labels of all frames, in the order of the shards."""

    @property
    def input_dim(self) -> int:
        """D, features of a frame."""

    def batches(self, epoch: Epoch) -> Batches:
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

    def batches(self, epoch: Epoch) -> Batches:
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
                    yield {"frames": self.frames.index_select(0, rows), "labels": self._targets[rows]}
                else:
                    part = slice(first + part.start, min(first + part.stop, last))
                    yield {"frames": self.frames[part], "labels": self._targets[part]}

        return Batches(epoch.first_batch, -(-per_rank // share), make)


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
        frames = batch["frames"].double().numpy()
        batch_mean = frames.mean(axis=0)
        if not np.isfinite(batch_mean).all():
            wrong = np.flatnonzero(~np.isfinite(batch_mean))
            raise ValueError(
                f"feature {wrong[0]} is not finite within frames {count} to {count + len(frames)} "
                f"of the data set ({len(wrong)} of {dataset.input_dim} features are not): "
                "compute the frames of that recording again"
            )
        shift = batch_mean - mean
        total = count + len(frames)
        squares += ((frames - batch_mean) ** 2).sum(axis=0) + shift**2 * count * len(frames) / total
        mean += shift * len(frames) / total
        count = total
    std = np.sqrt(squares / max(count, 1))
    std[std == 0] = 1
    return FeatureStatistics(mean.astype(np.float32), std.astype(np.float32))
