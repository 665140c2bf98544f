"""Checkpoints: what is written is what is read, and nothing else is accepted."""

import json

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from models.training.checkpoint import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    CheckpointError,
    load_weights,
    read_config,
    replace_file,
    save_checkpoint,
)


@pytest.fixture
def folder(tmp_path):
    save_checkpoint(tmp_path / "best", nn.Linear(3, 2), {"width": 3})
    return tmp_path / "best"


def test_weights_and_configuration_come_back_bit_for_bit(tmp_path):
    network = nn.Linear(3, 2)
    save_checkpoint(tmp_path, network, {"width": 3})
    other = nn.Linear(3, 2)
    load_weights(tmp_path, other)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), other.parameters(), strict=True))
    assert read_config(tmp_path)["width"] == 3
    assert read_config(tmp_path)["architecture"] == "Linear"


def tied():
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    network[1].weight = network[0].weight
    return network


def test_tied_weights_come_back_in_another_network_and_are_tied_there(tmp_path):
    network, other = tied(), tied()
    save_checkpoint(tmp_path, network, {})
    assert not torch.equal(other[0].weight, network[0].weight)
    load_weights(tmp_path, other)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), other.parameters(), strict=True))
    assert torch.equal(other[1].weight, network[0].weight)
    assert other[1].weight is other[0].weight


def test_the_files_are_safetensors_and_json_and_nothing_temporary_is_left(folder):
    assert sorted(path.name for path in folder.iterdir()) == [CONFIG_FILE, WEIGHTS_FILE]
    assert load_file(folder / WEIGHTS_FILE)["weight"].shape == (2, 3)
    json.loads((folder / CONFIG_FILE).read_text())


def test_other_shapes_are_refused_with_both_named(folder):
    with pytest.raises(CheckpointError, match=r"weight: expected float32\[2, 4\], found float32\[2, 3\]"):
        load_weights(folder, nn.Linear(4, 2))


def test_other_tensors_are_refused_with_both_named(folder):
    with pytest.raises(CheckpointError, match=r"bias: expected nothing, found float32\[2\]"):
        load_weights(folder, nn.Linear(3, 2, bias=False))


def test_another_class_with_the_same_tensors_is_refused(folder):
    class Other(nn.Linear):
        pass

    with pytest.raises(CheckpointError, match="holds a Linear, wanted Other"):
        load_weights(folder, Other(3, 2))


def test_weights_that_do_not_belong_to_the_configuration_are_refused(folder, tmp_path):
    save_checkpoint(tmp_path / "newer", nn.Linear(3, 2), {"width": 3})
    (tmp_path / "newer" / WEIGHTS_FILE).replace(folder / WEIGHTS_FILE)
    with pytest.raises(CheckpointError, match="SHA-256"):
        load_weights(folder, nn.Linear(3, 2))


@pytest.mark.parametrize("name", [CONFIG_FILE, WEIGHTS_FILE])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=name):
        load_weights(folder, nn.Linear(3, 2))


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "value"
    path.write_text("old")

    def fail(temporary):
        temporary.write_text("half of the n")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        replace_file(path, fail)
    assert [p.read_text() for p in tmp_path.iterdir()] == ["old"]
