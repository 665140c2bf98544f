"""Nested training states as one safetensors file."""

import math

import pytest
import torch

from models.training.state import SafetensorsCheckpointIO, load_state, save_state


def test_every_kind_of_value_comes_back_as_it_was(tmp_path):
    state = {
        "weights": {"a.b": torch.randn(2, 3), "step": torch.tensor(7)},
        "groups": [{"lr": 1e-4, "betas": (0.9, 0.999), "fused": None, "amsgrad": False}],
        "moments": {0: {"exp_avg": torch.zeros(2, dtype=torch.bfloat16)}},
        "looks like a mark": {"$tensor": "no tensor"},
        "best": -math.inf,
        "empty": {},
    }
    save_state(tmp_path / "state.safetensors", state)
    found = load_state(tmp_path / "state.safetensors")
    assert torch.equal(found["weights"].pop("a.b"), state["weights"].pop("a.b"))
    assert torch.equal(found["weights"].pop("step"), state["weights"].pop("step"))
    moment, wanted = found["moments"][0].pop("exp_avg"), state["moments"][0].pop("exp_avg")
    assert torch.equal(moment, wanted)
    assert moment.dtype == torch.bfloat16
    assert found == state
    assert type(found["groups"][0]["betas"]) is tuple


def test_an_optimizer_goes_on_exactly_where_it_was(tmp_path):
    def steps(weight, optimizer, n):
        for _ in range(n):
            optimizer.zero_grad()
            (weight**2).sum().backward()
            optimizer.step()

    straight = torch.ones(3, requires_grad=True)
    steps(straight, torch.optim.AdamW([straight], lr=0.1), 6)

    weight = torch.ones(3, requires_grad=True)
    optimizer = torch.optim.AdamW([weight], lr=0.1)
    steps(weight, optimizer, 3)
    save_state(tmp_path / "state", {"weight": weight, "optimizer": optimizer.state_dict()})
    state = load_state(tmp_path / "state")
    resumed = state["weight"].requires_grad_()
    optimizer = torch.optim.AdamW([resumed], lr=0.1)
    optimizer.load_state_dict(state["optimizer"])
    steps(resumed, optimizer, 3)
    assert torch.equal(resumed, straight)


def test_what_would_need_a_pickle_is_refused_by_name(tmp_path):
    with pytest.raises(TypeError, match=r"state\.callbacks\.1 is a object"):
        save_state(tmp_path / "state", {"callbacks": [1, object()]})
    assert not list(tmp_path.iterdir())


def test_lightning_can_remove_what_it_saved(tmp_path):
    io = SafetensorsCheckpointIO()
    io.save_checkpoint({"epoch": 3}, tmp_path / "last.ckpt")
    assert io.load_checkpoint(tmp_path / "last.ckpt") == {"epoch": 3}
    io.remove_checkpoint(tmp_path / "last.ckpt")
    assert not list(tmp_path.iterdir())
