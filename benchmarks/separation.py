"""Source separation: how fast, in how much memory, and next to what the computation alone takes.

Run ``python -m benchmarks.separation``; it prints two markdown tables.

- Embedded: the asset `stems` on tracks of two lengths, stereo FLAC at 44.1 kHz, from decoding to four FLAC
  files. CPU seconds, audio seconds per CPU second, and peak memory, each in a process of its own with one
  thread.
- Published: Demucs at its full size with random weights, through the backend and through a bare loop of
  the demucs package, in turn in one process. The measure is the ratio of their throughputs. On a GPU if
  there is one. The length is one that both cut into as many chunks: the package takes one more where what
  is left is no longer than the overlap.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.dialogue_frames import ONE_THREAD, print_table

RATE = 44_100
BAR_S = 2.0


def write_track(path: Path, minutes: int) -> None:
    """A kick and a hat on every beat, a bass, two panned chords and a sung fifth, bar by bar."""
    import soundfile

    rng = np.random.default_rng(0)
    time_s = np.arange(int(BAR_S * RATE)) / RATE
    beat_s = time_s % 0.5
    hiss = 0.1 * rng.normal(0, 1, len(time_s)) * np.exp(-beat_s / 0.03)
    kick = 0.4 * np.sin(2 * np.pi * 60 * beat_s) * np.exp(-beat_s / 0.08)

    def tone(hz: float, count: int) -> np.ndarray:
        return sum(np.sin(2 * np.pi * hz * k * time_s) / k for k in range(1, count + 1))

    with soundfile.SoundFile(path, "w", RATE, 2) as file:
        for bar in range(int(60 * minutes / BAR_S)):
            root = 55 * 2 ** ((bar * 5 % 12) / 12)
            middle = hiss + kick + 0.15 * tone(root, 3) + 0.05 * tone(6 * root, 10)
            left, right = 0.04 * tone(4 * root, 8), 0.04 * tone(5 * root, 8)
            file.write(np.stack([middle + left, middle + right], axis=1).astype(np.float32))


def run_embedded(path: str, results: multiprocessing.Queue) -> None:
    """CPU seconds of the stems of a track, the peak memory of this process in MB, and MB of the FLAC."""
    from audio_assets.assets.music.stems import stems
    from audio_assets.audio.signal import Signal
    from audio_assets.backends.separation.embedded import MaskSeparation

    start = time.process_time()
    rows = stems(Signal(path), separation=MaskSeparation())
    cpu_s = time.process_time() - start
    size = sum(row["audio"].data.stat().st_size for row in rows)
    for row in rows:
        row["audio"].data.unlink()
    results.put((cpu_s, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, size / 1e6))


def measure_embedded(minutes: tuple[int, ...]) -> list[tuple[object, ...]]:
    """A row for each length: minutes, CPU seconds, times real time, peak MB, MB of the FLAC files."""
    os.environ |= ONE_THREAD
    context = multiprocessing.get_context("spawn")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for length in minutes:
            path = Path(folder) / f"{length}.flac"
            write_track(path, length)
            results = context.Queue()
            process = context.Process(target=run_embedded, args=(str(path), results))
            process.start()
            cpu_s, peak_mb, flac_mb = results.get()
            process.join()
            rows.append(
                (length, f"{cpu_s:.1f}", f"{60 * length / cpu_s:.0f}", f"{peak_mb:.0f}", f"{flac_mb:.0f}")
            )
    return rows


def save_bag(folder: Path, networks: int) -> None:
    """Full-size networks with random weights as the demucs package publishes them."""
    import json

    import torch
    from demucs.htdemucs import HTDemucs
    from safetensors.torch import save_file

    described = {
        "sources": ["drums", "bass", "other", "vocals"],
        "segment": {"_type": "fraction", "numerator": 39, "denominator": 5},
        "bottom_channels": 512,
    }
    arguments = {**described, "segment": 39 / 5}
    for index in range(networks):
        torch.manual_seed(index)
        network = HTDemucs(**arguments)
        metadata = {"klass": "demucs.htdemucs.HTDemucs", "args": "[]", "kwargs": json.dumps(described)}
        save_file(network.state_dict(), folder / f"{index}.safetensors", metadata)
    (folder / "htdemucs_ft.yaml").write_text(json.dumps({"models": [str(i) for i in range(networks)]}))


def measure_published(seconds: float, networks: int, rounds: int) -> list[tuple[object, ...]]:
    """A row: device, networks, seconds, times real time of the bare loop and the backend, ratio in %."""
    import torch
    from demucs.apply import BagOfModels, apply_model

    from audio_assets.backends.separation.demucs import DemucsSeparation, load_bag
    from audio_assets.backends.weights import Weights
    from audio_assets.resources.accelerator import choose_accelerator

    device = choose_accelerator().device
    mix = np.random.default_rng(0).normal(0, 0.1, (2, int(seconds * RATE))).astype(np.float32)
    blocks = np.array_split(mix, max(1, int(seconds / 10)), axis=1)
    with tempfile.TemporaryDirectory() as folder:
        save_bag(Path(folder), networks)
        backend = DemucsSeparation(Path(folder), model=Weights(folder))
        models, _ = load_bag(Path(folder), "htdemucs_ft")
    bag = BagOfModels(models).to(device).eval()

    def bare() -> None:
        wave = torch.from_numpy(mix)
        scaled = (wave - wave.mean()) / wave.mean(0).std()
        apply_model(bag, scaled[None], shifts=0, overlap=0.25, device=device)

    def through_backend() -> None:
        for _ in backend.separate(lambda: blocks):
            pass

    # What else runs on the machine does not count, but a GPU's time is not this process's.
    clock = time.process_time if device == "cpu" else time.perf_counter

    def timed(function: Callable[[], object]) -> float:
        start = clock()
        function()
        return clock() - start

    bare_s, backend_s = [], []
    for _ in range(rounds):
        bare_s.append(timed(bare))
        backend_s.append(timed(through_backend))
    ratio = min(bare_s) / min(backend_s)
    speeds = (f"{seconds / min(bare_s):.2f}", f"{seconds / min(backend_s):.2f}")
    return [(device, networks, seconds, *speeds, f"{100 * ratio:.0f}")]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=int, nargs="+", default=[4, 40], help="lengths of the tracks")
    parser.add_argument("--seconds", type=float, default=20.0, help="audio for the published backend")
    parser.add_argument("--networks", type=int, default=1, help="in the bag; the published one has four")
    parser.add_argument("--rounds", type=int, default=3, help="the best of so many counts")
    arguments = parser.parse_args()
    print_table(
        ("embedded: minutes", "CPU s", "x real time", "peak MB", "FLAC MB"),
        measure_embedded(tuple(arguments.minutes)),
    )
    print_table(
        (
            "published: device",
            "networks",
            "seconds",
            "bare, x real time",
            "backend, x real time",
            "backend / bare, %",
        ),
        measure_published(arguments.seconds, arguments.networks, arguments.rounds),
    )


if __name__ == "__main__":
    main()
