"""Which examples make up a batch.

Conventions: an example is named by its number. A sampler gives the batches of all ranks together, as a pure
function of the `Epoch`; neighbours in a batch go to the same rank, so what must not be parted lies together.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from models.training.epochs import Epoch, share_of_batch

Indices = npt.NDArray[np.int64]


class Sampler(Protocol):
    """Chooses the examples of every batch."""

    def batches(self, epoch: Epoch, n_examples: int) -> Sequence[Indices]:
        """The examples [n] of every batch, n a multiple of the ranks."""


@dataclass(frozen=True)
class InOrder:
    """Every example once, as they lie.

    The parts of a batch may differ by one, but no rank is left without any: a module need not know what to do
    with nothing.
    """

    def batches(self, epoch: Epoch, n_examples: int) -> Sequence[Indices]:
        """As many batches as their size asks for, or as give every rank at least one example.

        Raises:
            ValueError: fewer examples than ranks.
        """
        if n_examples < epoch.world_size:
            raise ValueError(
                f"{n_examples} examples for {epoch.world_size} processes; wanted at least one for each"
            )
        n_batches = min(-(-n_examples // epoch.batch_size), n_examples // epoch.world_size)
        return np.array_split(np.arange(n_examples), n_batches)


@dataclass(frozen=True)
class Shuffled:
    """Every example at most once, in a new order every epoch.

    Args:
        shards: examples of each shard, for examples in files: these are then gone through in a new order,
            `in_reach` at a time, and shuffled among those; empty: all examples are in reach.
        in_reach: how many shards are open together; a number of examples that fills many batches mixes well.
    """

    shards: Sequence[int] = ()
    in_reach: int = 8

    def batches(self, epoch: Epoch, n_examples: int) -> Sequence[Indices]:
        """All but the last are full; the few examples that ranks could not share equally are dropped.

        Raises:
            ValueError: the shards have not as many examples; fewer examples than ranks.
        """
        share_of_batch(epoch.batch_size, epoch.world_size, "ranks")
        order = self._order(epoch, n_examples)
        order = order[: n_examples - n_examples % epoch.world_size]
        if not len(order):
            raise ValueError(
                f"{n_examples} examples for {epoch.world_size} processes; wanted at least one for each"
            )
        return np.split(order, range(epoch.batch_size, len(order), epoch.batch_size))

    def _order(self, epoch: Epoch, n_examples: int) -> Indices:
        random = epoch.generator()
        if not self.shards:
            return random.permutation(n_examples)
        ends = np.cumsum(self.shards)
        if ends[-1] != n_examples:
            raise ValueError(f"shards of {ends[-1]} examples for {n_examples}; wanted as many")
        shards = [np.arange(end - size, end) for size, end in zip(self.shards, ends, strict=True)]
        turn = [shards[i] for i in random.permutation(len(shards))]
        reaches = [turn[i : i + self.in_reach] for i in range(0, len(turn), self.in_reach)]
        return np.concatenate([random.permutation(np.concatenate(reach)) for reach in reaches])


@dataclass(frozen=True, eq=False)
class MPerClass:
    """Batches of `m` examples of each of batch_size / m classes, for losses that compare them.

    Every batch draws its classes anew, all equally likely; a class of fewer than m examples repeats some. One
    of a single example has no pair and is never drawn.

    Args:
        labels: [n] class of each example.
        m: examples of a class in a batch, at least 2.
        n_batches: of an epoch; None: as many as would hold all examples once.
    """

    labels: Sequence[int] | Indices
    m: int
    n_batches: int | None = None
    _members: list[Indices] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.m < 2:
            raise ValueError(f"m is {self.m}; wanted at least 2, for there to be pairs")
        labels = np.asarray(self.labels)
        members = [np.flatnonzero(labels == label) for label in np.unique(labels)]
        object.__setattr__(self, "_members", [member for member in members if len(member) > 1])

    def batches(self, epoch: Epoch, n_examples: int) -> Sequence[Indices]:
        """Full batches, sorted by class.

        Raises:
            ValueError: a batch that whole classes cannot fill, or ranks cannot share by whole classes; fewer
                classes with a pair than a batch wants; labels of another number of examples.
        """
        if len(self.labels) != n_examples:
            raise ValueError(f"{len(self.labels)} labels for {n_examples} examples; wanted as many")
        share_of_batch(epoch.batch_size, self.m * epoch.world_size, f"ranks of classes of {self.m}")
        n_classes = epoch.batch_size // self.m
        if n_classes > len(self._members):
            raise ValueError(
                f"a batch of {epoch.batch_size} wants {n_classes} classes of {self.m}; "
                f"{len(self._members)} have at least 2 examples: make batches smaller, or m larger"
            )
        n_batches = self.n_batches or -(-n_examples // epoch.batch_size)
        return _Drawn(n_batches, lambda index: self._batch(epoch.generator(index), n_classes))

    def _batch(self, random: np.random.Generator, n_classes: int) -> Indices:
        drawn = random.choice(len(self._members), n_classes, replace=False)
        members = [self._members[i] for i in drawn]
        return np.concatenate([random.choice(own, self.m, replace=len(own) < self.m) for own in members])


class _Drawn(Sequence[Indices]):
    """Batches that are drawn when asked for: an epoch may have many."""

    def __init__(self, n_batches: int, draw: Callable[[int], Indices]) -> None:
        self._n_batches, self._draw = n_batches, draw

    def __len__(self) -> int:
        return self._n_batches

    def __getitem__(self, index: Any, /) -> Any:
        if not 0 <= index < self._n_batches:
            raise IndexError(f"batch {index} of {self._n_batches}")
        return self._draw(index)
