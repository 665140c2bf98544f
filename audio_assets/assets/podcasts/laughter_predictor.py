"""`laughter_predictor` and `laughter_forecaster`: heads that tell laughter from dialogue frames.

Both train the same network; the first on frames in which someone laughs, the second on the frames
before a laugh. Frames of one episode are never in two parts of the split.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from audio_assets.assets.catalog import EPISODE
from audio_assets.engine import FLOAT, INTEGER, TEXT, Column
from audio_assets.engine.splits import split_items
from audio_assets.engine.training_asset import (
    SPLITS,
    EvaluationTable,
    Trained,
    Training,
    TrainingError,
    training_asset,
)

if TYPE_CHECKING:
    from models.laughter.shards import Shard

UPSTREAM = ("annotations", "dialogue_frames", "laughter_labels")
EVENT_TOLERANCE_S = 0.5
METRICS = (
    "auprc", "auroc", "precision", "recall", "f1", "mcc", "brier", "ece",
)  # fmt: skip

COLUMNS = (
    Column("split", TEXT, doc="Part of the split that was measured"),
    Column("label_kind", TEXT, doc="detection, shifted or onset"),
    Column("metric", TEXT, doc="Name of the metric"),
    Column("value", FLOAT, doc="Its value; NULL where it is not defined"),
    Column("low", FLOAT, doc="Lower end of the 95 % interval, bootstrapped over episodes"),
    Column("high", FLOAT, doc="Upper end of that interval"),
    Column("base_rate", FLOAT, doc="Share of positive frames: the AUPRC of chance", low=0, high=1),
    Column("episodes", INTEGER, doc="Number of episodes measured"),
)


class LaughterConfig(BaseModel):
    """How a laughter head is trained."""

    hidden_dim: int = Field(0, description="Width of a hidden layer; 0: a linear head.")
    loss: Literal["bce", "focal", "adaptive_focal"] = "bce"
    balanced: bool = Field(False, description="Weigh positives by the ratio of the classes (bce).")
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(0.01, ge=0)
    batch_size: int = Field(512, ge=1)
    max_epochs: int = Field(60, ge=1)
    patience: int = Field(10, ge=1)
    standardise: bool = Field(True, description="Scale frames by the mean and deviation of training.")
    streaming: bool = Field(False, description="Read frames from objects as needed, not all at once.")


@dataclass(frozen=True)
class Part:
    """The shards of one part of the split; `episode_of` is the episode's number for each shard."""

    shards: Sequence[Shard]
    episode_of: Sequence[int]
    episodes: Sequence[str]


def _predictor(training: Training, config: LaughterConfig, kind: str) -> Trained:
    """Train on `kind` of labels, measure on episodes that training never saw."""
    from models.laughter.config import OptimizerConfig, TrainingConfig
    from models.laughter.data import InMemoryFrames
    from models.laughter.losses import LossConfig
    from models.laughter.predictor import LaughterPredictor
    from models.laughter.streaming import StreamingFrames
    from models.laughter.training import fit

    split = _split(training)
    parts = {name: _part(training, split, name, kind) for name in SPLITS}
    empty = [name for name, part in parts.items() if not part.shards]
    if empty:
        raise TrainingError(
            f"{training.name} found no episodes for {' and '.join(empty)} among {len(split)}; wanted "
            "at least one in each part: add episodes, or give them parts in `annotations.split`"
        )
    open_set = StreamingFrames if config.streaming else InMemoryFrames.from_shards
    settings = TrainingConfig(
        hidden_dim=config.hidden_dim or None,
        standardise=config.standardise,
        loss=LossConfig(kind=config.loss, pos_weight="balanced" if config.balanced else 1.0),
        optimizer=OptimizerConfig(config.learning_rate, config.weight_decay),
        batch_size=config.batch_size,
        max_epochs=config.max_epochs,
        patience=config.patience,
        seed=training.seed,
    )
    fitted = fit(
        open_set(parts["train"].shards),
        open_set(parts["validation"].shards),
        settings,
        training.folder / "fit",
        lineage={"label_kind": kind, "snapshot": training.snapshot, "checkpoint": training.checkpoint},
        loggers=[training.lightning_logger()],
        resume=True,
        accelerator="gpu" if training.device.startswith("cuda") else "cpu",
        precision="bf16-mixed" if training.dtype == "bfloat16" else "32-true",
    )
    predictor = LaughterPredictor.load(fitted.checkpoint, training.device)
    threshold = predictor.threshold if predictor.threshold is not None else 0.5
    rows: list[dict[str, Any]] = []
    metrics: dict[str, float] = {}
    figures: list[Path] = []
    for name in ("validation", "test"):
        part = parts[name]
        predicted = [predictor.predict(shard.open()) for shard in part.shards]
        measured = _measure(part, predicted, threshold)
        rows += [{"split": name, "label_kind": kind, **row} for row in measured]
        metrics |= {f"{name}_{r['metric']}": r["value"] for r in measured if r["value"] is not None}
        metrics[f"{name}_base_rate"] = measured[0]["base_rate"] or 0.0
        if name == "test":
            figures = _figures(part, predicted, training.folder)
    return Trained(
        folder=fitted.checkpoint,
        split=split,
        metrics=metrics,
        evaluation={_evaluation_of(training.name): rows},
        figures=figures,
        summary=(
            f"Best epoch {fitted.best_epoch} of {len(fitted.history)}; decisions at {threshold:.2f}, the "
            "threshold of the highest F1 on validation."
        ),
    )


def _evaluation_of(name: str) -> str:
    return f"{name.replace('_predictor', '')}_evaluation"


def _split(training: Training) -> dict[str, str]:
    """By episode: as the annotations say, and by chance where they say nothing."""
    rows = training.rows("annotations").select("item", "split").unique().drop_nulls()
    known = dict(rows.filter(rows["split"].is_in(SPLITS)).iter_rows())
    rest = [item for item in training.items if item not in known]
    return {**known, **split_items(rest, seed=training.seed)}


def _part(training: Training, split: Mapping[str, str], name: str, kind: str) -> Part:
    from audio_assets.backends.dialogue_frames.context import ContextFrames
    from models.laughter.shards import SafetensorsFrames, Shard

    labels = training.rows("laughter_labels").filter(kind=kind)
    frames = training.rows("dialogue_frames")
    joined = labels.join(frames, on=["item", "user_speaker"], suffix="_frames")
    episodes = sorted(item for item, part in split.items() if part == name)
    shards, episode_of = [], []
    for number, item in enumerate(episodes):
        for row in joined.filter(item=item).sort("user_speaker").iter_rows(named=True):
            path = training.object(row["frames"])
            open_frames = partial(_open_frames, path, row["context_frames"], ContextFrames, SafetensorsFrames)
            values = np.asarray(row["labels"], np.float32)
            shards.append(Shard(f"{item}/{row['user_speaker']}", values, open_frames))
            episode_of.append(number)
    return Part(shards, episode_of, episodes)


def _open_frames(path: Path, context: int, joined: Any, read: Any) -> Any:
    frames = read(path)
    return joined(frames, context) if context else frames


def _measure(part: Part, predicted: Sequence[NDArray[np.float32]], threshold: float) -> list[dict[str, Any]]:
    from models.laughter.bootstrap import bootstrap_interval
    from models.laughter.event_metrics import EventCounts, match_onsets
    from models.laughter.events import find_events
    from models.laughter.metrics import average_precision, frame_metrics

    probabilities = np.concatenate(predicted)
    labels = np.concatenate([shard.labels for shard in part.shards])
    episode_of = np.repeat(part.episode_of, [len(shard.labels) for shard in part.shards])
    values = frame_metrics(probabilities, labels, threshold)
    counts = [EventCounts()] * len(part.episodes)
    for shard, episode, found in zip(part.shards, part.episode_of, predicted, strict=True):
        true = [event.start_s for event in find_events(shard.labels, 0.5)]
        alarms = find_events(found, threshold, min_gap_s=0.2, min_duration_s=0.16)
        counts[episode] += match_onsets(true, [event.start_s for event in alarms], EVENT_TOLERANCE_S)
    order = np.argsort(-probabilities, kind="stable")
    p, y, e = probabilities[order], labels[order], episode_of[order]
    intervals = {
        "auprc": bootstrap_interval(
            lambda drawn: average_precision(p, y, weights=drawn[e]), len(part.episodes)
        ),
        "event_f1": bootstrap_interval(
            lambda drawn: sum(np.repeat(np.array(counts, object), drawn), start=EventCounts()).f1,
            len(part.episodes),
        ),
    }
    measured = {name: getattr(values, name) for name in METRICS}
    measured["event_f1"] = sum(counts, EventCounts()).f1
    return [
        {
            "metric": name,
            "value": value,
            "low": interval.low if (interval := intervals.get(name)) else None,
            "high": interval.high if interval else None,
            "base_rate": values.base_rate,
            "episodes": len(part.episodes),
        }
        for name, value in measured.items()
    ]


def _figures(part: Part, predicted: Sequence[NDArray[np.float32]], folder: Path) -> list[Path]:
    """Precision over recall, and reliability, of the held-out episodes."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    from models.laughter.metrics import precision_recall_curve, reliability_curve

    probabilities = np.concatenate(predicted)
    labels = np.concatenate([shard.labels for shard in part.shards])
    curve = precision_recall_curve(probabilities, labels)
    reliability = reliability_curve(probabilities, labels)
    if curve is None:
        return []
    figures = {}
    figures["precision_recall"], axes = pyplot.subplots(figsize=(5, 4), layout="constrained")
    axes.step(curve.recall, curve.precision, where="post", label="predictor")
    axes.axhline(labels.mean(), linestyle=":", color="grey", label="base rate")
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02), title="Held-out episodes")
    axes.legend(loc="lower left")
    figures["reliability"], axes = pyplot.subplots(figsize=(5, 4), layout="constrained")
    axes.plot([0, 1], [0, 1], linestyle=":", color="grey", label="perfect")
    axes.plot(reliability.probability, reliability.positive_rate, marker="o", label="predictor")
    axes.set(xlabel="predicted probability", ylabel="share of laughter", title="Held-out episodes")
    axes.legend(loc="upper left")
    paths = []
    for name, figure in figures.items():
        paths.append(folder / f"{name}.png")
        figure.savefig(paths[-1], dpi=120)
        pyplot.close(figure)
    return paths


@training_asset(
    item=EPISODE,
    upstream=UPSTREAM,
    config=LaughterConfig,
    group="laughter",
    code_version="1",
    min_items=3,
    pool="gpu",
    evaluation=[
        EvaluationTable("laughter_evaluation", COLUMNS, "How well `laughter_predictor` finds laughter.")
    ],
)
def laughter_predictor(training: Training, config: LaughterConfig) -> Trained:
    """Tells from each dialogue frame whether the user laughs in it."""
    return _predictor(training, config, "detection")


@training_asset(
    item=EPISODE,
    upstream=UPSTREAM,
    config=LaughterConfig,
    group="laughter",
    code_version="1",
    min_items=3,
    pool="gpu",
    evaluation=[
        EvaluationTable(
            "laughter_forecaster_evaluation", COLUMNS, "How well `laughter_forecaster` foresees laughter."
        )
    ],
)
def laughter_forecaster(training: Training, config: LaughterConfig) -> Trained:
    """Tells from each dialogue frame whether the user is about to laugh, but does not yet."""
    return _predictor(training, config, "onset")
