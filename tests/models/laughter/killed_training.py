"""A training that kills its own process in the middle of an epoch, run by test_interruption."""

import os
import signal
import sys
from pathlib import Path

from lightning.pytorch import Callback

from models.laughter.config import OptimizerConfig, TrainingConfig
from models.laughter.training import fit
from models.training.settings import Machine
from tests.models.laughter.corpus import laughing_set

CONFIG = TrainingConfig(
    hidden_dim=8,  # with dropout, so that the random numbers of an epoch count
    optimizer=OptimizerConfig(learning_rate=1e-2),
    batch_size=64,
    max_epochs=5,
)


class KillAt(Callback):
    """SIGKILL, which no handler can soften."""

    def __init__(self, epoch: int, step: int) -> None:
        self.when = (epoch, step)

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if (trainer.current_epoch, batch_idx) == self.when:
            os.kill(os.getpid(), signal.SIGKILL)


def train(out_dir: Path, **options):
    return fit(
        laughing_set(0, n_frames=2000),
        laughing_set(1),
        CONFIG,
        out_dir,
        machine=Machine("cpu"),
        **options,
    )


if __name__ == "__main__":
    train(Path(sys.argv[1]), callbacks=[KillAt(epoch=2, step=9)])
