"""Tags: throughput of the backend next to a hand-written loop over the same batches.

Run ``python benchmarks/tags.py``; it prints a markdown table. Discogs-EffNet (EfficientNet-B0), VGGish and
the seven heads are of published size with random weights, on ONNX Runtime with one thread. Times are CPU
seconds, the best of `--rounds`, of

- networks: batches made beforehand, sessions of ONNX Runtime called directly;
- script: what a user would write, frames by Essentia, then the same batches through the same sessions;
- backend: `EssentiaTags.tags` on the same samples, with its checks and means.

The measures are those of backend over script and over networks alone.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np


def measure(weights: Path, seconds: float, rounds: int) -> list[object]:
    """A row of the table."""
    import essentia.standard
    import onnxruntime

    from audio_assets.backends.tags import SAMPLE_RATE
    from audio_assets.backends.tags.front_end import MUSICNN, VGGISH
    from audio_assets.backends.tags.published import (
        AUDIOSET_VGGISH,
        BATCH_SIZE,
        BINARY_HEADS,
        EFFNET,
        FAMILY_HEADS,
        SITE,
        EssentiaTags,
    )
    from audio_assets.backends.weights import WeightsFile

    samples = np.random.default_rng(0).normal(0, 0.1, int(seconds * SAMPLE_RATE)).astype(np.float32)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1

    def session(file: WeightsFile) -> onnxruntime.InferenceSession:
        return onnxruntime.InferenceSession(
            str(file.path(weights)), options, providers=["CPUExecutionProvider"]
        )

    def heads(names: dict[str, str]) -> list[onnxruntime.InferenceSession]:
        return [session(WeightsFile(f"{SITE}/classification-heads/{name}.onnx")) for name in names.values()]

    trunks = (
        (MUSICNN, session(EFFNET), heads(FAMILY_HEADS)),
        (VGGISH, session(AUDIOSET_VGGISH), heads(BINARY_HEADS)),
    )

    def patches(front_end) -> np.ndarray:
        names = {MUSICNN: "TensorflowInputMusiCNN", VGGISH: "TensorflowInputVGGish"}
        algorithm = getattr(essentia.standard, names[front_end])()
        cut = essentia.standard.FrameGenerator(
            samples, frameSize=front_end.frame_length, hopSize=front_end.hop_length
        )
        frames = np.array([algorithm(frame) for frame in cut])
        starts = range(0, len(frames) - front_end.patch_length + 1, front_end.patch_hop)
        return np.stack([frames[start : start + front_end.patch_length] for start in starts])

    def run(batches: list[np.ndarray], trunk, on_top) -> list[np.ndarray]:
        embeddings = np.concatenate(
            [trunk.run(["embeddings"], {"melspectrogram": batch})[0] for batch in batches]
        )
        outputs = [head.run(None, {head.get_inputs()[0].name: embeddings})[0] for head in on_top]
        return [output.mean(axis=0) for output in outputs]

    def cut(rows: np.ndarray) -> list[np.ndarray]:
        return [rows[start : start + BATCH_SIZE] for start in range(0, len(rows), BATCH_SIZE)]

    made = [cut(patches(front_end)) for front_end, _, _ in trunks]
    backend = EssentiaTags(weights)

    def networks() -> None:
        for batches, (_, trunk, on_top) in zip(made, trunks, strict=True):
            run(batches, trunk, on_top)

    def script() -> None:
        for front_end, trunk, on_top in trunks:
            run(cut(patches(front_end)), trunk, on_top)

    functions = {"networks": networks, "script": script, "backend": lambda: backend.tags(samples)}
    best = dict.fromkeys(functions, np.inf)
    order = list(functions)
    for _ in range(rounds):
        for name in order:
            best[name] = min(best[name], _cpu_s(functions[name]))
        order = [*order[1:], order[0]]  # what comes first finds other things in the caches
    speeds = [f"{seconds / best[name]:.1f}" for name in best]
    return [
        f"{seconds:g}",
        sum(map(len, made[0])),
        sum(map(len, made[1])),
        *speeds,
        f"{100 * best['script'] / best['backend']:.0f}",
        f"{100 * best['networks'] / best['backend']:.0f}",
    ]


def _cpu_s(function: Callable[[], object]) -> float:
    start = time.process_time()
    function()
    return time.process_time() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--seconds", type=float, nargs="+", default=[60.0, 240.0], help="lengths of the tracks"
    )
    parser.add_argument("--rounds", type=int, default=6, help="the best of so many counts")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        from benchmarks.essentia_models import write_models

        write_models(Path(folder))
        rows = [measure(Path(folder), seconds, arguments.rounds) for seconds in arguments.seconds]
    names = (
        "track, s",
        "patches of EffNet",
        "of VGGish",
        "networks, x real time",
        "script, x real time",
        "backend, x real time",
        "backend / script, %",
        "backend / networks, %",
    )
    print(f"| {' | '.join(names)} |\n|{' ---: |' * len(names)}")
    for row in rows:
        print(f"| {' | '.join(map(str, row))} |")


if __name__ == "__main__":
    main()
