"""``python -m benchmarks``: run all benchmarks and write their tables to docs/benchmarks.md.

``python -m benchmarks NAME …`` runs some of them and prints their tables; with ``--write`` they take the
place of what the document has of them.
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
    "planning": "Planning on a ledger with a history",
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


HEAD = """# Benchmarks

Written by `make bench`, section by section. Compare ratios, which were measured side by side in one run;
absolute times depend on the machine.
"""


def written() -> dict[str, str]:
    """The sections of the document, by title."""
    if not DOCUMENT.exists():
        return {}
    parts = DOCUMENT.read_text(encoding="utf-8").split("\n## ")[1:]
    return {part.partition("\n")[0]: f"## {part.rstrip()}\n" for part in parts}


def main() -> None:
    """Run what is asked for."""
    names = [name for name in sys.argv[1:] if name != "--write"]
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    sections = written()
    for name in names or BENCHMARKS:
        title = BENCHMARKS[name]
        print(f"{title} …", file=sys.stderr, flush=True)
        sections[title] = f"## {title}\n\n{run(name)}\n\nMeasured on {date.today()}, {machine}.\n"
        print(sections[title], flush=True)
        if not names or "--write" in sys.argv:
            in_order = [sections[title] for title in BENCHMARKS.values() if title in sections]
            DOCUMENT.write_text("\n".join([HEAD, *in_order]), encoding="utf-8")


if __name__ == "__main__":
    main()
