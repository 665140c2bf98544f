"""``python -m benchmarks``: run all benchmarks and write their tables to docs/benchmarks.md.

``python -m benchmarks NAME …`` runs some of them and prints their tables; with ``--write`` the document then
holds just those.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from datetime import date
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
DOCUMENT = CHECKOUT / "docs" / "benchmarks.md"
BENCHMARKS = {
    "feature_pass": "The feature pass beside Essentia's MusicExtractor",
    "classical_path": "Everything of one song beside MusicExtractor and librosa",
    "scaling": "Two workers beside one",
    "cheap_job": "One cheap job beside a hand-written script",
    "separation": "Source separation",
    "tags": "Labels beside a hand-written loop",
    "engine_overhead": "What the engine adds",
    "lake_concurrency": "Eight writers and a reader",
    "long_episode": "A three-hour episode in blocks",
    "definitions": "Loading the definitions",
    "laughter_data": "Streaming and in-memory frames",
    "dialogue_frames": "Dialogue frames",
}


def run(name: str) -> str:
    """The Markdown that a benchmark prints."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(CHECKOUT)}
    command = [sys.executable, "-m", f"benchmarks.{name}"]
    done = subprocess.run(
        command, env=environment, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout.strip()


def main() -> None:
    """Run what is asked for."""
    names = [name for name in sys.argv[1:] if name != "--write"]
    wanted = names or list(BENCHMARKS)
    sections = []
    for name in wanted:
        print(f"{BENCHMARKS[name]} …", file=sys.stderr, flush=True)
        sections.append(f"## {BENCHMARKS[name]}\n\n{run(name)}\n")
        print(sections[-1], flush=True)
    if not names or "--write" in sys.argv:
        machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
        head = (
            f"# Benchmarks\n\nWritten by `make bench` on {date.today()} ({machine}). Compare ratios, "
            "which were measured side by side in one run; absolute times depend on the machine.\n"
        )
        DOCUMENT.write_text("\n".join([head, *sections]))


if __name__ == "__main__":
    main()
