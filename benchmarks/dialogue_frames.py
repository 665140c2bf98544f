"""Dialogue frames: how fast, next to what the computation alone takes.

Run ``python benchmarks/dialogue_frames.py``; it prints two markdown tables.

- Embedded: episodes of two lengths, stereo FLAC at 44.1 kHz, decode included. CPU seconds, audio
  seconds per CPU second, and peak memory, each in a process of its own with one thread.
- Published: a full-size Mimi and a temporal transformer of `--layers` layers (of Moshi's 32), both
  with random weights, through the backend and through a bare loop of transformers, in turn in one
  process. The measure is the ratio of their throughputs.
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

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
RATE = 44_100
TURN_S = 4.0


def write_episode(path: Path, minutes: int) -> None:
    """Two voices (harmonics of 110 and 190 Hz, syllable by syllable) that take turns, and noise."""
    import soundfile

    rng = np.random.default_rng(minutes)
    time_s = np.arange(int(TURN_S * RATE)) / RATE
    syllables = np.maximum(np.sin(2 * np.pi * 3 * time_s), 0)
    voices = [
        syllables * sum(np.sin(2 * np.pi * hz * k * time_s) / k for k in range(1, 30)) * 0.1
        for hz in (110, 190)
    ]
    with soundfile.SoundFile(path, "w", RATE, 2) as file:
        for turn in range(int(60 * minutes / TURN_S)):
            noise = rng.normal(0, 1e-3, (len(time_s), 2))
            file.write((noise + voices[turn % 2][:, None]).astype(np.float32))


def run_embedded(path: str, minutes: int, results: multiprocessing.Queue) -> None:
    """CPU seconds of the frames of an episode, and the peak memory of this process in MB."""
    from audio_assets.assets.podcasts.dialogue_frames import dialogue_frames
    from audio_assets.audio.signal import Signal
    from audio_assets.backends.dialogue_frames.embedded import AcousticDialogueFrames

    turns = [
        {"start_s": i * TURN_S, "end_s": (i + 1) * TURN_S, "speaker": "ab"[i % 2], "source": "imported"}
        for i in range(int(60 * minutes / TURN_S))
    ]
    backend = AcousticDialogueFrames()
    start = time.process_time()
    rows = dialogue_frames(Signal(path), turns, dialogue_frames=backend)
    cpu_s = time.process_time() - start
    held_mb = sum(len(row["frames"].data) for row in rows) / 1e6
    results.put((cpu_s, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, held_mb))


def measure_embedded(minutes: tuple[int, ...]) -> list[tuple[object, ...]]:
    """A row for each length: minutes, CPU seconds, times real time, peak MB, MB of the frames."""
    os.environ |= ONE_THREAD
    context = multiprocessing.get_context("spawn")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for length in minutes:
            path = Path(folder) / f"{length}.flac"
            write_episode(path, length)
            results = context.Queue()
            process = context.Process(target=run_embedded, args=(str(path), length, results))
            process.start()
            cpu_s, peak_mb, held_mb = results.get()
            process.join()
            rows.append(
                (length, f"{cpu_s:.1f}", f"{60 * length / cpu_s:.0f}", f"{peak_mb:.0f}", f"{held_mb:.0f}")
            )
    return rows


def save_models(folder: Path, layers: int) -> None:
    """A full-size Mimi, and a Moshi of full width divided by eight, with random weights."""
    import torch
    from transformers import MimiConfig, MimiModel, MoshiConfig, MoshiForConditionalGeneration

    torch.manual_seed(0)
    mimi = MimiModel(MimiConfig())
    quantizer = mimi.quantizer
    for part in (quantizer.semantic_residual_vector_quantizer, quantizer.acoustic_residual_vector_quantizer):
        for layer in part.layers:
            layer.codebook.embed_sum.normal_()
    mimi.save_pretrained(folder / "mimi")
    config = MoshiConfig(
        hidden_size=512,
        num_hidden_layers=layers,
        num_attention_heads=8,
        ffn_dim=2816,
        audio_encoder_config={"model_type": "mimi", "num_filters": 4, "num_hidden_layers": 1},
        depth_decoder_config={
            "hidden_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "ffn_dim": 32,
        },
    )
    MoshiForConditionalGeneration(config).save_pretrained(folder / "moshi")


def measure_published(seconds: float, layers: int, rounds: int) -> list[tuple[object, ...]]:
    """A row: seconds of audio, times real time of the bare loop and of the backend, their ratio in %."""
    import torch
    from transformers import MimiModel, MoshiForConditionalGeneration

    from audio_assets.backends.dialogue_frames.moshi import (
        CHUNK_FRAMES,
        FRAME_LENGTH,
        SAMPLE_RATE,
        TEXT_PADDING,
        MoshiDialogueFrames,
    )
    from audio_assets.backends.weights import Weights

    streams = np.random.default_rng(0).normal(0, 0.1, (2, int(seconds * SAMPLE_RATE))).astype(np.float32)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save_models(folder, layers)
        backend = MoshiDialogueFrames(
            folder, moshi=Weights(str(folder / "moshi")), mimi=Weights(str(folder / "mimi"))
        )
        mimi = MimiModel.from_pretrained(folder / "mimi").eval()
        moshi = MoshiForConditionalGeneration.from_pretrained(folder / "moshi").eval()

    def bare() -> None:
        samples = torch.from_numpy(streams[:, None])
        with torch.inference_mode():
            for chunk in samples.split(CHUNK_FRAMES * FRAME_LENGTH, dim=2):
                codes = mimi.encode(chunk, num_quantizers=8).audio_codes
                text = torch.full((2, codes.shape[2]), TEXT_PADDING)
                moshi(
                    input_ids=text, moshi_audio_codes=codes.flip(0), user_audio_codes=codes, use_cache=False
                )

    def timed(function: Callable[[], object]) -> float:
        start = time.process_time()
        function()
        return time.process_time() - start

    bare_s, backend_s = [], []
    for _ in range(rounds):
        bare_s.append(timed(bare))
        backend_s.append(timed(lambda: backend.frames([streams])))
    ratio = min(bare_s) / min(backend_s)
    return [
        (seconds, f"{seconds / min(bare_s):.2f}", f"{seconds / min(backend_s):.2f}", f"{100 * ratio:.0f}")
    ]


def print_table(names: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    """A markdown table."""
    print(f"| {' | '.join(names)} |\n|{' ---: |' * len(names)}")
    for row in rows:
        print(f"| {' | '.join(map(str, row))} |")
    print()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=int, nargs="+", default=[10, 60], help="lengths of the episodes")
    parser.add_argument("--seconds", type=float, default=20.0, help="audio for the published backend")
    parser.add_argument("--layers", type=int, default=4, help="layers of the temporal transformer")
    parser.add_argument("--rounds", type=int, default=3, help="the best of so many counts")
    arguments = parser.parse_args()
    print_table(
        ("embedded: minutes", "CPU s", "x real time", "peak MB", "frames MB"),
        measure_embedded(tuple(arguments.minutes)),
    )
    print_table(
        ("published: seconds", "bare, x real time", "backend, x real time", "backend / bare, %"),
        measure_published(arguments.seconds, arguments.layers, arguments.rounds),
    )


if __name__ == "__main__":
    main()
