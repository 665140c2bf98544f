"""Music with known truth: clicks, drum loops, cadences and chord progressions, mono at 44.1 kHz."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RATE = 44100

NOTES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")

PATTERNS = {
    "rock": ("x.......x.......", "....x.......x...", "x.x.x.x.x.x.x.x."),
    "pushed": ("x.....x.x.......", "....x.......x...", "x.x.x.x.x.x.x.x."),
    "house": ("x...x...x...x...", "....x.......x...", "..x...x...x...x."),
    "breakbeat": ("x.x.......xx....", "....x..x.x..x..x", "x.x.x.x.x.x.x.x."),
    "halftime": ("x.....x.........", "........x.......", "x.x.x.x.x.x.x.x."),
    "disco": ("x...x...x...x...", "....x.......x...", "x.x.x.x.x.x.x.x."),
    "waltz": ("x...........", "....x...x...", "x.x.x.x.x.x."),
}
"""One bar in sixteenths: bass drum, snare, hi-hat."""


@dataclass
class Loop:
    """A drum loop and where its beats, downbeats and strokes are."""

    samples: np.ndarray
    beats_s: np.ndarray
    downbeats_s: np.ndarray
    strokes_s: np.ndarray


def sine(hz, seconds=1.0, amplitude=1.0, rate=RATE):
    t = np.arange(round(seconds * rate)) / rate
    return (amplitude * np.sin(2 * np.pi * hz * t)).astype(np.float32)


def noise(seconds=1.0, amplitude=0.1, seed=0):
    rng = np.random.default_rng(seed)
    return (amplitude * rng.standard_normal(round(seconds * RATE))).astype(np.float32)


def place(times_s, sound, seconds, gains=None):
    """`sound` at each time in `seconds` of silence."""
    samples = np.zeros(round(seconds * RATE))
    for time_s, gain in zip(times_s, np.ones(len(times_s)) if gains is None else gains, strict=True):
        start = max(round(time_s * RATE), 0)
        length = min(len(sound), len(samples) - start)
        samples[start : start + length] += gain * sound[:length]
    return samples


def fading(sound, rate_hz):
    return sound * np.exp(-rate_hz * np.arange(len(sound)) / RATE)


def click_track(bpm, seconds=20.0, start_s=0.3, sound="tick"):
    """A metronome and the times of its clicks."""
    sounds = {
        "tick": fading(sine(1000, 0.2), 60),
        "burst": fading(noise(0.2), 80),
        "impulse": np.array([1.0]),
    }
    times_s = np.arange(start_s, seconds - 0.2, 60 / bpm)
    samples = place(times_s, sounds[sound], seconds)
    return (0.8 * samples / np.abs(samples).max()).astype(np.float32), times_s


def drum_loop(pattern, bpm, seconds=30.0, *, chords=False, jitter_s=0.005, seed=0):
    """A loop of `PATTERNS`, played by a human hand, with a chord change on each downbeat or without."""
    rng = np.random.default_rng(seed)
    parts = PATTERNS[pattern]
    steps = len(parts[0])
    t = np.arange(round(0.25 * RATE)) / RATE
    drums = (
        np.sin(2 * np.pi * (50 * t + 6 * (1 - np.exp(-35 * t)))) * np.exp(-15 * t),
        0.6 * (rng.standard_normal(len(t)) + np.sin(2 * np.pi * 190 * t)) * np.exp(-20 * t),
        0.15 * np.diff(rng.standard_normal(len(t) + 1)) * np.exp(-55 * t),
    )
    grid_s = np.arange(0.2, seconds - 0.3, 15 / bpm)
    samples = np.zeros(round(seconds * RATE))
    struck = []
    for part, drum in zip(parts, drums, strict=True):
        on = np.array([part[i % steps] == "x" for i in range(len(grid_s))])
        times_s = grid_s[on] + rng.normal(0, jitter_s, on.sum())
        samples += place(times_s, drum, seconds, rng.uniform(0.7, 1, on.sum()))
        struck.append(grid_s[on])
    if chords:
        bar_s = steps * 15 / bpm
        for bar, start_s in enumerate(grid_s[::steps]):
            root = (0, 9, 5, 7)[bar % 4]
            triad = chord([48 + root, 52 + root - (root == 9), 55 + root, 36 + root], bar_s, fade_hz=0.7)
            samples += place([start_s], 0.3 * triad, seconds)
    return Loop(
        samples=(0.7 * samples / np.abs(samples).max()).astype(np.float32),
        beats_s=grid_s[::4],
        downbeats_s=grid_s[::steps],
        strokes_s=np.unique(np.concatenate(struck)),
    )


def tone(pitch, seconds, fade_hz=1.5, a4_hz=440.0):
    """A plucked tone of six partials; `pitch` as in MIDI."""
    t = np.arange(round(seconds * RATE)) / RATE
    hz = a4_hz * 2 ** ((pitch - 69) / 12)
    partials = sum(np.sin(2 * np.pi * hz * k * t) / k**1.5 for k in range(1, 7))
    return partials * np.exp(-fade_hz * t) * np.minimum(100 * t, 1)


def chord(pitches, seconds, fade_hz=1.5, a4_hz=440.0):
    return sum(tone(pitch, seconds, fade_hz, a4_hz) for pitch in pitches)


def cadence(tonic, minor, repeats=2):
    """I IV V7 I VI II V I; I IV V7 I VI IV V I in minor."""
    one, four, seventh, five = (0, 4, 7), (5, 9, 12), (7, 11, 14, 17), (7, 11, 14)
    major = [one, four, seventh, one, (9, 12, 16), (2, 5, 9), five, one]
    one, four = (0, 3, 7), (5, 8, 12)
    in_minor = [one, four, seventh, one, (8, 12, 15), four, five, one]
    chords = [
        chord([60 + tonic + p for p in pitches] + [36 + tonic + pitches[0] % 12], 1.0)
        for pitches in (in_minor if minor else major) * repeats
    ]
    samples = np.concatenate(chords)
    return (0.5 * samples / np.abs(samples).max()).astype(np.float32)


def progression(seed, drums=0.0, chord_s=1.0, count=12):
    """Triads in inversions over drums: the samples, the chords' intervals and labels."""
    rng = np.random.default_rng(seed)
    degrees = [(0, "maj"), (9, "min"), (5, "maj"), (7, "maj"), (2, "min"), (4, "min")]
    key = rng.integers(12)
    sounds, labels = [], []
    for degree, quality in (degrees[i] for i in rng.integers(0, 6, count)):
        root = (degree + key) % 12
        third = 4 if quality == "maj" else 3
        inversion = rng.integers(3)
        pitches = [60 + root + p + 12 * (i < inversion) for i, p in enumerate((0, third, 7))]
        sounds.append(chord([*pitches, 36 + root], chord_s))
        labels.append(f"{NOTES[root]}:{quality}")
    samples = np.concatenate(sounds)
    seconds = count * chord_s
    beats_s = np.arange(0, seconds, chord_s / 2)
    samples = samples / np.abs(samples).max()
    samples += drums * place(beats_s, fading(noise(0.2, 0.5), 30), seconds)
    edges = np.arange(count + 1) * chord_s
    intervals = np.stack([edges[:-1], edges[1:]], axis=1)
    return (0.7 * samples / np.abs(samples).max()).astype(np.float32), intervals, labels, beats_s
