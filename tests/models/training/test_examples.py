"""Batches of named tensors of any length, from memory and from files."""

import pickle
from itertools import chain

import pytest
import torch
from safetensors.torch import save_file

from models.training.epochs import Epoch
from models.training.examples import ExampleData, collate
from models.training.packed import ExampleShard, PackedExamples, ShardedExamples, write_packed
from models.training.samplers import Shuffled

LENGTHS = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3]


def examples(lengths=LENGTHS):
    return [
        {"frames": torch.full((length, 2), float(index)), "number": torch.tensor(index)}
        for index, length in enumerate(lengths)
    ]


def numbers(batches):
    return [batch["number"].tolist() for batch in batches]


def flat(lists):
    return list(chain.from_iterable(lists))


def test_what_has_a_length_is_padded_with_zeros_and_goes_with_its_lengths():
    batch = collate(examples()[:3], padded=["frames"])
    assert batch["frames"].shape == (3, 4, 2)
    assert batch["frames_lengths"].tolist() == [3, 1, 4]
    assert batch["frames"][:, :, 0].tolist() == [[0, 0, 0, 0], [1, 0, 0, 0], [2, 2, 2, 2]]
    assert batch["number"].tolist() == [0, 1, 2]


def test_lengths_are_given_where_all_are_equal_too():
    assert collate(examples([2, 2]), padded=["frames"])["frames_lengths"].tolist() == [2, 2]


def test_shapes_that_do_not_go_together_are_named():
    with pytest.raises(ValueError, match=r"frames of .* have shapes \[3, 2\], \[1, 2\]; wanted the same"):
        collate(examples()[:2])
    with pytest.raises(ValueError, match=r"number of .* none; wanted the same"):
        collate([examples()[0], {"frames": torch.zeros(1, 2)}], padded=["frames"])


@pytest.mark.parametrize("read_ahead", [0, 3])
@pytest.mark.parametrize("world_size", [1, 2])
def test_ranks_share_the_batches_and_an_epoch_is_taken_up_anywhere(read_ahead, world_size):
    data = ExampleData(examples(), padded=["frames"], read_ahead=read_ahead)
    alone = numbers(data.batches(Epoch(4)))
    ranks = [numbers(data.batches(Epoch(4, rank=r, world_size=world_size))) for r in range(world_size)]
    assert [flat(parts) for parts in zip(*ranks, strict=True)] == alone
    assert len(alone) == 3
    rest = data.batches(Epoch(4, first_batch=1))
    assert (numbers(rest), len(rest), rest.n_batches) == (alone[1:], 2, 3)


def test_a_pass_in_order_has_every_example_once():
    data = ExampleData(examples(), padded=["frames"])
    assert flat(numbers(data.batches(Epoch(4, shuffle=False)))) == list(range(10))


def test_what_prepares_examples_draws_by_epoch_and_place_alone():
    def noisy(example, random):
        return {**example, "noise": torch.tensor(random.standard_normal())}

    data = ExampleData(examples(), padded=["frames"], prepare=noisy, read_ahead=2)

    def noise(**epoch):
        return torch.cat([batch["noise"] for batch in data.batches(Epoch(4, **epoch))])

    whole = noise()
    assert len(set(whole.tolist())) == 10
    assert torch.equal(noise(first_batch=2), whole[8:])
    assert torch.equal(noise(rank=1, world_size=2), whole[[2, 3, 6, 7, 9]])
    assert not torch.equal(noise(index=1), whole)


@pytest.fixture
def sharded(tmp_path):
    opened = []

    def shard(name, part):
        path = tmp_path / name
        count = write_packed(path, part, padded=["frames"])

        def open_it():
            opened.append(name)
            return PackedExamples(path)

        return ExampleShard(name, count, open_it)

    rows = examples()
    found = ShardedExamples([shard("a", rows[:3]), shard("b", rows[3:4]), shard("c", rows[4:])], keep_open=2)
    return found, opened


def test_examples_in_files_are_those_in_memory(sharded):
    found, _ = sharded
    assert (len(found), found.sizes) == (10, (3, 1, 6))
    for index, wanted in enumerate(examples()):
        assert found[index].keys() == wanted.keys()
        assert all(torch.equal(found[index][name], value) for name, value in wanted.items())


def test_only_the_shards_in_reach_are_open_and_each_is_opened_once(sharded):
    found, opened = sharded
    data = ExampleData(found, Shuffled(found.sizes, in_reach=2), padded=["frames"])
    assert sorted(flat(numbers(data.batches(Epoch(4))))) == list(range(10))
    assert sorted(opened) == ["a", "b", "c"]
    assert len(found._open) == 2


def test_packed_examples_go_to_another_process(tmp_path):
    write_packed(tmp_path / "a", examples(), padded=["frames"])
    found = pickle.loads(pickle.dumps(PackedExamples(tmp_path / "a")))
    assert torch.equal(found[4]["frames"], torch.full((5, 2), 4.0))


def test_damaged_files_are_named(tmp_path):
    save_file({"a": torch.zeros(3, 2), "b": torch.zeros(4)}, tmp_path / "odd")
    with pytest.raises(ValueError, match=r"odd holds .*'a': 3, 'b': 4.* wanted as many"):
        PackedExamples(tmp_path / "odd")
    shard = ExampleShard("short", 4, lambda: examples()[:3])
    with pytest.raises(ValueError, match="shard short has 3 examples; wanted 4"):
        ShardedExamples([shard])[0]
    with pytest.raises(IndexError, match="example 10 of 10"):
        write_packed(tmp_path / "a", examples(), padded=["frames"])
        PackedExamples(tmp_path / "a")[10]
