"""One cheap job over many small files: the platform beside a hand-written script, in the same run.

300 five-second stereo WAVs and 3 corrupt ones → duration, RMS, integrated loudness, mean centroid in one
table, two workers, whole processes with their start-up: the first time, with nothing to do, and with ten
new files.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

SECONDS, RATE = 5, 44_100
COUNT = """
SELECT (SELECT count(*) FROM clip_summary) AS good, (SELECT count(*) FROM rejected_files) AS bad
"""


def make_clips(folder: Path, first: int, count: int) -> None:
    rng = np.random.default_rng(first)
    time_s = np.arange(SECONDS * RATE) / RATE
    for index in range(first, first + count):
        pitch = rng.uniform(80, 2000)
        tone = 0.2 * np.sin(2 * np.pi * pitch * time_s)
        noise = rng.normal(0, 0.05, (2, tone.size))
        soundfile.write(folder / f"clip{index:04d}.wav", (tone + noise).T.astype(np.float32), RATE)


def make_corrupt(folder: Path) -> None:
    (folder / "corrupt1.wav").write_bytes(b"")
    (folder / "corrupt2.wav").write_bytes(b"this is no audio at all" * 100)
    whole = (folder / "clip0000.wav").read_bytes()
    (folder / "corrupt3.wav").write_bytes(whole[:30])


def run(command: list[str], environment: dict[str, str]) -> float:
    started = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1) or "Traceback" in done.stderr:  # 1: some files are corrupt
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return time.perf_counter() - started


def measure() -> dict[str, object]:
    checkout = Path(__file__).resolve().parent.parent
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        clips, out = root / "clips", root / "out"
        clips.mkdir()
        out.mkdir()
        make_clips(clips, 0, 300)
        make_corrupt(clips)
        environment = {
            **os.environ,
            "PYTHONPATH": str(checkout),
            "AUDIO_ASSETS_HOME": str(root / "home"),
            "AUDIO_ASSETS_MODULES": '["benchmarks.cheap_job_asset"]',
            "AUDIO_ASSETS_WORKERS": "2",
            "OMP_NUM_THREADS": "1",
        }
        by_hand = [sys.executable, "-m", "benchmarks.cheap_job_script", str(clips), str(out)]
        command = [sys.executable, "-m", "audio_assets"]

        def platform() -> float:
            return run(
                [*command, "ingest", str(clips), "--as", "track", "--run", "clip_summary"], environment
            )

        def platform_idle() -> float:
            return run([*command, "run", "clip_summary"], environment)

        figures: dict[str, object] = {}
        figures["first"] = (run(by_hand, environment), platform())
        figures["nothing to do"] = (run(by_hand, environment), platform_idle())
        make_clips(clips, 1000, 10)
        figures["ten new"] = (run(by_hand, environment), platform())
        children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
        figures["largest process GiB"] = children
        count = subprocess.run(
            [*command, "sql", "--format", "json", COUNT],
            env=environment, capture_output=True, text=True, check=True,
        )  # fmt: skip
        figures["rows"] = json.loads(count.stdout)[0]
    return figures


def main() -> None:
    figures = measure()
    print("| cheap job, 303 files | hand-written s | audio-assets s | ratio |")
    print("|---|---|---|---|")
    for name in ("first", "nothing to do", "ten new"):
        by_hand, platform = figures[name]
        print(f"| {name} | {by_hand:.2f} | {platform:.2f} | {platform / by_hand:.2f} |")
    print(f"\nlargest process {figures['largest process GiB']:.2f} GiB; {figures['rows']}")


if __name__ == "__main__":
    main()
