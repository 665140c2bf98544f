"""Facts that tests of captions are about."""

import numpy as np

from audio_assets.captions import Facts
from audio_assets.captions.vocabulary import INSTRUMENTS

ALL = Facts(
    duration_s=204.3,
    bpm=127.6,
    has_tempo=True,
    key="Eb",
    scale="minor",
    beats_per_bar=4,
    bar_count=108,
    lufs=-9.7,
    lra=5.2,
    brightness=66.0,
    warmth=57.0,
    chords=("Eb:min", "B:maj"),
    mean_chord_s=1.9,
    genres=("Electronic---Deep House", "Electronic---Techno"),
    moods=("dark", "party"),
    instruments=("synthesizer", "drummachine", "voice"),
    voice=0.9,
    female=0.1,
)


def some_facts(seed):
    """Facts of which about half are missing."""
    rng = np.random.default_rng(seed)
    values = {
        "duration_s": float(rng.uniform(5, 8000)),
        "bpm": float(rng.uniform(40, 300)),
        "has_tempo": True,
        "key": str(rng.choice(["C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"])),
        "scale": str(rng.choice(["major", "minor"])),
        "beats_per_bar": int(rng.integers(1, 13)),
        "bar_count": int(rng.integers(1, 200)),
        "lufs": float(rng.uniform(-40, -4)),
        "lra": float(rng.uniform(0, 25)),
        "brightness": float(rng.uniform(0, 100)),
        "warmth": float(rng.uniform(0, 100)),
        "chords": tuple(
            map(str, rng.choice(["A:min", "C:maj", "Bb:maj"], rng.integers(1, 4), replace=False))
        ),
        "mean_chord_s": 1.0,
        "genres": ("Jazz---Bossa Nova", "Pop---J-pop")[: rng.integers(0, 3)],
        "moods": ("happy", "film", "calm")[: rng.integers(0, 4)],
        "instruments": tuple(map(str, rng.choice(list(INSTRUMENTS), rng.integers(0, 6), replace=False))),
        "voice": float(rng.uniform()),
        "female": float(rng.uniform()),
    }
    return Facts(**{name: value for name, value in values.items() if rng.uniform() < 0.6})
