"""Batches of frames: what every process sees, in memory and streamed."""

import itertools
import sys
import threading

import numpy as np
import psutil
import pytest
import torch
from safetensors.torch import save_file
from torch.utils.data import DataLoader

from models.training.epochs import Epoch
from models.training.frames import InMemoryFrames, feature_statistics
from models.training.shards import Shard, safetensors_shard
from models.training.streaming import StreamingFrames
from tests.models.laughter.corpus import laughing_files, numbered_shards

LENGTHS = (1000, 37, 2500, 1, 662)
N_FRAMES = sum(LENGTHS)
BATCH = 64


def in_memory(shards):
    return InMemoryFrames.from_shards(shards)


def streamed(shards):
    return StreamingFrames(shards, block_frames=512, chunk_frames=128)


both = pytest.mark.parametrize("dataset", [in_memory, streamed])


def numbers(batches):
    """The frames of each batch, by number."""
    return [batch["labels"].numpy().astype(int) for batch in batches]


@both
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_frames_keep_their_labels_and_their_dtype(dataset, dtype):
    # bfloat16 tells the numbers to 256 apart.
    for batch in dataset(numbered_shards((100, 156), dtype=dtype)).batches(Epoch(BATCH)):
        assert batch["frames"].dtype == dtype
        assert torch.equal(batch["frames"][:, 0].float(), batch["labels"])


@both
def test_an_epoch_has_every_frame_at_most_once_and_all_but_a_few(dataset):
    epoch = numbers(dataset(numbered_shards([*LENGTHS, 5])).batches(Epoch(BATCH)))
    seen = np.concatenate(epoch)
    assert len(np.unique(seen)) == len(seen) > N_FRAMES + 5 - 8
    assert {len(batch) for batch in epoch[:-1]} == {BATCH}


@both
@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_a_pass_in_order_has_every_frame_once_in_equal_steps(dataset, world_size):
    data = dataset(numbered_shards(LENGTHS))
    ranks = [
        data.batches(Epoch(48, shuffle=False, rank=rank, world_size=world_size)) for rank in range(world_size)
    ]
    seen = np.concatenate([batch for rank in ranks for batch in numbers(rank)])
    np.testing.assert_array_equal(seen, np.arange(N_FRAMES))
    assert len({len(rank) for rank in ranks}) == 1
    assert all(len(list(rank)) == len(rank) for rank in ranks)


@both
@pytest.mark.parametrize("world_size", [2, 4])
def test_ranks_share_the_batches_of_one_process_in_equal_disjoint_parts(dataset, world_size):
    data = dataset(numbered_shards(LENGTHS))
    alone = numbers(data.batches(Epoch(BATCH)))
    ranks = [
        numbers(data.batches(Epoch(BATCH, rank=rank, world_size=world_size))) for rank in range(world_size)
    ]
    for step, parts in enumerate(zip(*ranks, strict=True)):
        assert len({len(part) for part in parts}) == 1
        together = np.concatenate(parts)
        assert set(together) == set(alone[step])
        assert len(set(together)) == len(together)


@both
def test_batches_are_a_function_of_seed_and_epoch(dataset):
    def epoch(**which):
        return np.concatenate(numbers(dataset(numbered_shards(LENGTHS)).batches(Epoch(BATCH, **which))))

    np.testing.assert_array_equal(epoch(seed=1, index=2), epoch(seed=1, index=2))
    assert not np.array_equal(epoch(seed=1, index=2), epoch(seed=1, index=3))
    assert not np.array_equal(epoch(seed=1, index=2), epoch(seed=2, index=2))


@both
def test_the_same_batches_can_be_gone_through_again(dataset):
    batches = dataset(numbered_shards(LENGTHS)).batches(Epoch(BATCH))
    np.testing.assert_array_equal(np.concatenate(numbers(batches)), np.concatenate(numbers(batches)))


@both
@pytest.mark.parametrize("first_batch", [1, 8, 11, 66, 1000])
def test_an_interrupted_epoch_goes_on_where_it_was(dataset, first_batch):
    data = dataset(numbered_shards(LENGTHS))
    rest = data.batches(Epoch(BATCH, first_batch=first_batch))
    wanted = numbers(data.batches(Epoch(BATCH)))[first_batch:]
    assert len(rest) == len(wanted)
    assert all(map(np.array_equal, numbers(rest), wanted))


@both
def test_workers_of_a_data_loader_change_nothing(dataset):
    batches = dataset(numbered_shards(LENGTHS)).batches(Epoch(BATCH))
    loader = DataLoader(batches, batch_size=None, num_workers=2)
    assert len(loader) == len(batches)
    assert all(map(np.array_equal, numbers(loader), numbers(batches)))


def test_a_streamed_batch_mixes_distant_frames():
    shards = numbered_shards([2000] * 10)
    data = StreamingFrames(shards, block_frames=4096, chunk_frames=512)
    first = numbers(data.batches(Epoch(BATCH)))[0]
    assert len(np.unique(first // 512)) >= 8
    assert len(np.unique(np.diff(np.sort(first)))) > 5


def test_ranks_read_different_frames_and_each_of_them_once():
    read = []

    class Watched:
        def __init__(self, frames):
            self.frames, self.shape = frames, frames.shape

        def __getitem__(self, rows):
            read.append(rows.stop - rows.start)
            return self.frames[rows]

    shards = [
        Shard(shard.name, shard.labels, lambda shard=shard: Watched(shard.open()))
        for shard in numbered_shards([800] * 10)
    ]
    data = StreamingFrames(shards, block_frames=512, chunk_frames=128)
    read.clear()
    for rank in range(2):
        list(data.batches(Epoch(BATCH, rank=rank, world_size=2)))
        assert sum(read) == 4000 * (rank + 1)
    assert max(read) <= 128


def test_memory_stays_flat_when_the_corpus_grows_tenfold(tmp_path):
    n_frames, dim = 20_000, 256  # 20 MB a file

    def growth_mb(n_files):
        shards = []
        for index in range(n_files):
            path = tmp_path / f"{index}"
            if not path.exists():
                save_file({"frames": torch.zeros(n_frames, dim)}, path)
            shards.append(safetensors_shard(path, np.zeros(n_frames, np.float32)))
        data = StreamingFrames(shards, block_frames=4096)
        process = psutil.Process()
        before = process.memory_info().rss
        peak = max(process.memory_info().rss for _ in data.batches(Epoch(512)))
        return (peak - before) / 1e6

    growth_mb(1)
    # Two blocks are 8 MB; the 200 MB of the ten files would show.
    assert growth_mb(10) < growth_mb(1) + 15


def test_batches_are_not_made_frame_by_frame(tmp_path):
    shards = laughing_files(tmp_path, range(4), n_frames=20_000)

    def calls(data):
        """Functions called to make an epoch, in Python and in C, the reading thread's among them."""
        count = itertools.count()
        threading.setprofile(lambda *_: next(count))
        sys.setprofile(lambda *_: next(count))
        try:
            for _ in data.batches(Epoch(512)):
                pass
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
        return next(count)

    # 80,000 frames: a loop over them would have as many events, and more.
    assert calls(InMemoryFrames.from_shards(shards)) < 4_000
    assert calls(StreamingFrames(shards)) < 40_000


@both
def test_statistics_of_features_are_those_of_all_frames(dataset):
    rng = np.random.default_rng(0)
    frames = (rng.standard_normal((5000, 3)) * [1, 100, 0] + [0, 1e4, 7]).astype(np.float32)
    shards = [
        Shard(str(i), np.zeros(1000, np.float32), lambda i=i: frames[i * 1000 : (i + 1) * 1000])
        for i in range(5)
    ]
    found = feature_statistics(dataset(shards), batch_size=300)
    np.testing.assert_allclose(found.mean, frames.mean(axis=0, dtype=np.float64), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.std[:2], frames[:, :2].std(axis=0, dtype=np.float64), rtol=1e-5)
    assert found.std[2] == 1


def test_a_feature_that_is_not_finite_is_named():
    frames = torch.zeros(10, 3)
    frames[6, 2] = torch.nan
    with pytest.raises(ValueError, match="feature 2 is not finite within frames 5 to 10"):
        feature_statistics(InMemoryFrames(frames, np.zeros(10, np.float32)), batch_size=5)


def test_batches_that_cannot_be_shared_equally_are_refused():
    shards = numbered_shards([100])
    with pytest.raises(ValueError, match="batch size is 64 with 3 ranks"):
        in_memory(shards).batches(Epoch(64, world_size=3))
    with pytest.raises(ValueError, match="3 ranks cannot share 8 lanes"):
        streamed(shards).batches(Epoch(64, world_size=3))
    with pytest.raises(ValueError, match="batch size is 60 with 8 lanes"):
        streamed(shards).batches(Epoch(60))
    with pytest.raises(ValueError, match="7 frames for 8 lanes"):
        streamed(numbered_shards([7])).batches(Epoch(64))


def test_shards_of_different_features_are_refused_by_name():
    shards = [*numbered_shards([100], dim=4), *numbered_shards([100], dim=5)]
    shards[1] = Shard("the odd one", shards[1].labels, shards[1].open)
    with pytest.raises(ValueError, match="shard the odd one has"):
        list(streamed(shards).batches(Epoch(BATCH)))


def test_frames_without_as_many_labels_are_refused():
    with pytest.raises(ValueError, match=r"wanted \[n, D\] and \[n\]"):
        InMemoryFrames(torch.zeros(3, 2), np.zeros(4, np.float32))
