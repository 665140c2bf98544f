"""The global random numbers of PyTorch, NumPy and Python: begun for an epoch, put aside, taken up again."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


def seed_all(seed: int) -> None:
    """Begin all of them with one seed."""
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)


def seed_epoch(seed: int, epoch: int, rank: int) -> None:
    """Begin the random numbers of an epoch: they depend on nothing else."""
    seed_all(int(np.random.SeedSequence([seed, epoch, rank]).generate_state(1)[0]))


@contextmanager
def isolated() -> Iterator[None]:
    """Afterwards the random numbers go on as if nothing had been drawn within, also when that failed."""
    before = random_state()
    try:
        yield
    finally:
        set_random_state(before)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Random numbers of a seed, to build a network with; those of the caller go on afterwards."""
    with isolated():
        seed_all(seed)
        yield


def random_state() -> dict[str, Any]:
    """Of this process and its accelerator, as tensors, numbers and tuples."""
    _, keys, *rest = np.random.get_state()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
        "numpy": (torch.from_numpy(np.array(keys, dtype=np.int64)), *rest),
        "python": random.getstate(),
    }


def set_random_state(state: dict[str, Any]) -> None:
    """The inverse of `random_state`."""
    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
    keys, *rest = state["numpy"]
    np.random.set_state(("MT19937", keys.numpy().astype(np.uint32), *rest))
    random.setstate(state["python"])
