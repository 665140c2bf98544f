"""Everything the embedded backends tell of one song, beside Essentia's MusicExtractor and librosa.

``python -m benchmarks.classical_path`` writes a song of four minutes, computes every asset of a track on it
with one worker (stems, all features, crops, captions), and adds up what the ledger says each took. Beside
it, in the same run and with one thread: MusicExtractor, then librosa's beat tracker and chroma.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.feature_pass import ONE_THREAD, write_song

SONG_S = 240


def reference_s(path: Path) -> tuple[float, float]:
    """Seconds of MusicExtractor and of librosa's beats and chroma, decode included."""
    import essentia
    import essentia.standard as es

    essentia.log.infoActive = essentia.log.warningActive = False
    started = time.perf_counter()
    es.MusicExtractor()(str(path))
    extracted = time.perf_counter()
    import librosa

    samples, rate = librosa.load(path, sr=22_050)
    librosa.beat.beat_track(y=samples, sr=rate)
    librosa.feature.chroma_cqt(y=samples, sr=rate)
    return extracted - started, time.perf_counter() - extracted


def platform_s(path: Path, home: Path) -> list[tuple[str, float]]:
    """Seconds of every asset of the song, longest first."""
    command = [sys.executable, "-m", "audio_assets"]
    environment = {
        **os.environ,
        **ONE_THREAD,
        "AUDIO_ASSETS_HOME": str(home),
        "AUDIO_ASSETS_WORKERS": "1",
    }

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [*command, *arguments], env=environment, check=True, stdout=subprocess.PIPE, text=True
        )
        return done.stdout

    run("ingest", str(path), "--as", "track", "--run", "*")
    query = "SELECT asset, seconds FROM ledger WHERE item <> '*' ORDER BY seconds DESC"
    return [(row["asset"], row["seconds"]) for row in json.loads(run("sql", query, "--format", "json"))]


def main() -> None:
    """Print the tables."""
    os.environ.update(ONE_THREAD)
    with tempfile.TemporaryDirectory() as folder:
        song = Path(folder, "song.wav")
        write_song(song, SONG_S, 112)
        extractor, librosa = reference_s(song)
        assets = platform_s(song, Path(folder, "home"))
    whole = sum(seconds for _, seconds in assets)
    print(f"| one song of {SONG_S} s | s |")
    print("|---|---|")
    print(f"| MusicExtractor | {extractor:.1f} |")
    print(f"| librosa, beats and chroma | {librosa:.1f} |")
    print(f"| all assets of the track | {whole:.1f} |")
    print(f"| ratio to both together | {whole / (extractor + librosa):.2f} |")
    print("\nLongest: " + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in assets[:8]) + ".")


if __name__ == "__main__":
    main()
