"""The feature pass against Essentia's MusicExtractor: same files, one process and one thread each.

Run ``python benchmarks/feature_pass.py``; it generates stereo files at 44.1 kHz (or takes those named),
decode included on both sides, and prints a markdown table of CPU seconds, their ratio and, with
``--families``, where the pass spends them. ``--json`` writes the same as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

DURATIONS_S = (60, 150, 240)
SAMPLE_RATE = 44100
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def write_song(path: Path, duration_s: float, bpm: float) -> None:
    """Write a stereo song of drums, bass and chords, with noise so that no part is digital silence."""
    import numpy as np
    import soundfile

    rng = np.random.default_rng(round(bpm))
    n = int(duration_s * SAMPLE_RATE)
    song = 1e-3 * rng.standard_normal((n, 2))
    beat_s = 60 / bpm

    def add(start_s: float, sound: np.ndarray, pan: float) -> None:
        start = int(start_s * SAMPLE_RATE)
        sound = sound[: n - start]
        song[start : start + len(sound)] += sound[:, None] * (1 - pan, pan)

    def tone(hz: float, length_s: float, decay_hz: float) -> np.ndarray:
        t = np.arange(int(length_s * SAMPLE_RATE)) / SAMPLE_RATE
        partials = sum(np.sin(2 * np.pi * hz * k * t) / k for k in range(1, 7))
        return partials * np.exp(-decay_hz * t) * np.minimum(200 * t, 1)

    hit = np.exp(-25 * np.arange(8000) / SAMPLE_RATE)
    for beat in range(int(duration_s / beat_s)):
        root = (0, 9, 5, 7)[beat // 4 % 4]
        if beat % 4 == 0:
            for interval, pan in ((0, 0.2), (4 - root % 5 // 4, 0.5), (7, 0.8)):
                add(beat * beat_s, 0.1 * tone(130.8 * 2 ** ((root + interval) / 12), 4 * beat_s, 0.8), pan)
        add(beat * beat_s, 0.3 * tone(65.4 * 2 ** (root / 12), beat_s, 3), 0.5)
        drum = tone(55, 0.18, 20)[:8000] if beat % 2 == 0 else rng.standard_normal(8000) * hit
        add(beat * beat_s, 0.5 * drum, 0.5)
        add((beat + 0.5) * beat_s, 0.1 * rng.standard_normal(8000) * hit**3, 0.7)
    soundfile.write(path, 0.5 * song / np.abs(song).max(), SAMPLE_RATE)


def run_pass(path: str) -> dict[str, float]:
    """CPU seconds of each part of the feature pass on one file."""
    from audio_assets.assets.music import features
    from audio_assets.audio.signal import Signal
    from audio_assets.engine import ItemAsset
    from audio_assets.features import shared
    from audio_assets.features.constant_q import SAMPLE_RATE as CONSTANT_Q_RATE
    from audio_assets.features.spectrogram import ANALYSIS_RATE

    signal = Signal(path)
    seconds: dict[str, float] = {}

    def timed(name: str, function: Callable[[], object]) -> object:
        start = time.process_time()
        result = function()
        seconds[name] = time.process_time() - start
        return result

    timed("decode", lambda: signal.samples)
    timed("resample", lambda: [signal.mono(rate) for rate in (ANALYSIS_RATE, CONSTANT_Q_RATE)])
    for intermediate in (
        shared.frames,
        shared.accents,
        shared.detected_onsets,
        shared.pulse,
        shared.pitch_classes,
        shared.constant_q_magnitudes,
    ):
        timed(f"{intermediate.__name__} (shared)", lambda function=intermediate: signal.once(function))
    rows: dict[str, object] = {}
    for asset in (value for value in vars(features).values() if isinstance(value, ItemAsset)):
        backends = {role.name: role.backend("embedded")() for role in asset.roles}
        compute = partial(asset, signal, *(rows[name] for name in asset.upstream), **backends)
        rows[asset.name] = timed(asset.name, compute)
    return seconds


def run_music_extractor(path: str) -> dict[str, float]:
    """CPU seconds of Essentia's MusicExtractor, default settings, on one file."""
    import essentia
    from essentia.standard import MusicExtractor

    essentia.log.infoActive = essentia.log.warningActive = False
    start = time.process_time()
    MusicExtractor()(path)
    return {"MusicExtractor": time.process_time() - start}


def measure(paths: list[Path], repeats: int) -> list[dict[str, object]]:
    """Median CPU seconds of both on each file; each tool has a process of its own and is warm."""
    context = get_context("spawn")
    pools = [ProcessPoolExecutor(1, mp_context=context) for _ in range(2)]
    for pool, tool in zip(pools, (run_pass, run_music_extractor), strict=True):
        pool.submit(tool, str(paths[0])).result()
    measured: list[dict[str, object]] = []
    for path in paths:
        runs = [
            (
                pools[0].submit(run_pass, str(path)).result(),
                pools[1].submit(run_music_extractor, str(path)).result(),
            )
            for _ in range(repeats)
        ]
        families = {name: statistics.median(run[0][name] for run in runs) for name in runs[0][0]}
        pass_s = statistics.median(sum(run[0].values()) for run in runs)
        extractor_s = statistics.median(run[1]["MusicExtractor"] for run in runs)
        measured.append(
            {
                "file": path.name,
                "feature_pass_s": pass_s,
                "music_extractor_s": extractor_s,
                "ratio": pass_s / extractor_s,
                "families_s": families,
            }
        )
    for pool in pools:
        pool.shutdown()
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, help="audio files; default: generated songs")
    parser.add_argument("--repeats", type=int, default=3, help="runs per file; the median counts")
    parser.add_argument("--families", action="store_true", help="also print the seconds of each part")
    parser.add_argument("--json", action="store_true", help="print JSON instead of markdown")
    arguments = parser.parse_args()
    os.environ.update(ONE_THREAD)
    with tempfile.TemporaryDirectory() as folder:
        paths = arguments.files
        if not paths:
            paths = [Path(folder) / f"song_{duration_s}s.wav" for duration_s in DURATIONS_S]
            for path, duration_s, bpm in zip(paths, DURATIONS_S, (120, 97, 140), strict=True):
                write_song(path, duration_s, bpm)
        measured = measure(paths, arguments.repeats)
    if arguments.json:
        json.dump(measured, sys.stdout, indent=2)
        return
    print("| file | feature pass, s | MusicExtractor, s | ratio |\n|---|---|---|---|")
    for row in measured:
        print("| {file} | {feature_pass_s:.2f} | {music_extractor_s:.2f} | {ratio:.2f} |".format(**row))
    if arguments.families:
        print("\n| part | " + " | ".join(str(row["file"]) for row in measured) + " |")
        print("|---" * (len(measured) + 1) + "|")
        for name in measured[0]["families_s"]:
            print(f"| {name} | " + " | ".join(f"{row['families_s'][name]:.3f}" for row in measured) + " |")


if __name__ == "__main__":
    main()
