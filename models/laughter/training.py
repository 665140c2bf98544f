"""`fit`: a laughter head learns from frames; the loop is `models.training.fit`."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch import Callback
from lightning.pytorch.loggers import Logger

from models.laughter.config import TrainingConfig
from models.laughter.losses import ClassBalance, make_loss
from models.laughter.module import LaughterModule
from models.laughter.network import HeadConfig, LaughterHead, prior_logit
from models.training.config import config_to_json
from models.training.fit import Fitted
from models.training.fit import fit as fit_module
from models.training.frames import FrameDataset, feature_statistics
from models.training.progress import Kept, Monitor, has_state
from models.training.randomness import seeded
from models.training.settings import FitSettings, Machine


def fit(
    train: FrameDataset,
    validation: FrameDataset,
    config: TrainingConfig,
    out_dir: Path,
    *,
    lineage: dict[str, Any] | None = None,
    machine: Machine | None = None,
    loggers: Sequence[Logger] = (),
    callbacks: Sequence[Callback] = (),
    resume: bool = False,
) -> Fitted:
    """Train a head on `train`, keep the epoch that is best on `validation`.

    The best epoch has the highest validation AUPRC, or the lowest validation loss where AUPRC says
    nothing: when times are predicted, or when the validation frames are all of one class.

    Args:
        train: frames to learn from; of classification, both classes must occur.
        validation: frames of other episodes, at least one.
        config: everything else that decides the result.
        out_dir: of this training alone; the checkpoint is one for `LaughterPredictor.load`.
        lineage: JSON values to keep in the checkpoint beside the configuration: label kind, data
            snapshot, episodes and so on.
        machine, loggers, callbacks, resume: see `models.training.fit`.

    Raises:
        ValueError: empty data, one class only to learn from, data sets of different dimension, or
            a training to resume that had another configuration or other data.
        NonFiniteLossError: the loss became NaN or infinite.
    """
    balance = _check_data(train, validation, config)
    with seeded(config.seed):
        head = _build_head(train, config, balance)
    if config.standardise and not (resume and has_state(out_dir)):
        head.set_statistics(feature_statistics(train))
    return fit_module(
        LaughterModule(head, make_loss(config.loss, balance), config.loss, config.optimizer),
        train,
        validation,
        FitSettings(
            batch_size=config.batch_size,
            max_epochs=config.max_epochs,
            patience=config.patience,
            seed=config.seed,
            clip_norm=config.optimizer.clip_norm,
        ),
        out_dir,
        kept=Kept(
            "head",
            {
                "head": config_to_json(head.config),
                "training": config_to_json(config),
                "lineage": lineage or {},
            },
        ),
        monitor=_choose_monitor(validation, config),
        identity=_identity(train, validation, config),
        machine=machine,
        loggers=loggers,
        callbacks=callbacks,
        resume=resume,
    )


def _build_head(train: FrameDataset, config: TrainingConfig, balance: ClassBalance | None) -> LaughterHead:
    bias = None
    if config.prior_bias and balance is None:
        bias = float(np.minimum(train.labels, config.loss.cap_s).mean())
    elif config.prior_bias and balance is not None and balance.positive_rate is not None:
        bias = prior_logit(balance.positive_rate)
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


def _identity(train: FrameDataset, validation: FrameDataset, config: TrainingConfig) -> dict[str, Any]:
    """What must not change when a training is resumed; how long it goes on may."""
    identity = config_to_json(config)
    del identity["max_epochs"], identity["patience"]
    for name, data in (("train", train), ("validation", validation)):
        digest = hashlib.sha256(data.labels.tobytes()).hexdigest()[:12]
        identity[name] = f"{len(data.labels)} frames of {data.input_dim}, labels {digest}"
    return identity
