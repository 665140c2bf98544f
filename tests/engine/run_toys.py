"""Runs toy assets over the notes of a folder, for tests that kill it or start it twice.

``python -m tests.engine.run_toys FOLDER CHUNK_ITEMS``; prints a line for each chunk that is stored.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from tests.engine.conftest import make_bench

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    bench = make_bench(Path(sys.argv[1]), chunk_items=int(sys.argv[2]))
    print("ready", flush=True)
    bench.run(["lengths", "words"], on_chunk=lambda chunk: print(len(chunk), flush=True))
