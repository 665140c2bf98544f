"""A three-hour episode: decoded and resampled in blocks, with the memory that takes."""

from __future__ import annotations

import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from audio_assets.audio.signal import Signal

RATE = 44_100


def write_episode(path: Path, hours: float) -> None:
    rng = np.random.default_rng(0)
    minute = (0.1 * rng.standard_normal((60 * RATE, 2))).astype(np.float32)
    with soundfile.SoundFile(path, "w", RATE, 2, subtype="PCM_16") as file:
        for _ in range(int(hours * 60)):
            file.write(minute)


def main() -> None:
    print("| length | time | speed | peak memory |")
    print("|---|---|---|---|")
    for hours in (0.3, 3.0):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "episode.flac"
            write_episode(path, hours)
            started = time.perf_counter()
            samples = sum(block.shape[-1] for block in Signal(path).blocks(30.0, rate=16_000, mono=True))
            seconds = time.perf_counter() - started
        assert abs(samples / 16_000 - hours * 3600) < 1
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(
            f"| {hours:g} h | {seconds:.1f} s | {hours * 3600 / seconds:.0f} × real time | {peak:.2f} GiB |"
        )


if __name__ == "__main__":
    main()
