"""What a training remembers, in memory and on disk."""

import shutil
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from safetensors import SafetensorError

from models.training.averaging import WeightAveraging
from models.training.checkpoint import save_checkpoint
from models.training.guards import NonFiniteLossError
from models.training.interrupted import epoch_state, gather_states, restore_epoch, restore_means
from models.training.randomness import seed_epoch
from models.training.settings import FitSettings
from models.training.state import load_state
from models.training.whole_sets import Metrics

BEST_FOLDER = "best"
STATE_FILE = "state.safetensors"
_KEY = "progress"


@dataclass(frozen=True)
class Monitor:
    """Which metric tells the best epoch, and in which direction."""

    metric: str
    higher_is_better: bool

    def best(self, history: Sequence[Metrics]) -> int:
        """Index of the best epoch, the first of equal ones; one that is not defined is worst.

        Raises:
            ValueError: no epoch has such a metric.
        """
        if not any(self.metric in epoch for epoch in history):
            known = ", ".join(sorted({name for epoch in history for name in epoch})) or "none at all"
            raise ValueError(f"no epoch has the metric {self.metric} that tells the best one; it has {known}")
        worst = -np.inf if self.higher_is_better else np.inf
        values = np.array([worst if (v := epoch.get(self.metric)) is None else v for epoch in history])
        return int(values.argmax() if self.higher_is_better else values.argmin())


@dataclass(frozen=True)
class Kept:
    """What of a module a checkpoint keeps.

    `network` is the name of a submodule; `config` are JSON values, at least what is needed to build it again.
    """

    network: str
    config: Mapping[str, Any]


def has_state(folder: Path) -> bool:
    """Whether there is a training in `folder` to go on with, whose state can be read."""
    try:
        load_state(folder / STATE_FILE, _KEY, "batches_done")
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        return False
    return True


class Progress(Checkpoint):
    """Remembers the metrics of every epoch, keeps the best, stops early, writes states to go on from.

    Being a `Checkpoint`, it is called after all other callbacks. The module's own `on_train_batch_end` comes
    later still, so what a module must remember it does in its steps.

    Args:
        folder: where the best checkpoint and the state go.
        settings, monitor, kept: of the training.
        identity: JSON values that must be the same when the training is resumed.
        averaging: whose weights the checkpoint takes; None: the network's own.
    """

    def __init__(
        self,
        folder: Path,
        settings: FitSettings,
        *,
        monitor: Monitor,
        kept: Kept,
        identity: Mapping[str, Any],
        averaging: WeightAveraging | None = None,
    ) -> None:
        self.history: list[Metrics] = []
        self._folder, self._settings, self._monitor, self._kept = folder, settings, monitor, kept
        self._identity, self._averaging = dict(identity), averaging
        self._batches_done = 0  # of the epoch under way, when its state was written
        self._interrupted: dict[str, Any] | None = None
        self._means: dict[str, Any] = {}
        self._within_epoch = False
        self._written_s = monotonic()

    @property
    def state_path(self) -> Path:
        """The file a training goes on from."""
        return self._folder / STATE_FILE

    @property
    def best_path(self) -> Path:
        """The folder of the best epoch's checkpoint."""
        return self._folder / BEST_FOLDER

    @property
    def out_of_patience(self) -> bool:
        """Whether the best epoch is `patience` epochs ago."""
        if self._settings.patience is None or not self.history:
            return False
        return len(self.history) - 1 - self._monitor.best(self.history) >= self._settings.patience

    @property
    def finished(self) -> bool:
        """Whether nothing is left to train."""
        return len(self.history) >= self._settings.max_epochs or self.out_of_patience

    def first_batch(self, epoch: int) -> int:
        """With which batch an epoch begins: another than 0 where it was interrupted."""
        return self._batches_done if epoch == len(self.history) else 0

    def forget(self) -> None:
        """Remove what an earlier training left."""
        self.state_path.unlink(missing_ok=True)
        shutil.rmtree(self.best_path, ignore_errors=True)

    def restore(self) -> None:
        """Take up what the state file remembers.

        Raises:
            ValueError: it belongs to another training; the message says how they differ.
        """
        self._take(load_state(self.state_path, _KEY))

    def _take(self, state: Mapping[str, Any]) -> None:
        found = state["identity"]
        differences = [
            f"{name}: {found.get(name)!r} then, {self._identity.get(name)!r} now"
            for name in sorted(self._identity.keys() | found.keys())
            if found.get(name) != self._identity.get(name)
        ]
        if differences:
            raise ValueError(
                f"{self._folder} holds another training ({'; '.join(differences)}): "
                "resume with what it began with, or begin anew with resume=False"
            )
        self.history = list(state["history"])
        self._batches_done = state["batches_done"]

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        state = {"history": self.history, "identity": self._identity, "batches_done": 0, "ranks": []}
        if self._within_epoch:
            own = epoch_state(trainer, pl_module)
            own["means"] = self._means | own["means"]
            state["batches_done"] = self._batches_done
            state["ranks"] = gather_states(trainer, own)
        checkpoint[_KEY] = state

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        state = checkpoint[_KEY]
        self._take(state)
        if not self._batches_done:
            return
        if len(state["ranks"]) != trainer.world_size:
            raise ValueError(
                f"{self._folder} holds a training of {len(state['ranks'])} processes that was left within an "
                f"epoch, now there are {trainer.world_size}: resume it with as many, or begin anew with "
                "resume=False"
            )
        self._interrupted = state["ranks"][trainer.global_rank]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._written_s = monotonic()
        if self._interrupted is not None:
            restore_epoch(pl_module, self._interrupted)
            self._means = self._interrupted["means"]
            self._interrupted = None

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # Not of an epoch that is taken up: Lightning does not call this for it.
        seed_epoch(self._settings.seed, trainer.current_epoch, trainer.global_rank)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        restore_means(trainer, self._means)
        done = batch_idx + 1
        # Gradients that wait to be accumulated are in no state, and the end of an epoch writes its own.
        if done % self._settings.accumulate or done >= trainer.num_training_batches:
            return
        if self._is_due(trainer):
            self._batches_done, self._within_epoch = done, True
            trainer.save_checkpoint(self.state_path, weights_only=False)
            self._within_epoch = False
            self._written_s = monotonic()

    def _is_due(self, trainer: Trainer) -> bool:
        due = monotonic() - self._written_s >= self._settings.state_every_s
        if trainer.world_size == 1:
            return due
        # All ranks write, or none: each has its own clock.
        return bool(trainer.strategy.reduce_boolean_decision(due, all=False))

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        logged = {name: float(value) for name, value in trainer.callback_metrics.items()}
        measured = logged | getattr(pl_module, "epoch_metrics", {})
        # What a module logs without sync_dist is each rank's own, but all must agree when to stop.
        self.history.append(trainer.strategy.broadcast(measured))
        self._means, self._batches_done = {}, 0
        epoch = len(self.history) - 1
        value = self.history[epoch].get(self._monitor.metric)
        if value is not None and not np.isfinite(value):
            raise NonFiniteLossError(
                f"{self._monitor.metric} is {value} in epoch {epoch}: try a lower learning rate"
            )
        if self._monitor.best(self.history) == epoch:
            self._keep(trainer, pl_module, epoch)
        trainer.save_checkpoint(self.state_path, weights_only=False)
        self._written_s = monotonic()
        trainer.should_stop = trainer.should_stop or self.out_of_patience

    def _keep(self, trainer: Trainer, pl_module: LightningModule, epoch: int) -> None:
        if not trainer.is_global_zero:
            return
        document = {**self._kept.config, "metrics": {"epoch": epoch, **self.history[epoch]}}
        with self._averaging.applied(pl_module) if self._averaging else nullcontext():
            save_checkpoint(self.best_path, pl_module.get_submodule(self._kept.network), document)
