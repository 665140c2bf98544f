"""The feature pass over a collection with one worker and with two: whole commands, their start-up taken off.

``python -m benchmarks.scaling`` writes songs and runs the families that need neither stems nor weights over
them. The start-up (Dagster, workers, libraries) is what the same command takes for as many songs of a second
as there are workers.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.feature_pass import write_song

SONGS, SONG_S = 12, 180
FAMILIES = "loudness,beats,tempo,onsets,rhythm,spectral,saturation,band_rms,tonal,chords,high_level"


def seconds(command: list[str], environment: dict[str, str]) -> float:
    """Wall time of a command that must succeed."""
    started = time.perf_counter()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    """Print the table."""
    command = [sys.executable, "-m", "audio_assets"]
    families = " or ".join(f'key:"{name}"' for name in FAMILIES.split(","))
    measured = {}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(SONGS):
            write_song(Path(folder, f"song{number:02}.wav"), SONG_S, 90 + number)
        for workers in (1, 2):
            short = [Path(folder, f"{workers}-short{number}.wav") for number in range(workers)]
            for number, path in enumerate(short):
                write_song(path, 1, 90 + number)
            wall_s = []
            for name, songs in (("short", short), ("long", sorted(Path(folder).glob("song*.wav")))):
                environment = {
                    **os.environ,
                    "AUDIO_ASSETS_HOME": str(Path(folder, f"home-{name}-{workers}")),
                    "AUDIO_ASSETS_WORKERS": str(workers),
                }
                seconds([*command, "ingest", *map(str, songs), "--as", "track"], environment)
                wall_s.append(seconds([*command, "run", families], environment))
            measured[workers] = wall_s[1] - wall_s[0]
    print(f"| workers, {SONGS} songs of {SONG_S} s | s beyond start-up | × real time | × one worker |")
    print("|---|---|---|---|")
    for workers, wall_s in measured.items():
        speed = SONGS * SONG_S / wall_s
        print(f"| {workers} | {wall_s:.1f} | {speed:.0f} | {measured[1] / wall_s:.2f} |")


if __name__ == "__main__":
    main()
