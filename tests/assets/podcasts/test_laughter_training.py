"""The laughter trainings as assets: what they learn, what they measure, and what they refuse."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from lightning.pytorch.loggers.logger import DummyLogger
from mlflow import MlflowClient
from safetensors.numpy import save_file

from audio_assets.assets.podcasts.laughter_predictor import (
    ForecasterConfig,
    LaughterConfig,
    TimerConfig,
    laughter_forecaster,
    laughter_predictor,
    laughter_timer,
)
from audio_assets.engine.declare.training_asset import Trained, TrainingAsset, TrainingError
from audio_assets.engine.run.lightning_logger import TrackerLogger
from audio_assets.engine.workers.local import LocalSession
from audio_assets.engine.workers.session import Crew, Done, Work
from audio_assets.resources.journal import Journal
from audio_assets.resources.system_metrics import system_metrics
from audio_assets.resources.tracking import Tracker
from models.laughter.labels import frame_labels
from models.training.guards import NonFiniteLossError

FRAMES, DIMENSIONS, LOOKAHEAD = 500, 6, 12
EPISODES = ("a", "b", "c", "d", "e", "f")
PARTS = {"a": "train", "b": "train", "c": "train", "d": "train", "e": "validation", "f": "test"}


@dataclass
class Lessons:
    """Stands for the engine's `Training`: episodes whose first value tells laughter, the second it coming."""

    folder: Path
    name: str
    laughs: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    parts: dict[str, str] = field(default_factory=lambda: dict(PARTS))
    seed: int = 0
    snapshot: int = 1
    checkpoint: str = "c"
    device: str = "cpu"
    dtype: str = "float32"
    spoil: str | None = None
    is_tracked: bool = False

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(1)
        for number, item in enumerate(EPISODES):
            starts = np.arange(3 + number, FRAMES / 12.5 - 5, 7)
            spans = self.laughs.setdefault(item, [(float(s), float(s) + 1.2) for s in starts])
            frames = rng.normal(size=(FRAMES, DIMENSIONS)).astype(np.float32)
            frames[:, 0] += 4 * self.labels(spans, "detection")
            frames[:, 1] += 2 * self.labels(spans, "onset")
            if item == self.spoil:
                frames[7] = np.nan
            save_file({"frames": frames}, self.folder / f"{item}.safetensors")
        self.items = dict.fromkeys(EPISODES)

    @staticmethod
    def labels(spans: list[tuple[float, float]], kind: Any) -> np.ndarray:
        lookahead = 0 if kind == "detection" else LOOKAHEAD
        return frame_labels(spans, FRAMES, kind=kind, lookahead_frames=lookahead)

    def rows(self, table: str) -> pl.DataFrame:
        if table == "annotations":
            schema = {"item": pl.String, "split": pl.String}
            return pl.DataFrame(
                {"item": list(EPISODES), "split": [self.parts.get(e) for e in EPISODES]}, schema
            )
        if table == "dialogue_frames":
            return pl.DataFrame(
                [
                    {"item": e, "user_speaker": "s", "frames": f"{e}.safetensors", "context_frames": 0}
                    for e in EPISODES
                ]
            )
        return pl.DataFrame(
            [
                {
                    "item": e, "user_speaker": "s", "kind": kind,
                    "lookahead_frames": 0 if kind == "detection" else LOOKAHEAD,
                    "labels": self.labels(self.laughs[e], kind).tolist(),
                }
                for e in EPISODES
                for kind in ("detection", "onset", "shifted")
            ]
        )  # fmt: skip

    def object(self, key: str) -> Path:
        return self.folder / key

    def lightning_logger(self) -> Any:
        if not self.is_tracked:
            return DummyLogger()
        tracker = Tracker(f"sqlite:///{self.folder}/mlflow.db", self.folder)
        tracker.start("laughter", "run", {})
        return TrackerLogger(tracker)


def train(asset: TrainingAsset, folder: Path, config: Any, **lessons: Any) -> Trained:
    return asset.fn(Lessons(folder, asset.name, **lessons), config)


def trainer(folder: Path, _: Any) -> Any:
    """For workers: the predictor on `Lessons` that are tracked."""
    return lambda config: train(laughter_predictor, folder, config, is_tracked=True)


def train_on_worker(folder: Path, config: LaughterConfig) -> Trained:
    """Where trainings run, whose processes are then children of a worker."""
    work = Work(f"{__name__}:trainer", folder)
    with LocalSession() as session:
        (event,) = session.map(work, [config], Crew(threads=None))
    assert isinstance(event, Done), event
    return event.value


def values(trained: Trained, split: str = "test") -> dict[str, Any]:
    (rows,) = trained.evaluation.values()
    return {row["metric"]: row for row in rows if row["split"] == split}


QUICK = LaughterConfig(max_epochs=12, learning_rate=0.03, batch_size=128)


def test_the_predictor_finds_laughs_on_an_episode_it_has_not_seen(tmp_path):
    trained = train(laughter_predictor, tmp_path, QUICK)
    assert trained.split == PARTS
    found = values(trained)
    assert found["auprc"]["value"] > 0.95 > 5 * found["auprc"]["base_rate"] > 0
    assert found["event_f1"]["value"] > 0.8
    counts = [found[name]["value"] for name in ("tp", "fp", "fn", "tn")]
    assert sum(counts) == FRAMES
    assert found["precision"]["value"] == pytest.approx(counts[0] / (counts[0] + counts[1]))
    assert "warning_recall" not in found  # nothing is foretold
    assert {path.name for path in trained.figures} == {"precision_recall.png", "reliability.png"}
    for table in laughter_predictor.tables:
        assert table.check_rows(trained.evaluation[table.name])


def test_the_forecaster_says_how_early_it_warns_and_how_often_in_vain(tmp_path):
    found = values(train(laughter_forecaster, tmp_path, ForecasterConfig(**QUICK.model_dump())))
    assert found["auprc"]["value"] > 2 * found["auprc"]["base_rate"]
    assert found["warning_recall"]["value"] > 0.5
    assert 0 < found["warning_median_lead_s"]["value"] <= LOOKAHEAD / 12.5
    assert found["warning_false_alarms_per_hour"]["value"] >= 0


def test_the_forecaster_can_learn_frames_before_any_frame_of_a_laugh(tmp_path):
    config = ForecasterConfig(
        max_epochs=3, learning_rate=0.03, batch_size=128, labels="shifted", loss="focal", alpha=0.5, dropout=0
    )
    trained = train(laughter_forecaster, tmp_path, config)
    (rows,) = trained.evaluation.values()
    assert {row["label_kind"] for row in rows} == {"shifted"}
    assert values(trained)["auprc"]["value"] > values(trained)["auprc"]["base_rate"]


def test_the_timer_beats_the_median_and_draws_its_times(tmp_path):
    config = TimerConfig(max_epochs=15, learning_rate=0.05, batch_size=128, cap_s=5, hidden_dim=16)
    trained = train(laughter_timer, tmp_path, config)
    found = values(trained)
    assert found["mae_s"]["value"] < 0.95 * found["baseline_mae_s"]["value"]
    assert found["mae_s"]["base_rate"] is None
    assert [path.name for path in trained.figures] == ["times.png"]
    assert "threshold" not in trained.summary and "decisions" not in trained.summary


def test_the_same_seed_gives_the_same_metrics_and_another_seed_others(tmp_path):
    config = LaughterConfig(max_epochs=3, hidden_dim=8, batch_size=128)
    first, again, other = (
        train(laughter_predictor, tmp_path / name, config, seed=seed).metrics
        for name, seed in (("1", 0), ("2", 0), ("3", 1))
    )
    assert first == pytest.approx(again, abs=1e-6)
    assert first != pytest.approx(other, abs=1e-6)


def test_streaming_and_two_processes_give_the_metrics_of_one(tmp_path, new_mlflow):
    config = QUICK.model_copy(update={"max_epochs": 5})
    alone = train(laughter_predictor, tmp_path / "1", config).metrics
    streamed = train(laughter_predictor, tmp_path / "2", config.model_copy(update={"streaming": True}))
    uri = new_mlflow(tmp_path / "3" / "mlflow.db")
    together = train_on_worker(tmp_path / "3", config.model_copy(update={"devices": 2}))
    for other in (streamed.metrics, together.metrics):
        for name in ("test_auprc", "test_auroc", "validation_auprc"):
            assert other[name] == pytest.approx(alone[name], abs=0.02), name
    client = MlflowClient(uri)
    (run,) = client.search_runs([client.get_experiment_by_name("laughter").experiment_id])
    history = client.get_metric_history(run.info.run_id, "val_auprc")
    assert [metric.step for metric in history] == [0, 1, 2, 3, 4]  # once, not once for each process


def test_the_machine_is_watched_while_a_training_runs(tmp_path):
    tracker = Tracker("http://127.0.0.1:9", tmp_path)
    tracker.start("laughter", "run", {})
    with system_metrics(tracker, interval_s=0.05):
        tracker.metrics({"train_loss": 1.0}, 0)
    with system_metrics(tracker, interval_s=60):  # resumed
        pass
    assert tracker.count("metrics", "train_") == 1
    events = [
        e for e in Journal(tmp_path).events() if e["kind"] == "metrics" and "train_loss" not in e["values"]
    ]
    assert [event["step"] for event in events] == list(range(len(events))) and len(events) >= 2
    for name in ("cpu_utilization_percentage", "system_memory_usage_percentage"):
        assert all(0 <= event["values"][f"system/{name}"] <= 100 for event in events)


def test_a_split_without_episodes_is_refused(tmp_path):
    with pytest.raises(TrainingError, match="no episodes for test"):
        train(laughter_predictor, tmp_path, QUICK, parts={**PARTS, "f": "train"})


def test_training_without_a_laugh_is_refused_with_the_counts(tmp_path):
    laughs = {item: [] for item in EPISODES[:4]}
    with pytest.raises(ValueError, match="0 positive and 2000 negative"):
        train(laughter_predictor, tmp_path, QUICK, laughs=laughs)


def test_one_class_only_in_validation_and_test_leaves_metrics_open_instead_of_inventing_them(tmp_path):
    trained = train(laughter_predictor, tmp_path, QUICK, laughs={"e": [], "f": []})
    for split in ("validation", "test"):
        found = values(trained, split)
        assert found["auprc"]["value"] is None and found["auprc"]["base_rate"] == 0
        assert found["brier"]["value"] is not None
    assert trained.figures == []


def test_frames_that_are_not_numbers_stop_the_training_by_name(tmp_path):
    with pytest.raises(NonFiniteLossError):
        train(laughter_predictor, tmp_path, QUICK.model_copy(update={"standardise": False}), spoil="b")


def test_a_full_disk_at_a_checkpoint_fails_the_training_and_a_later_one_goes_on(tmp_path):
    code = (
        "from pathlib import Path\n"
        "from tests.assets.podcasts import test_laughter_training as t\n"
        f"t.fill_up_while_training(Path({str(tmp_path)!r}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 1
    assert "File too large" in done.stderr  # how a full disk shows where files are limited in size
    resumed = train(laughter_predictor, tmp_path, WIDE)
    whole = train(laughter_predictor, tmp_path / "undisturbed", WIDE)
    assert resumed.metrics == pytest.approx(whole.metrics, abs=1e-4)


WIDE = LaughterConfig(max_epochs=4, hidden_dim=4096, batch_size=512)


def fill_up_while_training(folder: Path) -> None:
    """Train until the end of the second epoch, for whose checkpoint there is no room."""
    import signal

    from models.training import progress

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    finished = progress.Progress.on_train_epoch_end

    def limited(self: Any, trainer: Any, module: Any) -> None:
        if trainer.current_epoch == 1:
            resource.setrlimit(resource.RLIMIT_FSIZE, (2**14, resource.RLIM_INFINITY))
        finished(self, trainer, module)

    progress.Progress.on_train_epoch_end = limited
    train(laughter_predictor, folder, WIDE)
