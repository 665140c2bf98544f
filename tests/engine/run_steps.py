"""Trains `steps` over the notes of a folder, for tests that kill it or interrupt it.

``python -m tests.engine.run_steps FOLDER``; prints what the training logs.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from audio_assets.engine.run.trainings import run_training
from tests.engine.training_toys import StepsConfig, steps, steps_bench

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    checkpoint, _ = run_training(
        steps_bench(Path(sys.argv[1])).platform, steps, StepsConfig(epochs=4, epoch_s=0.4),
        seed=0, device="cpu", dtype="float32", run_id="test", log=lambda line: print(line, flush=True),
    )  # fmt: skip
    print("resumed after", checkpoint.metrics["resumed_after"], flush=True)
