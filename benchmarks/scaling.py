"""The feature pass over a collection with one worker and with two: whole commands, their start-up taken off.

``python -m benchmarks.scaling`` writes songs, registers them in two homes, runs the families that need
neither stems nor weights, and then the same command again, which has nothing to do and so takes the
start-up alone.
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
    command = str(Path(sys.executable).with_name("audio-assets"))
    families = " or ".join(f'key:"{name}"' for name in FAMILIES.split(","))
    measured = {}
    with tempfile.TemporaryDirectory() as folder:
        songs = Path(folder, "songs")
        songs.mkdir()
        for number in range(SONGS):
            write_song(songs / f"song{number:02}.wav", SONG_S, 90 + number)
        for workers in (1, 2):
            environment = {
                **os.environ,
                "AUDIO_ASSETS_HOME": str(Path(folder, f"home{workers}")),
                "AUDIO_ASSETS_WORKERS": str(workers),
            }
            seconds([command, "ingest", str(songs), "--as", "track"], environment)
            whole = seconds([command, "run", families], environment)
            measured[workers] = whole - seconds([command, "run", families], environment)
    print(f"| workers, {SONGS} songs of {SONG_S} s | s beyond start-up | × real time | × one worker |")
    print("|---|---|---|---|")
    for workers, wall_s in measured.items():
        speed = SONGS * SONG_S / wall_s
        print(f"| {workers} | {wall_s:.1f} | {speed:.0f} | {measured[1] / wall_s:.2f} |")


if __name__ == "__main__":
    main()
