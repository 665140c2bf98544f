"""Frames for the laughter predictor: streamed from files beside held in memory, in the same run.

Frames in safetensors files, in the page cache: how fast batches of 512 come out, how fast a whole training
(`fit`) goes through them, and how much memory streaming takes when there are ten times as many episodes.
Medians of epochs, turn about, so that whatever else the machine does slows both alike.
"""

from __future__ import annotations

import gc
import logging
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import torch
from lightning.pytorch import Callback
from safetensors.torch import save_file

from models.laughter.config import TrainingConfig
from models.laughter.training import fit
from models.training.epochs import Epoch
from models.training.frames import FrameDataset, InMemoryFrames
from models.training.settings import Machine
from models.training.shards import Shard, safetensors_shard
from models.training.streaming import StreamingFrames

EPISODE_FRAMES = 2048
REPEATS = 7
FITS, EPOCHS = 3, 3
COLLECTIONS = {"embedded, 576 features, 300 episodes": (576, 300), "published, 4096 features, 80": (4096, 80)}


class Stopwatch(Callback):
    """Seconds of the training part of every epoch."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_train_epoch_start(self, trainer, pl_module):
        self._start = time.perf_counter()

    def on_validation_start(self, trainer, pl_module):
        self.seconds.append(time.perf_counter() - self._start)


def make_episodes(folder: Path, count: int, dim: int) -> list[Shard]:
    rng = np.random.default_rng(0)
    shards = []
    for index in range(count):
        path = folder / f"{dim}-{index}.safetensors"
        labels = (rng.random(EPISODE_FRAMES) < 0.05).astype(np.float32)
        if not path.exists():
            save_file({"frames": torch.randn(EPISODE_FRAMES, dim)}, path)
        shards.append(safetensors_shard(path, labels))
    return shards


def loading_s(data: FrameDataset, epoch: int) -> float:
    start = time.perf_counter()
    for _ in data.batches(Epoch(512, index=epoch)):
        pass
    return time.perf_counter() - start


def training_s(data: FrameDataset, validation: FrameDataset) -> list[float]:
    watch = Stopwatch()
    config = TrainingConfig(max_epochs=EPOCHS, patience=EPOCHS)
    with tempfile.TemporaryDirectory() as out_dir:
        fit(data, validation, config, Path(out_dir), callbacks=[watch], machine=Machine("cpu"))
    return watch.seconds


def growth_mb(data: FrameDataset) -> float:
    process = psutil.Process()
    gc.collect()
    before = process.memory_info().rss
    return (max(process.memory_info().rss for _ in data.batches(Epoch(512))) - before) / 1e6


def main() -> None:
    """Print the tables."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    print("| frames | | in memory | streamed | ratio |\n|---|---|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for label, (dim, episodes) in COLLECTIONS.items():
            shards = make_episodes(folder, episodes, dim)
            memory, stream = InMemoryFrames.from_shards(shards), StreamingFrames(shards)
            validation = InMemoryFrames.from_shards(shards[:1])
            loading = [(loading_s(memory, r), loading_s(stream, r)) for r in range(REPEATS)]
            training = [
                pair
                for _ in range(FITS)
                for pair in zip(training_s(memory, validation), training_s(stream, validation), strict=True)
            ]
            rows = {"batches": np.median(loading, axis=0), "training": np.median(training, axis=0)}
            for what, seconds in rows.items():
                rate = len(memory.labels) / seconds
                print(
                    f"| {label} | {what} | {rate[0]:,.0f} frames/s | {rate[1]:,.0f} frames/s "
                    f"| {rate[1] / rate[0]:.2f} |"
                )
        memory_table(folder)


def memory_table(folder: Path) -> None:
    dim, _ = next(iter(COLLECTIONS.values()))
    print("\n| episodes | on disk | memory while streaming |\n|---:|---:|---:|")
    for count in (40, 400):
        size_mb = count * EPISODE_FRAMES * dim * 4 / 1e6
        data = StreamingFrames(make_episodes(folder, count, dim))
        print(f"| {count} | {size_mb:,.0f} MB | {growth_mb(data):,.0f} MB |")


if __name__ == "__main__":
    main()
