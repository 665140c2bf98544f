"""How long it takes to load the definitions, in processes of their own."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

RUNS = 5


def seconds(program: str) -> float:
    times = []
    for _ in range(RUNS):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", program], check=True)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def main() -> None:
    bare, dagster = seconds("pass"), seconds("import dagster")
    loaded = seconds("import audio_assets.definitions, sys; assert 'torch' not in sys.modules")
    print("| process | median s |")
    print("|---|---|")
    print(f"| Python alone | {bare:.2f} |")
    print(f"| `import dagster` | {dagster:.2f} |")
    print(f"| `import audio_assets.definitions` | {loaded:.2f} |")


if __name__ == "__main__":
    main()
