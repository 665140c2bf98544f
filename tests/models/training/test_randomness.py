"""Random numbers are put aside and taken up again."""

import random

import numpy as np
import pytest
import torch

from models.training.randomness import isolated, random_state, seed_epoch, seeded, set_random_state
from models.training.state import load_state, save_state


def drawn():
    return [float(torch.rand(1)), float(np.random.rand()), float(np.random.randn()), random.random()]


def test_a_network_built_with_a_seed_leaves_the_random_numbers_of_the_caller_alone():
    seed_epoch(0, 0, 0)
    wanted = drawn()
    seed_epoch(0, 0, 0)
    with seeded(3):
        first = drawn()
    assert drawn() == wanted
    with seeded(3):
        assert drawn() == first


def test_what_fails_leaves_them_alone_too():
    seed_epoch(0, 0, 0)
    wanted = drawn()
    seed_epoch(0, 0, 0)
    with pytest.raises(KeyError), isolated():
        drawn()
        raise KeyError
    assert drawn() == wanted


def test_every_epoch_and_rank_has_its_own():
    seen = set()
    for which in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)):
        seed_epoch(*which)
        seen.add(tuple(drawn()))
    assert len(seen) == 4


def test_they_go_on_from_a_file(tmp_path):
    seed_epoch(1, 2, 3)
    drawn()
    save_state(tmp_path / "state", random_state())
    wanted = drawn()
    set_random_state(load_state(tmp_path / "state"))
    assert drawn() == wanted
