"""Which examples make up a batch."""

import numpy as np
import pytest

from models.training.epochs import Epoch
from models.training.samplers import InOrder, MPerClass, Shuffled

LABELS = np.repeat([3, 5, 7, 9, 11, 13], [10, 4, 2, 1, 20, 3])


def test_a_shuffled_epoch_has_every_example_once_in_full_batches():
    batches = Shuffled().batches(Epoch(8), 30)
    assert [len(batch) for batch in batches] == [8, 8, 8, 6]
    assert sorted(np.concatenate(batches)) == list(range(30))
    again, other = Shuffled().batches(Epoch(8), 30), Shuffled().batches(Epoch(8, index=1), 30)
    assert all(map(np.array_equal, batches, again))
    assert not all(map(np.array_equal, batches, other))


def test_what_ranks_could_not_share_is_dropped():
    batches = Shuffled().batches(Epoch(8, world_size=4), 30)
    assert [len(batch) for batch in batches] == [8, 8, 8, 4]


def test_shards_are_gone_through_a_few_at_a_time_and_mixed_among_those():
    sizes = [10, 20, 5, 15, 10, 20]
    shard_of = np.repeat(np.arange(6), sizes)
    batches = Shuffled(sizes, in_reach=2).batches(Epoch(10), 80)
    order = np.concatenate(batches)
    assert sorted(order) == list(range(80))
    switches = [set(shard_of[part]) for part in np.split(order, np.flatnonzero(np.diff(shard_of[order])) + 1)]
    first_seen = list(dict.fromkeys(shard for shards in switches for shard in sorted(shards)))
    last_place = {shard: int(np.flatnonzero(shard_of[order] == shard).max()) for shard in range(6)}
    first_place = {shard: int(np.flatnonzero(shard_of[order] == shard).min()) for shard in range(6)}
    # The third pair begins when the first is over, and the two of a pair are mixed.
    assert all(first_place[s] > last_place[f] for f in first_seen[:2] for s in first_seen[2:])
    assert first_place[first_seen[1]] < last_place[first_seen[0]]


def test_a_batch_in_order_leaves_no_rank_without_an_example():
    for n in range(4, 40):
        batches = InOrder().batches(Epoch(8, shuffle=False, world_size=4), n)
        assert np.array_equal(np.concatenate(batches), np.arange(n))
        assert min(len(batch) for batch in batches) >= 4
        assert max(len(batch) for batch in batches) <= 11
    with pytest.raises(ValueError, match="3 examples for 4 processes"):
        InOrder().batches(Epoch(8, shuffle=False, world_size=4), 3)


@pytest.mark.parametrize("world_size", [1, 2])
def test_every_batch_has_m_of_each_of_its_classes_and_ranks_get_whole_classes(world_size):
    batches = MPerClass(LABELS, m=4).batches(Epoch(16, world_size=world_size), len(LABELS))
    assert len(batches) == 3
    for batch in batches:
        for part in np.array_split(batch, world_size):
            classes, counts = np.unique(LABELS[part], return_counts=True)
            assert len(classes) == 4 // world_size
            assert set(counts) == {4}


def test_classes_repeat_examples_only_where_they_have_too_few_and_a_single_one_is_never_drawn():
    sampler = MPerClass(LABELS, m=3, n_batches=200)
    batches = sampler.batches(Epoch(9), len(LABELS))
    seen = set()
    for batch in batches:
        for group in batch.reshape(3, 3):
            seen.add(LABELS[group[0]])
            assert len(set(group)) == 3 or LABELS[group[0]] == 7
    assert seen == {3, 5, 7, 11, 13}
    assert np.array_equal(batches[7], sampler.batches(Epoch(9), len(LABELS))[7])
    assert not np.array_equal(batches[7], batches[8])


def test_batches_that_cannot_be_made_are_refused():
    with pytest.raises(ValueError, match="wants 6 classes of 2; 5 have at least 2 examples"):
        MPerClass(LABELS, m=2).batches(Epoch(12), len(LABELS))
    with pytest.raises(ValueError, match="batch size is 12 with 8 ranks of classes of 4"):
        MPerClass(LABELS, m=4).batches(Epoch(12, world_size=2), len(LABELS))
    with pytest.raises(ValueError, match="40 labels for 41 examples"):
        MPerClass(LABELS, m=4).batches(Epoch(12), 41)
    with pytest.raises(ValueError, match="m is 1"):
        MPerClass(LABELS, m=1)
    with pytest.raises(ValueError, match="shards of 5 examples for 6"):
        Shuffled([2, 3]).batches(Epoch(2), 6)
