"""`fit`: a whole training of a laughter head that survives being killed.

In `out_dir` it keeps

    best/               the checkpoint of the best epoch so far (`models.common.checkpoint`)
    state.safetensors   all that is needed to go on after the last finished epoch

Both are replaced at the end of every epoch, the checkpoint first. An epoch is a function of the
state it starts from and of the seed, so one that was interrupted is done again with the same result.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningDataModule, Trainer
from lightning.pytorch.loggers import Logger
from lightning.pytorch.strategies import Strategy
from lightning.pytorch.utilities.seed import isolate_rng

from models.common.config import config_to_json
from models.common.training_state import SafetensorsCheckpointIO
from models.laughter.config import TrainingConfig
from models.laughter.data import Epoch, FrameBatches, FrameDataset, feature_statistics
from models.laughter.losses import ClassBalance, make_loss
from models.laughter.module import LaughterModule, Metrics
from models.laughter.network import HeadConfig, LaughterHead, prior_logit
from models.laughter.progress import EpochRecord, Monitor


@dataclass(frozen=True)
class FitResult:
    """What a training came to.

    Attributes:
        checkpoint: folder of the best epoch's checkpoint, for `LaughterPredictor.load`.
        best_epoch: counted from 0.
        history: metrics of every epoch, `train_*` and `val_*`.
        monitor: what chose the best epoch.
        balance: classes of the training set; None for times.
        stopped_early: whether patience ran out.
    """

    checkpoint: Path
    best_epoch: int
    history: list[Metrics]
    monitor: Monitor
    balance: ClassBalance | None
    stopped_early: bool

    @property
    def metrics(self) -> Metrics:
        """Of the best epoch."""
        return self.history[self.best_epoch]


def fit(
    train: FrameDataset,
    validation: FrameDataset,
    config: TrainingConfig,
    out_dir: Path,
    *,
    lineage: dict[str, Any] | None = None,
    loggers: Sequence[Logger] = (),
    callbacks: Sequence[Callback] = (),
    resume: bool = False,
    accelerator: str = "auto",
    devices: int = 1,
    strategy: str | Strategy | None = None,
    precision: Any = "32-true",
) -> FitResult:
    """Train a head on `train`, keep the epoch that is best on `validation`.

    The best epoch has the highest validation AUPRC, or the lowest validation loss where AUPRC says
    nothing: when times are predicted, or when the validation frames are all of one class.

    Args:
        train: frames to learn from; of classification, both classes must occur.
        validation: frames of other episodes, at least one.
        config: everything else that decides the result.
        out_dir: see the module; of this training alone.
        lineage: JSON values to keep in the checkpoint beside the configuration: label kind, data
            snapshot, episodes and so on.
        loggers: of Lightning; get the metrics of every epoch.
        callbacks: of Lightning.
        resume: go on with the training in `out_dir`, if there is one; False begins anew.
        accelerator, devices, precision: of Lightning's Trainer.
        strategy: of Lightning's Trainer; None: spawned processes if there are several devices.

    Raises:
        ValueError: empty data, one class only to learn from, data sets of different dimension, or
            a training to resume that had another configuration or other data.
        NonFiniteLossError: the loss became NaN or infinite.
    """
    balance = _check_data(train, validation, config)
    monitor = _choose_monitor(validation, config)
    signature = _signature(train, validation, config)
    record = EpochRecord(out_dir, config, monitor, signature, lineage or {})
    if resume:
        record.restore()
    else:
        record.forget()
    if not record.finished:
        ckpt_path = str(record.state_path) if record.history else None
        loss = make_loss(config.loss, balance)
        trainer = Trainer(
            accelerator=accelerator,
            devices=devices,
            strategy=strategy or ("auto" if devices == 1 else "ddp_spawn"),
            precision=precision,
            max_epochs=config.max_epochs,
            gradient_clip_val=config.optimizer.clip_norm,
            logger=list(loggers),
            callbacks=[*callbacks, record],
            plugins=[SafetensorsCheckpointIO()],
            default_root_dir=out_dir,
            reload_dataloaders_every_n_epochs=1,
            use_distributed_sampler=False,
            num_sanity_val_steps=0,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        with isolate_rng():
            head = _build_head(train, config, balance)
            if config.standardise and ckpt_path is None:
                head.set_statistics(feature_statistics(train))
            module = LaughterModule(head, loss, config.loss, config.optimizer, config.seed)
            trainer.fit(module, _FrameData(train, validation, config), ckpt_path=ckpt_path)
        # Read back, because with spawned processes this one has seen nothing of the training.
        record.restore()
    return FitResult(
        checkpoint=record.best_path,
        best_epoch=monitor.best(record.history),
        history=record.history,
        monitor=monitor,
        balance=balance,
        stopped_early=record.out_of_patience,
    )


class _FrameData(LightningDataModule):
    """Hands the Trainer this rank's batches of the current epoch."""

    def __init__(self, train: FrameDataset, validation: FrameDataset, config: TrainingConfig) -> None:
        super().__init__()
        self._train, self._validation, self._config = train, validation, config

    def train_dataloader(self) -> FrameBatches:
        return self._train.batches(self._epoch(shuffle=True))

    def val_dataloader(self) -> FrameBatches:
        return self._validation.batches(self._epoch(shuffle=False))

    def _epoch(self, shuffle: bool) -> Epoch:
        trainer = self.trainer
        assert trainer is not None, "Lightning attaches the trainer before it asks for data"
        return Epoch(
            batch_size=self._config.batch_size,
            seed=self._config.seed,
            index=trainer.current_epoch,
            shuffle=shuffle,
            rank=trainer.global_rank,
            world_size=trainer.world_size,
        )


def _build_head(train: FrameDataset, config: TrainingConfig, balance: ClassBalance | None) -> LaughterHead:
    bias = None
    if config.prior_bias and balance is None:
        bias = float(np.minimum(train.labels, config.loss.cap_s).mean())
    elif config.prior_bias and balance is not None and balance.positive_rate is not None:
        bias = prior_logit(balance.positive_rate)
    torch.manual_seed(config.seed)
    return LaughterHead(
        HeadConfig(
            input_dim=train.input_dim,
            hidden_dim=config.hidden_dim,
            dropout=config.dropout,
            output_bias=bias,
            standardise=config.standardise,
        )
    )


def _check_data(train: FrameDataset, validation: FrameDataset, config: TrainingConfig) -> ClassBalance | None:
    """The classes of the training set; None for times. Raises ValueError on data not to learn from."""
    for name, data in (("training", train), ("validation", validation)):
        if not len(data.labels):
            raise ValueError(f"the {name} set has no frames; wanted at least one episode")
    if train.input_dim != validation.input_dim:
        raise ValueError(
            f"training frames have {train.input_dim} features, validation frames "
            f"{validation.input_dim}; wanted as many: make both with the same backend"
        )
    if config.loss.is_regression:
        return None
    ClassBalance.of(validation.labels)
    balance = ClassBalance.of(train.labels)
    if not (balance.n_positive and balance.n_negative):
        raise ValueError(
            f"the training set has {balance.n_positive} positive and {balance.n_negative} negative "
            "frames; wanted some of both: check its events and the kind of label"
        )
    return balance


def _choose_monitor(validation: FrameDataset, config: TrainingConfig) -> Monitor:
    if config.loss.is_regression or len(np.unique(validation.labels)) < 2:
        return Monitor("val_loss", higher_is_better=False)
    return Monitor("val_auprc", higher_is_better=True)


def _signature(train: FrameDataset, validation: FrameDataset, config: TrainingConfig) -> dict[str, Any]:
    """What must not change when a training is resumed; how long it goes on may."""
    signature = config_to_json(config)
    del signature["max_epochs"], signature["patience"]
    for name, data in (("train", train), ("validation", validation)):
        digest = hashlib.sha256(data.labels.tobytes()).hexdigest()[:12]
        signature[name] = f"{len(data.labels)} frames of {data.input_dim}, labels {digest}"
    return signature
