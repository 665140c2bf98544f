"""What a training remembers from epoch to epoch, in memory and on disk."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from models.common.checkpoint import save_checkpoint
from models.common.config import config_to_json
from models.common.training_state import load_state
from models.laughter.config import TrainingConfig
from models.laughter.module import LaughterModule, Metrics

BEST_FOLDER = "best"
STATE_FILE = "state.safetensors"


@dataclass(frozen=True)
class Monitor:
    """Which validation metric tells the best epoch, and in which direction."""

    metric: str
    higher_is_better: bool

    def best(self, history: Sequence[Metrics]) -> int:
        """Index of the best epoch, the first of equal ones."""
        values = np.array([epoch[self.metric] for epoch in history], dtype=np.float64)
        return int(values.argmax() if self.higher_is_better else values.argmin())


class EpochRecord(Checkpoint):
    """Remembers the metrics of every epoch; by them keeps the best, stops early and resumes.

    Being a `Checkpoint`, it is called after all other callbacks.

    Args:
        out_dir: where the best checkpoint and the state go.
        config: of the training.
        monitor: what tells the best epoch.
        signature: JSON values that must be the same when the training is resumed.
        lineage: JSON values for the checkpoint.
    """

    def __init__(
        self,
        out_dir: Path,
        config: TrainingConfig,
        monitor: Monitor,
        signature: dict[str, Any],
        lineage: dict[str, Any],
    ) -> None:
        self.history: list[Metrics] = []
        self._out_dir, self._config, self._monitor = out_dir, config, monitor
        self._signature, self._lineage = signature, lineage

    @property
    def state_path(self) -> Path:
        """The file a training goes on from."""
        return self._out_dir / STATE_FILE

    @property
    def best_path(self) -> Path:
        """The folder of the best epoch's checkpoint."""
        return self._out_dir / BEST_FOLDER

    @property
    def out_of_patience(self) -> bool:
        """Whether the best epoch is `patience` epochs ago."""
        waited = len(self.history) - 1 - self._monitor.best(self.history) if self.history else 0
        return waited >= self._config.patience

    @property
    def finished(self) -> bool:
        """Whether nothing is left to train."""
        return len(self.history) >= self._config.max_epochs or self.out_of_patience

    def forget(self) -> None:
        """Remove what an earlier training left."""
        self.state_path.unlink(missing_ok=True)
        shutil.rmtree(self.best_path, ignore_errors=True)

    def restore(self) -> None:
        """Take up what the state file remembers, if there is one.

        Raises:
            ValueError: it belongs to another training; the message says how they differ.
        """
        if self.state_path.exists():
            self.load_state_dict(load_state(self.state_path)["callbacks"][self.state_key])

    def state_dict(self) -> dict[str, Any]:
        return {"history": self.history, "signature": self._signature}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        found = state_dict["signature"]
        differences = [
            f"{name}: {found.get(name)!r} then, {self._signature.get(name)!r} now"
            for name in sorted(self._signature.keys() | found.keys())
            if found.get(name) != self._signature.get(name)
        ]
        if differences:
            raise ValueError(
                f"{self._out_dir} holds another training ({'; '.join(differences)}): "
                "resume with what it began with, or begin anew with resume=False"
            )
        self.history = list(state_dict["history"])

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, LaughterModule)
        self.history.append(dict(pl_module.epoch_metrics))
        epoch = len(self.history) - 1
        if trainer.is_global_zero and self._monitor.best(self.history) == epoch:
            document = {
                "head": config_to_json(pl_module.head.config),
                "training": config_to_json(self._config),
                "metrics": {"epoch": epoch, **self.history[epoch]},
                "lineage": self._lineage,
            }
            save_checkpoint(self.best_path, pl_module.head, document)
        trainer.save_checkpoint(self.state_path, weights_only=False)
        trainer.should_stop = trainer.should_stop or self.out_of_patience
