"""An episode: a script is spoken on a timeline, jokes are laughed at or not, and all of it is known.

What leads to laughter is partly audible and partly chance. Before a punchline's last words there is
a pause, then livelier and rising speech; most listeners who are going to laugh draw breath first.
But one joke in five falls flat, people also laugh at nothing, and excited lines sound alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import gcd

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from audio_assets.demo.music.instruments import INSTRUMENTS, render_note
from audio_assets.demo.music.mix import loudness_lufs, place, reverb_response, reverberate
from audio_assets.demo.podcasts import SAMPLE_RATE
from audio_assets.demo.podcasts.laughter import bump, inhale, laugh, room_tone
from audio_assets.demo.podcasts.script import Say, Show, Writer
from audio_assets.demo.truth import Event, Turn, Word
from audio_assets.demo.voice import Espeak, SpokenWord, Voice, load_voices

Samples = NDArray[np.float32]

_LAUGHS_AT_A_JOKE = 0.80
_LAUGHS_AT_NOTHING = 0.05
_TELLER_LAUGHS_TOO = 0.30
_SPEAKS_INTO_LAUGHTER = 0.35
_BREATHES_IN_BEFORE = 0.60

_LOUDNESS_LUFS = -18.0
_SPEECH_LEVEL = 0.085
_LAUGH_LEVEL = 0.075
_BREATH_LEVEL = 0.014
_ROOM_LEVEL = 0.0012


@dataclass(frozen=True)
class Manner:
    """How a line is spoken, relative to the speaker's own way."""

    tempo: float = 1.0
    pitch: int = 50
    pitch_range: int = 50
    gain_db: float = 0.0
    rise_db: float = 0.0  # gained from its first word to its last


MANNERS = {
    "plain": Manner(),
    "agree": Manner(pitch=45, pitch_range=40, gain_db=-4),
    "filler": Manner(tempo=0.8, pitch=40, pitch_range=20, gain_db=-3),
    "exciting": Manner(tempo=1.06, pitch=64, pitch_range=75, gain_db=2.5),
    "setup": Manner(tempo=0.97, pitch=52, pitch_range=58),
    "lead": Manner(tempo=0.95, pitch=55, pitch_range=62, gain_db=0.5, rise_db=1),
    "punch": Manner(tempo=0.93, pitch=63, pitch_range=80, gain_db=1, rise_db=4.5),
}


@dataclass
class Timeline:
    """Two voices and what is known of them, growing from left to right."""

    show: Show
    voices: tuple[Voice, Voice]
    rng: np.random.Generator
    espeak: Espeak
    now_s: float = 0.4  # when the last sound that must be waited for ended
    last_host: int = 0
    sounds: list[tuple[float, int, Samples]] = field(default_factory=list)  # start, host, samples
    events: list[Event] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)
    punchlines_s: list[float] = field(default_factory=list)  # ends of jokes, laughed at or not

    def put(self, start_s: float, host: int, samples: Samples, label: str) -> float:
        """Add a sound and its event; returns when it ends."""
        start_s = max(0.05, start_s)
        end_s = start_s + len(samples) / SAMPLE_RATE
        self.sounds.append((start_s, host, samples))
        self.events.append(Event(start_s, end_s, label, self.voices[host].name))
        return end_s

    def speak(self, say: Say, pause_s: float | None = None) -> float:
        """Speak a line after the last one: after ``pause_s``, or when this host would come in."""
        manner = MANNERS[say.manner]
        voice = self.voices[say.host]
        rate = 172 * manner.tempo * self.rng.uniform(0.96, 1.04)
        spoken = self.espeak.speak(
            say.text,
            voice,
            words_per_minute=round(rate),
            pitch=int(np.clip(manner.pitch + self.rng.integers(-3, 4), 0, 99)),
            pitch_range=int(np.clip(manner.pitch_range + self.rng.integers(-6, 7), 0, 99)),
        )
        divisor = gcd(SAMPLE_RATE, spoken.sample_rate)
        start, end = spoken.words[0].start_s, spoken.words[-1].end_s
        heard = spoken.samples[int(start * spoken.sample_rate) : int(end * spoken.sample_rate)]
        samples = resample_poly(heard, SAMPLE_RATE // divisor, spoken.sample_rate // divisor) * _level(
            heard, _SPEECH_LEVEL, manner.gain_db
        )
        samples *= 10 ** (np.linspace(-0.5, 0.5, len(samples)) * manner.rise_db / 20)
        if pause_s is None:
            same = say.host == self.last_host
            pause_s = self.rng.uniform(0.18, 0.42) if same else self.rng.normal(0.28, 0.16)
        at_s = max(0.05, self.now_s + max(pause_s, -0.12))
        if say.host != self.last_host and pause_s > 0.32 and self.rng.random() < 0.5:
            self._breathe(say.host, at_s - 0.03)
        label = say.text.strip(".").lower() if say.manner == "filler" else "speech"
        if say.manner == "agree":
            label = "agree"
        end_s = self.put(at_s, say.host, samples.astype(np.float32), label)
        self._note_words(say, at_s - start, spoken.words)
        self.now_s, self.last_host = end_s, say.host
        return end_s

    def _note_words(self, say: Say, offset_s: float, spoken: Iterable[SpokenWord]) -> None:
        name = self.voices[say.host].name
        words = [Word(offset_s + w.start_s, offset_s + w.end_s, w.text, name) for w in spoken]
        self.words += words
        previous = self.turns[-1] if self.turns else None
        if previous and previous.speaker == name:
            text = f"{previous.text} {say.text}"
            self.turns[-1] = Turn(previous.start_s, words[-1].end_s, name, text)
        else:
            self.turns.append(Turn(words[0].start_s, words[-1].end_s, name, say.text))

    def _breathe(self, host: int, end_s: float) -> None:
        length_s = self.rng.uniform(0.22, 0.40)
        breath = inhale(self.voices[host], length_s, SAMPLE_RATE, self.rng)
        self.put(end_s - length_s, host, breath * np.float32(_BREATH_LEVEL), "breath")

    def laugh(self, host: int, start_s: float, strength: float) -> float:
        """``host`` laughs, often after a breath; returns when it ends."""
        if self.rng.random() < _BREATHES_IN_BEFORE:
            self._breathe(host, start_s - 0.04)
        sound = laugh(self.voices[host], strength, SAMPLE_RATE, self.rng)
        level = _LAUGH_LEVEL * (0.7 + 0.7 * strength)
        samples = sound.samples[: int(sound.duration_s * SAMPLE_RATE)] * np.float32(level)
        return self.put(start_s, host, samples, "laughter")

    def react(self, teller: int) -> None:
        """What follows a punchline: laughter, or the silence of a joke that fell flat."""
        punch_end_s = self.now_s
        self.punchlines_s.append(punch_end_s)
        if self.rng.random() >= _LAUGHS_AT_A_JOKE:
            self.now_s += self.rng.uniform(0.3, 0.8)
            return
        strength = float(self.rng.beta(2.2, 2.0))
        start_s = punch_end_s + self.rng.uniform(-0.15, 0.50)
        end_s = self.laugh(1 - teller, start_s, strength)
        if self.rng.random() < _TELLER_LAUGHS_TOO:
            late_s = max(punch_end_s, start_s) + self.rng.uniform(0.15, 0.6)
            end_s = max(end_s, self.laugh(teller, late_s, 0.7 * strength))
        overlap_s = self.rng.uniform(0.2, 0.7) if self.rng.random() < _SPEAKS_INTO_LAUGHTER else 0
        self.now_s = max(punch_end_s, end_s - overlap_s)


def _level(samples: Samples, rms: float, gain_db: float) -> float:
    """The gain that brings what sounds in ``samples`` to ``rms``, and ``gain_db`` more."""
    loud = np.abs(samples) > 0.1 * np.abs(samples).max()
    return float(rms / np.sqrt(np.mean(np.square(samples[loud]))) * 10 ** (gain_db / 20))


def record(show: Show, length_s: float, rng: np.random.Generator) -> tuple[Samples, Timeline]:
    """Perform an episode of about ``length_s``. float32 [1 or 2, n], under full scale, and its truth."""
    voices = load_voices()
    hosts = (voices[show.hosts[0]], voices[show.hosts[1]])
    writer = Writer(show, rng)
    with Espeak() as espeak:
        timeline = Timeline(show, hosts, rng, espeak)
        opening = _jingle(show) if show.jingle else None
        if opening is not None:
            timeline.now_s += len(opening[0]) / SAMPLE_RATE - 0.8  # speech comes in as it fades
        _perform(timeline, writer.opening())
        exchanges = 0
        while timeline.now_s < length_s - 6:
            # The second exchange is a joke, so that no episode, however short, is without one.
            lines = writer.joke(int(rng.integers(2))) if exchanges == 1 else writer.exchange()
            _perform(timeline, lines)
            exchanges += 1
        _perform(timeline, writer.closing())
    _put_things_down(timeline)
    channels = _mix(timeline, opening)
    timeline.events.sort(key=lambda event: event.start_s)
    return channels, timeline


def _perform(timeline: Timeline, lines: Iterable[Say]) -> None:
    for say in lines:
        if say.manner == "punch":
            timeline.speak(say, pause_s=timeline.rng.uniform(0.22, 0.50))
            timeline.react(say.host)
        elif say.manner == "lead":
            timeline.speak(say, pause_s=timeline.rng.uniform(0.25, 0.55))
        else:
            timeline.speak(say)
        if say.manner in ("plain", "exciting") and timeline.rng.random() < _LAUGHS_AT_NOTHING:
            start_s = timeline.now_s + timeline.rng.uniform(0.0, 0.4)
            timeline.now_s = timeline.laugh(int(timeline.rng.integers(2)), start_s, 0.25)


def _put_things_down(timeline: Timeline) -> None:
    """One or two knocks on the table, anywhere."""
    for _ in range(int(timeline.rng.integers(1, 3))):
        at_s = timeline.rng.uniform(1.0, timeline.now_s)
        knock = bump(SAMPLE_RATE, timeline.rng) * np.float32(0.06)
        host = int(timeline.rng.integers(2))
        timeline.put(at_s, host, knock, "noise")


def _jingle(show: Show) -> Samples:
    """The show's tune, [2, n], the same in every episode: an arpeggio that ends on its chord."""
    tune = np.random.default_rng(sum(map(ord, show.name)))
    root = int(tune.integers(57, 65))
    degrees = tune.permutation([0, 4, 7, 12, 16, 7, 4, 12])
    instrument = INSTRUMENTS[str(tune.choice(["marimba", "vibraphone", "electric piano"]))]
    length_s = 3.2
    out = np.zeros((2, int((length_s + 0.4) * SAMPLE_RATE)), dtype=np.float32)
    notes = [(0.18 * index, 0.2, root + degree) for index, degree in enumerate(degrees)]
    notes += [(0.18 * 8, 1.3, root + degree) for degree in (-12, 0, 4, 7)]
    for start_s, length, midi in notes:
        note = render_note(instrument, int(midi), length, 0.8, SAMPLE_RATE)
        start = int(start_s * SAMPLE_RATE)
        end = min(out.shape[1], start + note.shape[1])
        out[:, start:end] += note[:, : end - start]
    return np.asarray(out * (0.22 / np.abs(out).max()), dtype=np.float32)


def _mix(timeline: Timeline, opening: Samples | None) -> Samples:
    """Both voices in the show's layout, with a room around them. [1 or 2, n]"""
    show, rng = timeline.show, timeline.rng
    count = int((timeline.now_s + 1.2) * SAMPLE_RATE)
    voices = np.zeros((2, count), dtype=np.float32)
    for start_s, host, samples in timeline.sounds:
        start = int(start_s * SAMPLE_RATE)
        end = min(count, start + len(samples))
        voices[host, start:end] += samples[: end - start]
    if show.layout == "split":
        # A little of each voice leaks into the other's microphone.
        out = voices + np.float32(0.02) * voices[::-1]
        room = 0.10 * _each_own_room(voices)
        tone = np.stack([room_tone(count, SAMPLE_RATE, rng) for _ in range(2)])
    else:
        spread = 0.30 if show.layout == "stereo" else 0.0
        out = (place(voices[:1], -spread) + place(voices[1:], spread)) / np.float32(np.sqrt(2))
        room = 0.16 * reverberate(out, reverb_response(0.25, SAMPLE_RATE))
        tone = np.stack([room_tone(count, SAMPLE_RATE, rng)] * 2)
    out = out + room + np.float32(_ROOM_LEVEL * rng.uniform(0.6, 1.8)) * tone
    if opening is not None:
        start = int(0.2 * SAMPLE_RATE)
        out[:, start : start + opening.shape[1]] += opening
        end_s = 0.2 + opening.shape[1] / SAMPLE_RATE
        timeline.events.append(Event(0.2, end_s, "music"))
    louder = 10 ** ((_LOUDNESS_LUFS - loudness_lufs(out, SAMPLE_RATE)) / 20)
    out = out * min(louder, 0.95 / float(np.abs(out).max()))
    if show.layout == "mono":
        out = out.mean(axis=0, keepdims=True)
    return np.asarray(out, dtype=np.float32)


def _each_own_room(voices: Samples) -> Samples:
    response = reverb_response(0.3, SAMPLE_RATE)
    return np.stack([reverberate(voice[None], response)[0] for voice in voices])
