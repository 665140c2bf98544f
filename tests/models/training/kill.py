"""Trainings that end by SIGKILL within an epoch; run by test_interruption in a process of its own.

A process is forked for each, before anything is computed, so that PyTorch is loaded once.
"""

import os
import signal
import sys
from itertools import count
from pathlib import Path

import torch
from lightning.pytorch import Callback

from models.training import progress
from tests.models.training.toys import train

EPOCH, STEP = 1, 9


class KillAt(Callback):
    """SIGKILL, which no handler can soften, within a step: of adversaries, between the two."""

    def __init__(self, losses: int) -> None:
        self.left = losses

    def on_before_backward(self, trainer, pl_module, loss):
        if (trainer.current_epoch, trainer.fit_loop.epoch_loop.batch_idx) == (EPOCH, STEP):
            self.left -= 1
            if not self.left:
                os.kill(os.getpid(), signal.SIGKILL)


def one_second_a_look() -> None:
    """States are written every few steps, not by how fast the machine is."""
    progress.monotonic = count().__next__


if __name__ == "__main__":
    torch.set_num_threads(1)
    one_second_a_look()
    for kind in sys.argv[2:]:
        pid = os.fork()
        if not pid:
            train(kind, Path(sys.argv[1]) / kind, callbacks=[KillAt(2 if kind == "adversarial" else 1)])
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
            sys.exit(f"the {kind} training ended with {status}; it was to be killed")
