"""Trains `steps` over the notes of a folder, for tests that kill it or interrupt it.

``python -m tests.engine.run_steps FOLDER``; prints what the training logs.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from tests.engine.training_toys import steps_bench

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    bench = steps_bench(Path(sys.argv[1]))
    checkpoint, _ = bench.train("steps", log=lambda line: print(line, flush=True), epochs=4, epoch_s=0.4)
    print("resumed after", checkpoint.metrics["resumed_after"], flush=True)
