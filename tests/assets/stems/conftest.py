"""Short songs with known stems, and a separator that knows them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from audio_assets.audio.signal import Signal
from audio_assets.backends.separation import SAMPLE_RATE, STEMS
from audio_assets.engine import Blob
from audio_assets.resources.objects import Objects

BEAT_S = 0.5


class KnownStems:
    """Stands for a separator: gives the stems it was made with, some samples at a time."""

    name, revision, licence = "known", "1", "Apache-2.0"

    def __init__(self, **stems: np.ndarray) -> None:
        self.stems = stems
        self.mixes: list[np.ndarray] = []

    def separate(self, mix):
        blocks = list(mix())
        self.mixes.append(np.concatenate(blocks, axis=1))
        n = self.mixes[-1].shape[1]
        whole = np.zeros((4, 2, n), np.float32)
        for index, stem in enumerate(STEMS):
            if stem in self.stems:
                whole[index] = self.stems[stem][:n]
        yield from np.array_split(whole, range(50_001, n, 50_001), axis=2)


@dataclass
class Stored:
    """Rows of `stems` as another asset gets them: with keys, in an object storage."""

    rows: list[dict]
    objects: Objects

    @classmethod
    def of(cls, rows: Iterable[dict], folder: Path) -> Stored:
        objects = Objects(str(folder / "objects"))
        stored = []
        for row in rows:
            assert isinstance(row["audio"], Blob)
            key = f"stems/item/{row['stem']}.{row['audio'].extension}"
            objects.put(key, row["audio"].data)
            row["audio"].data.unlink()
            stored.append({**row, "audio": key})
        return cls(stored, objects)

    def without(self, *silent: str) -> Stored:
        """The same with some stems silent."""
        rows = [{**row, "is_silent": row["is_silent"] or row["stem"] in silent} for row in self.rows]
        return replace(self, rows=rows)


def clicks(times_s, seconds, hz=None, decay_s=0.03):
    """Noise bursts, or decaying tones of `hz`, at these times."""
    rng = np.random.default_rng(1)
    samples = np.zeros(int(seconds * SAMPLE_RATE))
    time_s = np.arange(int(4 * decay_s * SAMPLE_RATE)) / SAMPLE_RATE
    for start_s in times_s:
        start = int(start_s * SAMPLE_RATE)
        body = rng.normal(0, 0.2, len(time_s)) if hz is None else np.sin(2 * np.pi * hz * time_s)
        part = (body * np.exp(-time_s / decay_s))[: len(samples) - start]
        samples[start : start + len(part)] += part
    return samples.astype(np.float32)


def chord(hz, seconds, amplitude=0.1):
    time_s = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (amplitude * sum(np.sin(2 * np.pi * f * time_s) for f in hz)).astype(np.float32)


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """A temporary folder of the test's own."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


@pytest.fixture(scope="session")
def song():
    """Twelve seconds: drums on the beat, bass off it, a chord that changes every two seconds, no voice."""
    seconds = 12
    beats_s = np.arange(0.25, seconds, BEAT_S)
    bass = clicks(beats_s[:-1] + BEAT_S / 2, seconds, hz=110, decay_s=0.08)
    chords = [(261.6, 329.6, 392.0), (293.7, 370.0, 440.0)]
    other = np.concatenate([chord(chords[i % 2], 2) for i in range(6)])
    stems = {"drums": clicks(beats_s, seconds), "bass": bass, "other": other}
    return beats_s, {name: np.stack([samples, samples]) for name, samples in stems.items()}


@pytest.fixture(scope="session")
def stored(song, tmp_path_factory):
    """The song's stems, separated and stored."""
    from audio_assets.assets.music.stems import stems

    _, known = song
    track = Signal.from_array(sum(known.values()), SAMPLE_RATE)
    rows = stems(track, separation=KnownStems(**known))
    return Stored.of(rows, tmp_path_factory.mktemp("stored"))
