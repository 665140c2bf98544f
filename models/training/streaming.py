"""Frames of many recordings in shuffled batches, read from their shards as they are needed.

What is in reach is a block of frames and the one after it, never a whole recording:

    every shard is cut into chunks, and the chunks of all shards are shuffled and laid end to end;
    that line is cut into lanes of equal length; a block is the next stretch of every lane;
    a batch draws equally many frames from every lane of the block, in shuffled order.

A rank owns whole lanes, so ranks read different chunks. The number of lanes belongs to the data
set, so the batches are the same for any number of ranks that divides it.
"""

import mmap
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import numpy.typing as npt
import torch

from models.training.epochs import Batch, Batches, Epoch, share_of_batch
from models.training.shards import Shard

Indices = npt.NDArray[np.int64]
Rows = npt.NDArray[np.uint8]

_CHUNKS, _ORDER = 0, 1  # what an epoch's random numbers are for


class StreamingFrames:
    """Frames of shards, at least one, none of which is ever read as a whole.

    Memory holds two blocks, whatever the number and the length of the shards.

    Args:
        shards: one per recording, all with frames of the same dtype and dimension.
        block_frames: frames that are shuffled together, of all ranks.
        chunk_frames: neighbouring frames of a shard that are read together.
        lanes: chunks read side by side. The ranks must divide it, and it the batch.
    """

    def __init__(
        self,
        shards: Sequence[Shard],
        *,
        block_frames: int = 16384,
        chunk_frames: int = 2048,
        lanes: int = 8,
    ) -> None:
        self.shards = tuple(shards)
        self.block_frames, self.lanes = block_frames, lanes
        self.labels = np.concatenate([shard.labels for shard in shards]).astype(np.float32)
        # [chunks, 3]: shard, first frame, frame past the last.
        self.chunks = np.concatenate(
            [_cut(index, len(shard.labels), chunk_frames) for index, shard in enumerate(shards)]
        )
        first_frame = self.shards[0].read(0, 1)
        self.input_dim, self.dtype = first_frame.shape[1], first_frame.dtype
        self._spare_memory: list[_Memory] = []

    def batches(self, epoch: Epoch) -> Batches:
        """What one process sees in one pass.

        Raises:
            ValueError: ranks, lanes and batch size that do not divide one another, fewer frames
                than lanes.
        """
        plan = _Plan(self, epoch)
        return Batches(epoch.first_batch, plan.n_batches, plan.batches)

    @contextmanager
    def memory(self) -> Iterator["_Memory"]:
        """Memory of two blocks of narrow rows, for one pass; kept, since to get it anew takes long."""
        try:
            memory = self._spare_memory.pop()
        except IndexError:
            memory = _Memory()
        yield memory
        self._spare_memory.append(memory)

    def read(self, index: int, start: int, stop: int) -> torch.Tensor:
        """Frames ``[start:stop]`` of shard `index`.

        Raises:
            ValueError: the shard's frames are of another kind than those of the first.
        """
        frames = self.shards[index].read(start, stop)
        if frames.shape[1] != self.input_dim or frames.dtype != self.dtype:
            raise ValueError(
                f"shard {self.shards[index].name} has {frames.dtype} frames of {frames.shape[1]}, "
                f"the first shard {self.dtype} of {self.input_dim}; wanted the same: "
                "make all of them with the same backend"
            )
        return frames.contiguous()


class _Plan:
    """Which frames make up each batch of a rank in an epoch, and the reading of them."""

    def __init__(self, data: StreamingFrames, epoch: Epoch) -> None:
        self._data, self._epoch = data, epoch
        # In order, a rank is its own lane; shuffled, it has an equal share of the lanes.
        lanes = data.lanes if epoch.shuffle else epoch.world_size
        if lanes % epoch.world_size:
            raise ValueError(
                f"{epoch.world_size} ranks cannot share {lanes} lanes equally; wanted a number of "
                f"lanes that is a multiple of {epoch.world_size}"
            )
        if epoch.shuffle and len(data.labels) < lanes:
            raise ValueError(f"{len(data.labels)} frames for {lanes} lanes; wanted at least one for each")
        bounds = np.arange(lanes + 1) * len(data.labels) // lanes
        lane_frames = np.diff(bounds)
        if epoch.shuffle:
            lane_frames[:] = lane_frames.min()
        self._all_lanes = lanes
        self._mine = slice(*(np.arange(2) + epoch.rank) * lanes // epoch.world_size)
        self._first = bounds[:-1][self._mine]
        self._last = self._first + lane_frames[self._mine]
        self._per_batch = share_of_batch(epoch.batch_size, lanes, "lanes")
        self.n_batches = -(-int(lane_frames.max()) // self._per_batch)
        self._batches_per_block = max(data.block_frames // lanes // self._per_batch, 1)
        if epoch.shuffle:
            self._line = epoch.generator(_CHUNKS).permutation(data.chunks)
        else:
            self._line = data.chunks
        self._line_ends = np.cumsum(self._line[:, 2] - self._line[:, 1])

    def batches(self, indices: range) -> Iterator[Batch]:
        """The batches of these numbers, in order; a thread reads the next block meanwhile."""
        blocks: dict[int, Future[_Block]] = {}
        n_blocks = -(-self.n_batches // self._batches_per_block)
        with self._data.memory() as memory, ThreadPoolExecutor(1) as pool:
            for index in indices:
                number, place = divmod(index, self._batches_per_block)
                blocks = {
                    held: blocks.get(held) or pool.submit(self._open, held, memory)
                    for held in range(number, min(number + 2, n_blocks))
                }
                yield blocks[number].result().batch(place)

    def _open(self, number: int, memory: "_Memory") -> "_Block":
        stretch = self._batches_per_block * self._per_batch
        begin = self._first + number * stretch
        end = np.clip(self._last, begin, begin + stretch)
        pieces = np.concatenate([self._pieces(b, e) for b, e in zip(begin, end, strict=True)])
        chunks = [self._data.read(*piece).view(torch.uint8).numpy() for piece in pieces.tolist()]
        labels = [self._data.shards[index].labels[a:b] for index, a, b in pieces.tolist()]
        n_frames = end - begin
        order = np.tile(np.arange(n_frames.max()), (self._all_lanes, 1))
        if self._epoch.shuffle:
            # Drawn for the lanes of all ranks: a lane's order does not depend on whose it is.
            order = self._epoch.generator(_ORDER, number).permuted(order, axis=1)
        return _Block(
            chunks=memory.resident(chunks, number),
            labels=np.concatenate([np.empty(0, np.float32), *labels], dtype=np.float32),
            order=order[self._mine] + (np.cumsum(n_frames) - n_frames)[:, None],
            per_batch=self._per_batch,
            input_dim=self._data.input_dim,
            dtype=self._data.dtype,
        )

    def _pieces(self, begin: int, end: int) -> Indices:
        """The parts of chunks [n, 3] that make up frames ``[begin:end]`` of the line."""
        if begin == end:
            return np.empty((0, 3), dtype=np.int64)
        ends = self._line_ends
        first, last = np.searchsorted(ends, begin, side="right"), np.searchsorted(ends, end)
        pieces = self._line[first : last + 1].copy()
        pieces[-1, 2] -= ends[last] - end
        pieces[0, 1] = self._line[first, 2] - (ends[first] - begin)
        return pieces


@dataclass(frozen=True)
class _Block:
    """Frames in reach: the next stretch of each of a rank's lanes.

    Frames are held as the bytes of their rows, [frames, bytes] per chunk, so that one gather serves
    every dtype; `order` [lanes, n] says where in the concatenated chunks the batches find theirs.
    """

    chunks: list[Rows]
    labels: npt.NDArray[np.float32]
    order: Indices
    per_batch: int
    input_dim: int
    dtype: torch.dtype

    def batch(self, place: int) -> Batch:
        """The batch at `place` of the block."""
        # Sorted, because a chunk's frames are then gathered in one go, and in the order they lie.
        part = slice(place * self.per_batch, (place + 1) * self.per_batch)
        positions = np.sort(self.order[:, part], axis=None)
        frames = torch.empty(len(positions), self.input_dim, dtype=self.dtype)
        rows = frames.view(torch.uint8).numpy()
        ends = list(accumulate(len(chunk) for chunk in self.chunks))
        cuts = np.searchsorted(positions, ends)
        start = offset = 0
        for chunk, stop, end in zip(self.chunks, cuts.tolist(), ends, strict=True):
            # mode="clip" lets numpy write to `out` without a copy in between.
            chunk.take(positions[start:stop] - offset, axis=0, out=rows[start:stop], mode="clip")
            start, offset = stop, end
        return {"frames": frames, "labels": torch.from_numpy(self.labels[positions])}


class _Memory:
    """Brings the rows of a block into memory, on the thread that reads ahead.

    Wide rows stay where they are mapped; to touch their pages is enough. Narrow rows are copied together,
    since to gather a batch from many places would take longer than the copy. Batches are copies, so a
    block's memory is free again when the next but one is read.
    """

    def __init__(self) -> None:
        self._blocks = [np.empty((0, 0), np.uint8)] * 2

    def resident(self, chunks: list[Rows], number: int) -> list[Rows]:
        """The rows of block `number`, in as many pieces as is best for gathering."""
        count = sum(len(chunk) for chunk in chunks)
        if not count or chunks[0].shape[1] >= mmap.PAGESIZE:
            for chunk in chunks:
                chunk[:, :: mmap.PAGESIZE].max(initial=0)
            return chunks
        place = number % len(self._blocks)
        if len(self._blocks[place]) < count:
            self._blocks[place] = np.empty((count, chunks[0].shape[1]), np.uint8)
        rows = self._blocks[place][:count]
        np.concatenate(chunks, out=rows)
        return [rows]


def _cut(index: int, n_frames: int, chunk_frames: int) -> Indices:
    """The chunks [n, 3] of shard `index`."""
    starts = np.arange(0, n_frames, chunk_frames)
    ends = np.minimum(starts + chunk_frames, n_frames)
    return np.stack([np.full_like(starts, index), starts, ends], axis=1)
