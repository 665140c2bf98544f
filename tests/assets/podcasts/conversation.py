"""Two voices of espeak-ng who take turns, with the time of every turn known exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import soxr

from audio_assets.demo.voice import Espeak, load_voices

RATE = 16_000
LINES = (
    "I went to the market yesterday and you would not believe what I saw there.",
    "Really? Tell me everything about it please, I am curious.",
    "Well, there was a man selling enormous pumpkins, and one rolled down the hill.",
    "That sounds dangerous, did anyone get hurt by it?",
    "No, but it landed right in the middle of the fountain in front of the town hall.",
    "I would have paid good money to see something like that happen.",
)


@dataclass(frozen=True)
class Conversation:
    """`samples` [2, n] with a speaker on each channel; `turns` (start_s, end_s, speaker)."""

    samples: np.ndarray
    turns: list[tuple[float, float, str]]


def converse(speakers=("vera", "miles"), turns=12, pause_s=(0.2, 0.7), noise=1e-3) -> Conversation:
    """`speakers` say lines in turn, with pauses of random length between them."""
    rng = np.random.default_rng(0)
    spoken, times, now = [], [], 0
    with Espeak() as espeak:
        for number in range(turns):
            speaker = speakers[number % len(speakers)]
            said = espeak.speak(LINES[number % len(LINES)], load_voices()[speaker])
            samples = soxr.resample(said.samples, said.sample_rate, RATE)
            now += round(RATE * rng.uniform(*pause_s))
            times.append((now / RATE + said.words[0].start_s, now / RATE + said.words[-1].end_s, speaker))
            spoken.append((now, speakers.index(speaker), samples))
            now += len(samples)
    mixed = rng.normal(0, noise, (2, now + RATE // 2)).astype(np.float32)
    for start, channel, samples in spoken:
        mixed[channel, start : start + len(samples)] += samples
    return Conversation(mixed, times)


def confusion(found, true, duration_s: float) -> float:
    """Share of the time in which one known speaker and one found speaker speak that is not the same.

    `found` are turns; names are mapped to those of `true` in the way that suits best.
    """
    times_s = np.arange(0, duration_s, 0.01)
    names = sorted({name for *_, name in true})
    reference = _who(times_s, true, names)
    hypothesis = _who(
        times_s, [(t.start_s, t.end_s, t.speaker) for t in found], sorted({t.speaker for t in found})
    )
    both = (reference >= 0) & (hypothesis >= 0)
    return min(np.mean(reference[both] != mapped[both]) for mapped in (hypothesis, 1 - hypothesis))


def _who(times_s, turns, names):
    who = np.full(len(times_s), -1)
    for start_s, end_s, name in turns:
        who[(times_s >= start_s) & (times_s < end_s)] = names.index(name)
    return who


def found_share(found, true, duration_s: float) -> tuple[float, float]:
    """Of the time in which someone speaks, the share found; of the time found, the share spoken."""
    times_s = np.arange(0, duration_s, 0.01)
    spoken = _who(times_s, [(s, e, "x") for s, e, _ in true], ["x"]) >= 0
    heard = _who(times_s, [(t.start_s, t.end_s, "x") for t in found], ["x"]) >= 0
    return float((spoken & heard).sum() / spoken.sum()), float((spoken & heard).sum() / heard.sum())
