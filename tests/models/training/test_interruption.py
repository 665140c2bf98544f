"""Trainings of every kind, killed within an epoch and taken up, end as if nothing had been."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Callback
from safetensors.torch import load_file

from models.training.checkpoint import WEIGHTS_FILE
from models.training.progress import BEST_FOLDER, STATE_FILE
from models.training.settings import Machine
from models.training.state import load_state, save_state
from tests.models.training.kill import EPOCH, STEP, one_second_a_look
from tests.models.training.toys import train

CHECKOUT = Path(__file__).resolve().parents[3]
KINDS = ("adversarial", "metric", "contrastive")


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("killed")
    done = subprocess.run(
        [sys.executable, "-m", "tests.models.training.kill", str(folder), *KINDS],
        cwd=CHECKOUT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


def assert_same(found, wanted):
    assert found.best_epoch == wanted.best_epoch
    assert len(found.history) == len(wanted.history)
    for one, other in zip(found.history, wanted.history, strict=True):
        assert one == pytest.approx(other, abs=1e-6)
    weights, others = (load_file(fitted.checkpoint / WEIGHTS_FILE) for fitted in (found, wanted))
    assert weights.keys() == others.keys()
    for name, values in weights.items():
        torch.testing.assert_close(values, others[name], rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_training_killed_within_an_epoch_ends_as_if_it_had_not_been(kind, killed, tmp_path):
    state = load_state(killed / kind / "fit" / STATE_FILE, "progress")
    assert len(state["history"]) == EPOCH
    assert 0 < state["batches_done"] < STEP  # within the epoch, and some steps are to be done again

    resumed, undisturbed = train(kind, killed / kind, resume=True), train(kind, tmp_path)
    assert len(undisturbed.history) == 3
    assert_same(resumed, undisturbed)
    left = sorted(path.name for path in (killed / kind / "fit").iterdir())
    assert left == [BEST_FOLDER, STATE_FILE]


class Fail(Callback):
    """An exception at a step, counted over all epochs."""

    def __init__(self, step):
        self.step = step

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.fit_loop.epoch_loop.total_batch_idx == self.step:
            raise RuntimeError("pulled the plug")


@pytest.mark.parametrize("step", [1, 5, 11, 12, 13, 23, 24, 30, 35])
def test_it_does_not_matter_at_which_step_it_fails(step, tmp_path, monkeypatch):
    monkeypatch.setattr("models.training.progress.monotonic", None)
    one_second_a_look()
    with pytest.raises(RuntimeError, match="pulled the plug"):
        train("contrastive", tmp_path / "failed", callbacks=[Fail(step)])
    assert_same(
        train("contrastive", tmp_path / "failed", resume=True), train("contrastive", tmp_path / "whole")
    )


class FailInValidation(Callback):
    """Of the second epoch, before its last batch."""

    def on_validation_batch_start(self, trainer, pl_module, batch, batch_idx):
        if (trainer.current_epoch, batch_idx) == (1, 11):
            raise RuntimeError("pulled the plug")


@pytest.mark.parametrize("kind", KINDS)
def test_a_training_that_fails_in_validation_goes_on_from_within_its_epoch(kind, tmp_path):
    with pytest.raises(RuntimeError, match="pulled the plug"):
        train(kind, tmp_path / "failed", state_every_s=0, callbacks=[FailInValidation()])
    state = load_state(tmp_path / "failed" / "fit" / STATE_FILE, "progress")
    assert state["batches_done"] == (10 if kind == "metric" else 11)  # of 12; two of the metric make a step
    assert_same(train(kind, tmp_path / "failed", resume=True), train(kind, tmp_path / "whole"))


def test_a_training_that_fails_again_and_again_gets_there(tmp_path, monkeypatch):
    for step in (7, 14, 21, 28):
        with pytest.raises(RuntimeError, match="pulled the plug"):
            train("metric", tmp_path / "failed", state_every_s=0, callbacks=[Fail(step)], resume=True)
    found = train("metric", tmp_path / "failed", resume=True)
    assert_same(found, train("metric", tmp_path / "whole"))


def test_an_epoch_that_was_interrupted_is_not_taken_up_by_another_number_of_processes(tmp_path):
    with pytest.raises(RuntimeError, match="pulled the plug"):
        train("contrastive", tmp_path, state_every_s=0, callbacks=[Fail(5)])
    state = load_state(tmp_path / "fit" / STATE_FILE)
    state["progress"]["ranks"] *= 2
    save_state(tmp_path / "fit" / STATE_FILE, state)
    with pytest.raises(ValueError, match=r"a training of 2 processes .* now there are 1"):
        train("contrastive", tmp_path, resume=True)


@pytest.mark.slow
def test_two_processes_that_fail_within_an_epoch_end_as_one_that_did_not(tmp_path):
    two = Machine("cpu", devices=2)
    with pytest.raises(Exception, match="pulled the plug"):
        train("contrastive", tmp_path / "two", two, state_every_s=0, callbacks=[Fail(17)])
    assert load_state(tmp_path / "two" / "fit" / STATE_FILE, "progress")["batches_done"] == 5
    found = train("contrastive", tmp_path / "two", two, resume=True)
    wanted = train("contrastive", tmp_path / "one")
    for one, other in zip(found.history, wanted.history, strict=True):
        assert one == pytest.approx(other, abs=1e-5)  # sums are added in another order


@pytest.mark.slow
def test_two_processes_train_adversaries(tmp_path):
    two = Machine("cpu", devices=2, all_parameters_used=False)
    distances = [epoch["val_distance"] for epoch in train("adversarial", tmp_path, two).history]
    assert distances[-1] < 0.5 < distances[0]
