"""What the separators that are networks share: mixes as tensors, a chunk at a time, on the best device.

A network sees chunks of the length it was trained on, the last filled up with zeros. On a GPU several go
together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from audio_assets.audio.downmix import Samples

GPU_BATCH = 4
"""Chunks that a GPU separates at a time."""


def batch_size(device: str) -> int:
    """Chunks at a time: on a CPU a batch is no faster, and takes its memory."""
    return GPU_BATCH if device.startswith("cuda") else 1


def apply_to_chunks(
    network: Callable[[Any], Any], chunks: list[Samples], length: int, device: str
) -> list[Samples]:
    """The network's stems for each chunk.

    Shape:
        - network: tensor ``[B, 2, length]`` to ``[B, stems, 2, length]``
        - chunks: each ``[2, n]``, n at most `length`
        - Output: each ``[stems, 2, n]``
    """
    import torch

    batch = np.zeros((len(chunks), 2, length), np.float32)
    for filled, chunk in zip(batch, chunks, strict=True):
        filled[:, : chunk.shape[1]] = chunk
    with torch.inference_mode():
        stems: Samples = network(torch.from_numpy(batch).to(device)).float().cpu().numpy()
    return [found[..., : chunk.shape[1]] for found, chunk in zip(stems, chunks, strict=True)]


def mean_and_deviation(blocks: Iterable[Samples]) -> tuple[float, float]:
    """Mean and standard deviation of a mix's mono sum; 0 and 0 of nothing.

    Shape:
        - blocks: each ``[2, m]``
    """
    n, total, squares = 0, 0.0, 0.0
    for block in blocks:
        mono = block.mean(axis=0, dtype=np.float64)
        n += len(mono)
        total += float(mono.sum())
        squares += float(mono @ mono)
    if n < 2:
        return 0.0, 0.0
    mean = total / n
    return mean, float(np.sqrt(max(squares - n * mean * mean, 0.0) / (n - 1)))
