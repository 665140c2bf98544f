"""How good the laughter models are on episodes that they have not learnt from: tables and figures.

Intervals are bootstrapped over episodes, since frames of one episode are alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audio_assets.assets.podcasts.laughter_data import Part
from audio_assets.assets.podcasts.laughter_predictions import MIN_DURATION_S, MIN_GAP_S
from audio_assets.engine import FLOAT, INTEGER, TEXT, Column, Table
from audio_assets.metrics.bootstrap import bootstrap_interval
from audio_assets.metrics.events import EventCounts, WarningCounts, match_onsets, match_warnings

Predicted = Sequence[NDArray[np.float32]]
Rows = list[dict[str, Any]]

EVENT_TOLERANCE_S = 0.5
FRAME_METRICS = (
    "auprc", "auroc", "precision", "recall", "f1", "mcc", "brier", "ece", "tp", "fp", "fn", "tn",
)  # fmt: skip
WARNING_METRICS = ("recall", "mean_lead_s", "median_lead_s", "false_alarms_per_hour")
TIME_METRICS = ("mae_s", "rmse_s", "baseline_mae_s")

COLUMNS = (
    Column("split", TEXT, doc="Part of the split that was measured"),
    Column("label_kind", TEXT, doc="detection, shifted, onset or time"),
    Column("metric", TEXT, doc="Name of the metric; `warning_` where alarms are matched with laughs"),
    Column("value", FLOAT, doc="Its value; NULL where it is not defined"),
    Column("low", FLOAT, doc="Lower end of the 95 % interval, bootstrapped over episodes"),
    Column("high", FLOAT, doc="Upper end of that interval"),
    Column("base_rate", FLOAT, doc="Share of positive frames: the AUPRC of chance", low=0, high=1),
    Column("episodes", INTEGER, doc="Number of episodes measured"),
)


def evaluation_table(model: str) -> Table:
    """The table of a model's metrics."""
    return Table(f"{model}_evaluation", columns=COLUMNS, doc=f"How good `{model}` is, on held-out episodes.")


def measure_labels(part: Part, predicted: Predicted, threshold: float) -> Rows:
    """Metrics of frames and of events; where labels look ahead, of alarms and the laughs after them."""
    from models.laughter.events import find_events
    from models.laughter.labels import FRAME_RATE_HZ
    from models.metrics.frames import average_precision, frame_metrics

    probabilities = np.concatenate(predicted)
    labels = np.concatenate([shard.labels for shard in part.shards])
    frames = frame_metrics(probabilities, labels, threshold)
    events = [EventCounts()] * len(part.episodes)
    warnings = [WarningCounts()] * len(part.episodes)
    for shard, laughing, episode, found in zip(
        part.shards, part.laughing, part.episode_of, predicted, strict=True
    ):
        true = [event.start_s for event in find_events(shard.labels, 0.5)]
        alarms = find_events(found, threshold, min_gap_s=MIN_GAP_S, min_duration_s=MIN_DURATION_S)
        events[episode] += match_onsets(true, [alarm.start_s for alarm in alarms], EVENT_TOLERANCE_S)
        warnings[episode] += match_warnings(
            [(laugh.start_s, laugh.end_s) for laugh in find_events(laughing, 0.5)],
            [(alarm.start_s, alarm.end_s) for alarm in alarms],
            horizon_s=part.lookahead_s,
            duration_s=len(laughing) / FRAME_RATE_HZ,
        )
    # Sorted once: the bootstrap then sorts what is sorted, which is quick.
    order = np.argsort(-probabilities, kind="stable")
    p, y = probabilities[order], labels[order]
    e = np.repeat(part.episode_of, [len(shard.labels) for shard in part.shards])[order]

    values: dict[str, float | None] = {name: getattr(frames, name) for name in FRAME_METRICS}
    metrics: dict[str, Callable[[NDArray[np.int64]], float | None]] = {
        "auprc": lambda drawn: average_precision(p, y, weights=drawn[e]),
        "event_f1": lambda drawn: sum(np.repeat(np.array(events, object), drawn), start=EventCounts()).f1,
    }
    values["event_f1"] = sum(events, EventCounts()).f1
    if part.lookahead_s:
        warned = sum(warnings, WarningCounts())
        values |= {f"warning_{name}": getattr(warned, name) for name in WARNING_METRICS}
    return _rows(values, metrics, len(part.episodes), frames.base_rate)


def measure_times(part: Part, predicted: Predicted) -> Rows:
    """Errors of predicted times, beside those of always answering the median."""
    from models.metrics.times import time_metrics

    true = np.concatenate([shard.labels for shard in part.shards])
    found = np.concatenate(predicted)
    errors = np.zeros((2, len(part.episodes)))
    for shard, episode, times in zip(part.shards, part.episode_of, predicted, strict=True):
        errors[:, episode] += np.abs(times - shard.labels).sum(), len(times)
    measured = time_metrics(found, true)

    def mean_error(drawn: NDArray[np.int64]) -> float | None:
        total, count = errors @ drawn
        return float(total / count) if count else None

    values = {name: getattr(measured, name) for name in TIME_METRICS}
    return _rows(values, {"mae_s": mean_error}, len(part.episodes), None)


def _rows(
    values: Mapping[str, float | None],
    metrics: Mapping[str, Callable[[NDArray[np.int64]], float | None]],
    episodes: int,
    base_rate: float | None,
) -> Rows:
    intervals = {name: bootstrap_interval(metric, episodes) for name, metric in metrics.items()}
    return [
        {
            "metric": name,
            "value": None if value is None else float(value),
            "low": interval.low if (interval := intervals.get(name)) else None,
            "high": interval.high if interval else None,
            "base_rate": base_rate,
            "episodes": episodes,
        }
        for name, value in values.items()
    ]


def draw_labels(part: Part, predicted: Predicted, folder: Path) -> list[Path]:
    """Precision over recall, and reliability, as PNG files; none where nobody laughs."""
    from models.metrics.frames import precision_recall_curve, reliability_curve

    probabilities = np.concatenate(predicted)
    labels = np.concatenate([shard.labels for shard in part.shards])
    curve = precision_recall_curve(probabilities, labels)
    if curve is None:
        return []
    reliability = reliability_curve(probabilities, labels)
    figure, axes = _figure("recall", "precision")
    axes.step(curve.recall, curve.precision, where="post", label="model")
    axes.axhline(labels.mean(), linestyle=":", color="grey", label="base rate")
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    axes.legend(loc="lower left")
    paths = [_saved(figure, folder / "precision_recall.png")]
    figure, axes = _figure("predicted probability", "share of positive frames")
    axes.plot([0, 1], [0, 1], linestyle=":", color="grey", label="perfect")
    axes.plot(reliability.probability, reliability.positive_rate, marker="o", label="model")
    axes.legend(loc="upper left")
    return [*paths, _saved(figure, folder / "reliability.png")]


def draw_times(part: Part, predicted: Predicted, folder: Path) -> list[Path]:
    """Predicted over true times, as a PNG file: the median and the middle half in each second."""
    true = np.concatenate([shard.labels for shard in part.shards])
    found = np.concatenate(predicted)
    seconds = np.floor(true)
    figure, axes = _figure("true time to the next laugh (s)", "predicted (s)")
    steps = np.unique(seconds)
    low, middle, high = (
        [float(np.quantile(found[seconds == step], q)) for step in steps] for q in (0.25, 0.5, 0.75)
    )
    axes.plot([0, true.max()], [0, true.max()], linestyle=":", color="grey", label="perfect")
    axes.fill_between(steps, low, high, alpha=0.3, label="middle half")
    axes.plot(steps, middle, marker="o", label="median")
    axes.legend(loc="upper left")
    return [_saved(figure, folder / "times.png")]


def _figure(x: str, y: str) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.set(xlabel=x, ylabel=y, title="Held-out episodes")
    return figure, axes


def _saved(figure: Any, path: Path) -> Path:
    figure.savefig(path, dpi=120)
    return path
