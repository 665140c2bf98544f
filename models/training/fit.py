"""`fit`: a whole training of any LightningModule that survives being killed.

In `folder` it keeps

    best/               the checkpoint of the best epoch so far (`models.training.checkpoint`)
    state.safetensors   all that is needed to go on: written at the end of every epoch, after the
                        checkpoint, and from time to time within one

A step is a function of the state before it and of its batch, and the batches of an epoch are a function of
the data and the seed. So what was done after the last state is done again with the same result.

What is asked of a module: its random numbers are PyTorch's, NumPy's or Python's global ones; what it logs
with `on_epoch` it logs in every step; what else it gathers during an epoch it gives by `epoch_state` and
takes by `load_epoch_state`, as `WholeSetModule` does. All else (parameters, buffers, optimizers, schedulers)
Lightning knows. Several optimizers, their clipping and their schedules are the module's own (manual
optimisation).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.loggers import Logger
from torch.utils.data import IterableDataset

from models.training.averaging import WeightAveraging
from models.training.epochs import Batch, Batches, Epoch, EpochData
from models.training.guards import FiniteLosses
from models.training.progress import Kept, Monitor, Progress, has_state
from models.training.randomness import isolated
from models.training.settings import FitSettings, Machine
from models.training.state import SafetensorsCheckpointIO
from models.training.whole_sets import Metrics

_NOT_THE_RESULT = ("max_epochs", "patience", "validation_batch_size", "state_every_s")


@dataclass(frozen=True)
class Fitted:
    """What a training came to.

    Attributes:
        checkpoint: folder of the best epoch's checkpoint.
        best_epoch: counted from 0.
        history: metrics of every epoch: what the module logged, and its `epoch_metrics`.
        monitor: what chose the best epoch.
        stopped_early: whether patience ran out.
    """

    checkpoint: Path
    best_epoch: int
    history: list[Metrics]
    monitor: Monitor
    stopped_early: bool

    @property
    def metrics(self) -> Metrics:
        """Of the best epoch."""
        return self.history[self.best_epoch]


def fit(
    module: LightningModule,
    train: EpochData,
    validation: EpochData | None,
    settings: FitSettings,
    folder: Path,
    *,
    kept: Kept,
    monitor: Monitor,
    identity: Mapping[str, Any] | None = None,
    machine: Machine | None = None,
    loggers: Sequence[Logger] = (),
    callbacks: Sequence[Callback] = (),
    resume: bool = False,
) -> Fitted:
    """Train `module` on `train`, keep the epoch that is best on `validation`.

    Args:
        module: changed in place, unless several processes train it.
        train: what to learn from.
        validation: None: the best epoch is told by what the module logs while training.
        settings: the course of the training.
        folder: see the module; of this training alone.
        kept: which submodule checkpoints hold, and what is written beside it.
        monitor: which metric tells the best epoch.
        identity: JSON values that tell this training from others beside the settings, such as the module's
            configuration and a digest of the data; a training of another identity is not resumed.
        machine: what to train on; None: one device, whichever is there.
        loggers, callbacks: of Lightning.
        resume: go on with the training in `folder`, if there is one that can be read; False begins anew.

    Raises:
        ValueError: a training to resume that had other settings or another identity; settings that the
            module's manual optimisation cannot follow; a monitored metric that is never logged.
        NonFiniteLossError: a loss, an output or the monitored metric became NaN or infinite.
    """
    _check_manual(module, settings)
    module.get_submodule(kept.network)  # better now than after the first epoch
    averaging = None if settings.averaging is None else WeightAveraging(kept.network, settings.averaging)
    whole = {**{k: v for k, v in asdict(settings).items() if k not in _NOT_THE_RESULT}, **(identity or {})}
    progress = Progress(folder, settings, monitor=monitor, kept=kept, identity=whole, averaging=averaging)
    resumes = resume and has_state(folder)
    if resumes:
        progress.restore()
    else:
        progress.forget()
    if not progress.finished:
        own = [FiniteLosses(), *([averaging] if averaging else [])]
        trainer = Trainer(
            **_course(settings),
            **_hardware(machine or Machine()),
            limit_val_batches=0 if validation is None else None,
            logger=list(loggers),
            callbacks=[*own, *callbacks, progress],
            default_root_dir=folder,
        )
        data = _EpochByEpoch(train, validation, settings, progress.first_batch)
        ckpt_path = str(progress.state_path) if resumes else None
        with isolated():
            trainer.fit(module, data, ckpt_path=ckpt_path)
        # Read back, because with spawned processes this one has seen nothing of the training.
        progress.restore()
    return Fitted(
        checkpoint=progress.best_path,
        best_epoch=monitor.best(progress.history),
        history=progress.history,
        monitor=monitor,
        stopped_early=progress.out_of_patience,
    )


class _EpochByEpoch(LightningDataModule):
    """Hands the Trainer this rank's batches of the current epoch."""

    def __init__(
        self,
        train: EpochData,
        validation: EpochData | None,
        settings: FitSettings,
        first_batch: Callable[[int], int],
    ) -> None:
        super().__init__()
        self._train, self._validation, self._settings = train, validation, settings
        self._first_batch = first_batch

    def train_dataloader(self) -> "_WholeEpoch":
        epoch = self._epoch(self._settings.batch_size, shuffle=True)
        return _WholeEpoch(self._train.batches(epoch))

    def val_dataloader(self) -> "_WholeEpoch":
        assert self._validation is not None, "the Trainer was told not to validate"
        size = self._settings.validation_batch_size or self._settings.batch_size
        return _WholeEpoch(self._validation.batches(self._epoch(size, shuffle=False)))

    def _epoch(self, batch_size: int, shuffle: bool) -> Epoch:
        trainer = self.trainer
        assert trainer is not None, "Lightning attaches the trainer before it asks for data"
        return Epoch(
            batch_size=batch_size,
            seed=self._settings.seed,
            index=trainer.current_epoch,
            shuffle=shuffle,
            rank=trainer.global_rank,
            world_size=trainer.world_size,
            first_batch=self._first_batch(trainer.current_epoch) if shuffle else 0,
        )


class _WholeEpoch(IterableDataset[Batch]):
    """Batches that may begin within an epoch but have its whole length, as Lightning counts them."""

    def __init__(self, batches: Batches) -> None:
        self._batches = batches

    def __len__(self) -> int:
        return self._batches.n_batches

    def __iter__(self) -> Iterator[Batch]:
        return iter(self._batches)

    def state_dict(self) -> dict[str, Any]:
        """Nothing: it was made to begin where it should. Lightning warns of loaders that cannot be asked."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """See `state_dict`."""


def _course(settings: FitSettings) -> dict[str, Any]:
    return {
        "max_epochs": settings.max_epochs,
        "gradient_clip_val": settings.clip_norm,
        "accumulate_grad_batches": settings.accumulate,
        "reload_dataloaders_every_n_epochs": 1,
        "use_distributed_sampler": False,
        "num_sanity_val_steps": 0,
    }


def _hardware(machine: Machine) -> dict[str, Any]:
    return {
        "accelerator": machine.accelerator,
        "devices": machine.devices,
        "strategy": machine.lightning_strategy,
        "precision": machine.precision,
        "plugins": [SafetensorsCheckpointIO()],
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }


def _check_manual(module: LightningModule, settings: FitSettings) -> None:
    asked = settings.clip_norm is not None or settings.accumulate > 1
    if not module.automatic_optimization and asked:
        raise ValueError(
            f"{type(module).__name__} optimises by hand, settings have clip_norm={settings.clip_norm} and "
            f"accumulate={settings.accumulate}; wanted None and 1: clip (`self.clip_gradients`) and "
            "accumulate in its training_step"
        )
