"""A score becomes sound: every part, the kit and the singer, summed into four stems.

Stems are named as separation models name them: drums, bass, other, vocals. One that nobody plays
is absent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, resample_poly, sosfilt

from audio_assets.demo.music import SAMPLE_RATE, drums, mix
from audio_assets.demo.music.instruments import INSTRUMENTS, render_note
from audio_assets.demo.music.melody import third_above
from audio_assets.demo.music.score import DrumHit, Note, Score
from audio_assets.demo.music.singing import sing
from audio_assets.demo.music.works import Part
from audio_assets.demo.voice import Espeak, SpokenWord, load_voices

Samples = NDArray[np.float32]

STEMS = ("drums", "bass", "other", "vocals")
TAIL_S = 1.6
_VOCALS_DB = -16.5
_VOCALS_SEND = 0.22
_HARMONY_GAIN = 0.32
_LOUDNESS_LUFS = {"ambient": -17.0, "waltz": -15.5, "fingerstyle": -15.5}


@dataclass(frozen=True)
class Performance:
    """The 16-bit stems [2, n] at ``SAMPLE_RATE`` and the words as they were sung."""

    stems: Mapping[str, NDArray[np.int16]]
    words: tuple[SpokenWord, ...]

    @property
    def mix(self) -> NDArray[np.int16]:
        """The sum of the stems, [2, n]."""
        return np.asarray(np.sum(list(self.stems.values()), axis=0, dtype=np.int16))


def perform(score: Score, rng: np.random.Generator) -> Performance:
    """Play ``score``; ``rng`` decides the noise in the drums and in the applause."""
    version, style = score.version, score.style
    length = int((score.end_s + TAIL_S) * SAMPLE_RATE)
    live = version.mix == "live"
    room = mix.reverb_response(style.reverb_s * (1.7 if live else 1.0), SAMPLE_RATE)
    buses: dict[str, Samples] = {}
    sends: dict[str, Samples] = {}

    def add(stem: str, samples: Samples, send: float) -> None:
        for bus, gain in ((buses, 1.0), (sends, send + 0.12 * live)):
            if gain:
                bus.setdefault(stem, np.zeros((2, length), np.float32))
                bus[stem] += samples * np.float32(gain)

    beat_s = 60 / version.bpm
    for part, notes in score.parts:
        add(part.stem, _play_part(part, notes, length, beat_s), part.send)
    if score.hits:
        kit = _play_drums(score.hits, style.kit, length, rng)
        add("drums", _at_level(kit, style.drums_db), 0.0)  # one-shots bring their room with them
    words: tuple[SpokenWord, ...] = ()
    if score.sung:
        voice, words = _sing(score, length)
        add("vocals", voice, _VOCALS_SEND)
    for stem, send in sends.items():
        buses[stem] += mix.reverberate(send, room)
    if style.sidechain and score.hits:
        kicks_s = [hit.time_s for hit in score.hits if hit.piece == "kick"]
        ducking = mix.duck(length, kicks_s, SAMPLE_RATE)
        for stem in ("bass", "other"):
            buses[stem] *= ducking
    if live:
        buses["other"] += _applause(length, score.end_s, rng)
    if version.mix == "lo-fi":
        buses = {stem: _cassette(samples) for stem, samples in buses.items()}
    fade = int(0.4 * SAMPLE_RATE)
    for samples in buses.values():
        samples[:, -fade:] *= np.linspace(1, 0, fade, dtype=np.float32) ** 2
    ordered = {stem: buses[stem] for stem in STEMS if stem in buses}
    target_lufs = _LOUDNESS_LUFS.get(version.subgenre, -14.0)
    return Performance(mix.master(ordered, target_lufs, SAMPLE_RATE), words)


def _at_level(samples: Samples, level_db: float) -> Samples:
    gain_db = level_db - mix.rms_db(samples, SAMPLE_RATE)
    return samples * np.float32(10 ** (gain_db / 20))


def _play_part(part: Part, notes: tuple[Note, ...], length: int, beat_s: float) -> Samples:
    """One part in stereo, at its level and place. Notes that are alike are rendered once."""
    instrument = INSTRUMENTS[part.instrument]
    channels = 2 if instrument.detune_cents else 1
    track = np.zeros((channels, length), dtype=np.float32)
    rendered: dict[tuple[int, int, float], Samples] = {}
    for note in notes:
        fiftieths = max(1, round(note.duration_s * 50))
        alike = (note.midi, fiftieths, note.velocity)
        if alike not in rendered:
            rendered[alike] = render_note(instrument, note.midi, fiftieths / 50, note.velocity, SAMPLE_RATE)
        _add_at(track, rendered[alike], note.start_s)
    if part.drive:
        track = mix.drive(track, part.drive, SAMPLE_RATE)
    placed = mix.place(_at_level(track, part.level_db), part.pan)
    return mix.echo(placed, 0.75 * beat_s, SAMPLE_RATE) if part.delay else placed


def _add_at(track: Samples, samples: Samples, start_s: float) -> None:
    start = int(start_s * SAMPLE_RATE)
    end = min(track.shape[1], start + samples.shape[-1])
    track[:, start:end] += samples[..., : end - start]


def _play_drums(hits: tuple[DrumHit, ...], kit: str, length: int, rng: np.random.Generator) -> Samples:
    """The kit in stereo. Two strokes of each piece alternate, as no stroke repeats another."""
    track = np.zeros((2, length), dtype=np.float32)
    strokes = {
        piece: [
            mix.place(drums.render_piece(kit, piece, SAMPLE_RATE, rng)[None], drums.PAN.get(piece, 0))
            for _ in range(2)
        ]
        for piece in sorted({hit.piece for hit in hits})
    }
    for number, hit in enumerate(hits):
        _add_at(track, strokes[hit.piece][number % 2] * np.float32(hit.velocity), hit.time_s)
    return track


def _sing(score: Score, length: int) -> tuple[Samples, tuple[SpokenWord, ...]]:
    """The vocals in stereo, and the words; in the chorus a second voice a third above, softer."""
    version = score.version
    voice = load_voices()[str(version.voice)]
    half = SAMPLE_RATE // 2
    lead = np.zeros((1, length // 2 + 1), dtype=np.float32)
    second = np.zeros_like(lead)
    words: list[SpokenWord] = []
    with Espeak() as espeak:
        for line in score.sung:
            harmony: list[int] = []
            if score.style.harmony and line.section == "chorus":
                harmony = [third_above(note.midi, version.key) for note in line.notes]
            phrases = sing(line, espeak, voice, version.work.language, harmony)
            words += phrases[0].words
            for track, phrase in zip((lead, second), phrases, strict=False):
                start = int(phrase.start_s * half)
                end = min(track.shape[1], start + len(phrase.samples))
                track[0, start:end] += phrase.samples[: end - start]
    shape: Callable[[Samples], Samples] = _voice_filter
    placed = mix.place(shape(lead), 0.0)
    if second.any():
        placed = placed + _HARMONY_GAIN * mix.place(shape(second), 0.3)
    return _at_level(placed[:, :length].astype(np.float32), _VOCALS_DB), tuple(words)


def _voice_filter(voice: Samples) -> Samples:
    """To 44.1 kHz, without rumble, and a little brighter: espeak-ng is dull above 3 kHz."""
    up = resample_poly(voice, 2, 1, axis=-1)
    up = sosfilt(butter(2, 95, "highpass", fs=SAMPLE_RATE, output="sos"), up, axis=-1)
    bright = sosfilt(butter(1, 3000, "highpass", fs=SAMPLE_RATE, output="sos"), up, axis=-1)
    return np.asarray(up + 0.5 * bright, dtype=np.float32)


def _applause(length: int, end_s: float, rng: np.random.Generator) -> Samples:
    """A small audience that starts to clap as the last chord rings."""
    track = np.zeros((2, length), dtype=np.float32)
    start = int((end_s - 0.6) * SAMPLE_RATE)
    clap = drums.render_piece("acoustic", "clap", SAMPLE_RATE, rng)[: SAMPLE_RATE // 10]
    for _ in range(220):
        at = start + int((length - start - len(clap)) * rng.beta(2.0, 1.2))
        track[:, at : at + len(clap)] += mix.place(clap[None], rng.uniform(-1, 1))
    return _at_level(track, -30.0)


def _cassette(samples: Samples) -> Samples:
    """Band-limited and narrow, as a four-track demo is."""
    band = butter(2, (90, 5500), "bandpass", fs=SAMPLE_RATE, output="sos")
    narrow = 0.7 * samples + 0.3 * samples[::-1]
    return np.asarray(sosfilt(band, narrow, axis=-1), dtype=np.float32)
