"""Small corpora with known truth for the tests of laughter models."""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from models.laughter.labels import time_to_laugh
from models.training.frames import InMemoryFrames
from models.training.shards import Shard, safetensors_shard
from models.training.streaming import StreamingFrames


def numbered_shards(lengths, dim=4, dtype=torch.float32) -> list[Shard]:
    """Shards whose frames and labels hold the number of the frame in the corpus."""
    starts = np.cumsum([0, *lengths])
    shards = []
    for index, length in enumerate(lengths):
        numbers = np.arange(starts[index], starts[index] + length, dtype=np.float32)
        frames = torch.from_numpy(numbers)[:, None].repeat(1, dim).to(dtype)
        shards.append(Shard(f"shard {index}", numbers, lambda frames=frames: frames))
    return shards


def laughing_frames(seed, n_frames=1000, dim=16, separation=4.0, rate=0.05):
    """An episode whose laughs shift the first feature by `separation` deviations."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(n_frames) < rate).astype(np.float32)
    frames = rng.standard_normal((n_frames, dim)).astype(np.float32)
    frames[:, 0] += separation * labels
    return torch.from_numpy(frames), labels


def laughing_set(seed, **options) -> InMemoryFrames:
    return InMemoryFrames(*laughing_frames(seed, **options))


def laughing_files(folder: Path, seeds, **options) -> list[Shard]:
    """One safetensors file per episode."""
    shards = []
    for seed in seeds:
        frames, labels = laughing_frames(seed, **options)
        path = folder / f"episode-{seed}.safetensors"
        save_file({"frames": frames}, path)
        shards.append(safetensors_shard(path, labels))
    return shards


def streamed(shards) -> StreamingFrames:
    """Small blocks and chunks, so that small corpora have several."""
    return StreamingFrames(shards, block_frames=512, chunk_frames=128)


def waiting_set(seed) -> InMemoryFrames:
    """Frames whose first feature is the time to the next laugh, capped at 5 s, with a little noise."""
    onsets = np.cumsum(np.random.default_rng(seed).uniform(4, 12, 50))
    labels = time_to_laugh(np.stack([onsets, onsets + 1], axis=1), 2000, cap_s=5)
    noise = np.random.default_rng(seed + 9).standard_normal((2000, 4)).astype(np.float32)
    noise[:, 0] = labels + 0.1 * noise[:, 0]
    return InMemoryFrames(torch.from_numpy(noise), labels)
