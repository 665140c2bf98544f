"""Heads on dialogue frames: who laughs now, who is about to, and how long it will be until then.

`laughter_predictor` learns frames in which the user laughs, `laughter_forecaster` the frames before a
laugh, `laughter_timer` the seconds to the next one. All train the same small network.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, Field

from audio_assets.assets.catalog import EPISODE
from audio_assets.assets.podcasts.laughter_data import TIME, UPSTREAM, Part, read_parts, split_episodes
from audio_assets.assets.podcasts.laughter_evaluation import (
    draw_labels,
    draw_times,
    evaluation_table,
    measure_labels,
    measure_times,
)
from audio_assets.assets.podcasts.predict import laughs
from audio_assets.engine.declare.training_asset import Trained, Training, training_asset

if TYPE_CHECKING:
    from models.laughter.config import TrainingConfig
    from models.laughter.losses import LossKind

MIN_EPISODES = 3


class HeadConfig(BaseModel):
    """How a head is trained, whatever it learns."""

    hidden_dim: int = Field(0, ge=0, description="Width of a hidden layer; 0: a linear head.")
    learning_rate: float = Field(
        1e-3, gt=0, description="Of AdamW. The published recipe has 1e-4, for frames of 4096 and many hours."
    )
    weight_decay: float = Field(0.01, ge=0)
    clip_norm: float = Field(1.0, gt=0, description="Largest norm of a gradient.")
    dropout: float = Field(0.5, ge=0, lt=1, description="Before the hidden layer and the output.")
    prior_bias: bool = Field(True, description="Start from the base rate, or the mean time, of training.")
    batch_size: int = Field(512, ge=1, description="Frames of a step, of all processes together.")
    max_epochs: int = Field(60, ge=1)
    patience: int = Field(10, ge=1, description="Epochs without a better one before training stops.")
    standardise: bool = Field(True, description="Scale frames by the mean and deviation of training.")
    streaming: bool = Field(False, description="Read frames from objects as needed, not all at once.")
    devices: int = Field(1, ge=1, description="Processes, or GPUs, that train together (DDP).")


class LaughterConfig(HeadConfig):
    """How a head is trained that tells frames apart."""

    loss: Literal["bce", "focal", "adaptive_focal"] = "bce"
    balanced: bool = Field(False, description="Weigh positives by the ratio of the classes (bce).")
    alpha: float = Field(0.25, ge=0, le=1, description="Weight of positives (focal).")
    gamma: float = Field(2.0, ge=0, description="How much less easy frames count (focal, adaptive_focal).")


class ForecasterConfig(LaughterConfig):
    """How the head is trained that tells what comes."""

    labels: Literal["onset", "shifted"] = Field(
        "onset", description="Frames before a laugh begins, or frames before any frame of a laugh."
    )


class TimerConfig(HeadConfig):
    """How a head is trained that tells times."""

    loss: Literal["huber", "l1"] = "huber"
    cap_s: float = Field(10.0, gt=0, description="Longer times are not told apart, seconds.")


def _train(training: Training, config: LaughterConfig | TimerConfig, kind: str) -> Trained:
    """Train on targets of a kind, measure on episodes that training never saw."""
    from models.laughter.predictor import LaughterPredictor
    from models.laughter.training import fit
    from models.training.frames import InMemoryFrames
    from models.training.settings import Machine
    from models.training.streaming import StreamingFrames

    split = split_episodes(training)
    cap_s = config.cap_s if isinstance(config, TimerConfig) else 0.0
    parts = read_parts(training, split, kind, cap_s)
    open_set = StreamingFrames if config.streaming else InMemoryFrames.from_shards
    fitted = fit(
        open_set(parts["train"].shards),
        open_set(parts["validation"].shards),
        _settings(config, training.seed),
        training.folder / "fit",
        lineage={"label_kind": kind, "snapshot": training.snapshot, "checkpoint": training.checkpoint},
        loggers=[training.lightning_logger()],
        resume=True,
        machine=Machine(
            accelerator="gpu" if training.device.startswith("cuda") else "cpu",
            devices=config.devices,
            precision="bf16-mixed" if training.dtype == "bfloat16" else "32-true",
        ),
    )
    predictor = LaughterPredictor.load(fitted.checkpoint, training.device)
    summary = f"Best epoch {fitted.best_epoch} of {len(fitted.history)}"
    rows: list[dict[str, Any]] = []
    metrics: dict[str, float] = {}
    figures: list[Path] = []
    for name in ("validation", "test"):
        measured, drawn = _evaluate(parts[name], predictor, kind, training.folder)
        rows += [{"split": name, "label_kind": kind, **row} for row in measured]
        metrics |= {f"{name}_{r['metric']}": r["value"] for r in measured if r["value"] is not None}
        if measured[0]["base_rate"] is not None:
            metrics[f"{name}_base_rate"] = measured[0]["base_rate"]
        figures = drawn
    if kind != TIME:
        summary += f"; decisions at {_threshold(predictor):.2f}, of the highest F1 on validation"
    return Trained(
        folder=fitted.checkpoint,
        split=split,
        metrics=metrics,
        evaluation={evaluation_table(training.name).name: rows},
        figures=figures,
        summary=f"{summary}.",
    )


def _settings(config: LaughterConfig | TimerConfig, seed: int) -> TrainingConfig:
    from models.laughter.config import OptimizerConfig, TrainingConfig
    from models.laughter.losses import LossConfig

    kind: LossKind = config.loss
    if isinstance(config, TimerConfig):
        loss = LossConfig(kind=kind, cap_s=config.cap_s)
    else:
        weight: float | Literal["balanced"] = "balanced" if config.balanced else 1.0
        loss = LossConfig(kind=kind, pos_weight=weight, alpha=config.alpha, gamma=config.gamma)
    return TrainingConfig(
        hidden_dim=config.hidden_dim or None,
        dropout=config.dropout,
        standardise=config.standardise,
        prior_bias=config.prior_bias,
        loss=loss,
        optimizer=OptimizerConfig(config.learning_rate, config.weight_decay, config.clip_norm),
        batch_size=config.batch_size,
        max_epochs=config.max_epochs,
        patience=config.patience,
        seed=seed,
    )


def _evaluate(part: Part, predictor: Any, kind: str, folder: Path) -> tuple[list[dict[str, Any]], list[Path]]:
    predicted = [predictor.predict(shard.open()) for shard in part.shards]
    if kind == TIME:
        return measure_times(part, predicted), draw_times(part, predicted, folder)
    rows = measure_labels(part, predicted, _threshold(predictor))
    return rows, draw_labels(part, predicted, folder)


def _threshold(predictor: Any) -> float:
    return 0.5 if predictor.threshold is None else float(predictor.threshold)


@training_asset(
    items=EPISODE,
    upstream=UPSTREAM,
    config=LaughterConfig,
    group="laughter",
    code_version="2",
    min_items=MIN_EPISODES,
    pool="gpu",
    evaluation=[evaluation_table("laughter_predictor")],
    predict=laughs,
)
def laughter_predictor(training: Training, config: LaughterConfig) -> Trained:
    """Tells from each dialogue frame whether the user laughs in it."""
    return _train(training, config, "detection")


@training_asset(
    items=EPISODE,
    upstream=UPSTREAM,
    config=ForecasterConfig,
    group="laughter",
    code_version="2",
    min_items=MIN_EPISODES,
    pool="gpu",
    evaluation=[evaluation_table("laughter_forecaster")],
)
def laughter_forecaster(training: Training, config: ForecasterConfig) -> Trained:
    """Tells from each dialogue frame whether the user is about to laugh, but does not yet."""
    return _train(training, config, config.labels)


@training_asset(
    items=EPISODE,
    upstream=UPSTREAM,
    config=TimerConfig,
    group="laughter",
    code_version="1",
    min_items=MIN_EPISODES,
    pool="gpu",
    evaluation=[evaluation_table("laughter_timer")],
)
def laughter_timer(training: Training, config: TimerConfig) -> Trained:
    """Tells from each dialogue frame in how many seconds the user laughs next, up to a cap."""
    return _train(training, config, TIME)
