"""Sung lines: espeak-ng at a constant pitch, its vowels stretched and re-pitched onto the melody.

A line is spoken once on one pitch, near the middle of its melody. Each syllable's vowel is then laid
on its note, beginning with the note, and the consonants keep their natural length in between. Pitch
comes from pitch-synchronous overlap-add (Moulines & Charpentier, Speech Communication 1990): grains
of two periods, cut where the line map says and set down one target period apart, so formants and
with them the words survive. All at espeak's 22 050 Hz; times in seconds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from audio_assets.demo.music.score import Note, SungLine
from audio_assets.demo.music.theory import hertz
from audio_assets.demo.voice import Espeak, Phoneme, SpokenWord, Utterance, Voice

Samples = NDArray[np.float32]
Curve = NDArray[np.float64]

_CONTROL_HZ = 1000
_WORDS_PER_MINUTE = 150
_GLIDE_S = 0.07
_VIBRATO_HZ = 5.4
_VIBRATO_CENTS = 28
_LONGEST_CONSONANTS_S = 0.20
_RELEASE_S = 0.05


@dataclass(frozen=True)
class Syllable:
    """Where a syllable lies in the spoken line: its consonants, its vowel, its consonants."""

    onset_s: float
    vowel_s: float
    vowel_end_s: float
    end_s: float


@dataclass(frozen=True)
class SungPhrase:
    """A line as sung: samples from ``start_s`` on, with the words as heard."""

    start_s: float
    samples: Samples
    words: tuple[SpokenWord, ...]


def sing(
    line: SungLine, espeak: Espeak, voice: Voice, language: str, harmony: Sequence[int] = ()
) -> list[SungPhrase]:
    """Sing ``line``; with ``harmony``, MIDI pitches per note, sing that too, as a second phrase."""
    pitches = [note.midi for note in line.notes]
    middle_hz = round(hertz((min(pitches) + max(pitches)) / 2))
    spoken = espeak.speak(
        line.line.text,
        voice,
        language=language,
        words_per_minute=_WORDS_PER_MINUTE,
        constant_hz=middle_hz,
    )
    syllables = find_syllables(spoken, [len(word) for word in line.line.words])
    start_s, source_s = _line_map(syllables, line.notes)
    times_s = start_s + np.arange(len(source_s)) / _CONTROL_HZ
    words = _sung_words(line, times_s, source_s, syllables)
    phrases = []
    for melody in [pitches, list(harmony)] if harmony else [pitches]:
        pitch_hz = _pitch_curve(times_s, line.notes, melody)
        samples = _overlap_add(spoken, source_s, pitch_hz, middle_hz)
        phrases.append(SungPhrase(start_s, samples, words))
    return phrases


def find_syllables(spoken: Utterance, counts: Sequence[int]) -> list[Syllable]:
    """The syllables of a spoken line, ``counts[i]`` of them in word i.

    Where espeak says fewer vowels than the lyric has syllables, the longest vowel is divided (a
    melisma); where it says more, neighbours are joined. Raises ValueError if it did not say as
    many words as there are.
    """
    words = sorted({phoneme.word for phoneme in spoken.phonemes})
    if len(words) != len(counts):
        said = [word.text for word in spoken.words]
        raise ValueError(f"espeak-ng says {said} as {len(words)} words, the lyric has {len(counts)}")
    spans: list[list[float]] = []
    for word, count in zip(words, counts, strict=True):
        own = [phoneme for phoneme in spoken.phonemes if phoneme.word == word]
        spans += _nuclei(own, count)
    syllables = []
    onset_s = spoken.phonemes[0].start_s
    for index, (start_s, end_s) in enumerate(spans):
        following_s = spans[index + 1][0] if index + 1 < len(spans) else math.inf
        # Consonants belong to the next syllable, unless a word ends between the vowels.
        ends = [w.end_s for w in spoken.words if end_s - 1e-6 <= w.end_s <= following_s]
        coda_s = ends[0] if ends else end_s
        syllables.append(Syllable(onset_s, start_s, end_s, coda_s))
        onset_s = coda_s
    return syllables


def _nuclei(phonemes: Sequence[Phoneme], count: int) -> list[list[float]]:
    """Exactly ``count`` vowel spans [start, end] from the phonemes of one word."""
    spans = [[phoneme.start_s, phoneme.end_s] for phoneme in phonemes if phoneme.is_vowel]
    if not spans:  # a word such as "hmm": its loudest part is as good as a vowel
        spans = [[phonemes[0].start_s, phonemes[-1].end_s]]
    while len(spans) > count:
        gaps = [right[0] - left[1] for left, right in pairwise(spans)]
        join = int(np.argmin(gaps))
        spans[join : join + 2] = [[spans[join][0], spans[join + 1][1]]]
    while len(spans) < count:
        longest = int(np.argmax([end - start for start, end in spans]))
        start, end = spans[longest]
        middle = (start + end) / 2
        spans[longest : longest + 1] = [[start, middle], [middle, end]]
    return spans


def _line_map(syllables: Sequence[Syllable], notes: Sequence[Note]) -> tuple[float, Curve]:
    """When the sung line starts, and which source time sounds at each control step from there.

    Anchors tie song time to source time: vowels begin on their notes, consonants run at about their
    natural speed just before the next vowel, or after the last one.
    """
    first_s = min(syllables[0].vowel_s - syllables[0].onset_s, _LONGEST_CONSONANTS_S)
    anchors = [(notes[0].start_s - first_s, syllables[0].vowel_s - first_s)]
    for index, (syllable, note) in enumerate(zip(syllables, notes, strict=True)):
        anchors.append((note.start_s, syllable.vowel_s))
        if index + 1 < len(notes):
            between_s = syllables[index + 1].vowel_s - syllable.vowel_end_s
            run_s = min(between_s, _LONGEST_CONSONANTS_S, 0.6 * note.duration_s)
            anchors.append((notes[index + 1].start_s - run_s, syllable.vowel_end_s))
        else:
            end_s = note.start_s + note.duration_s
            after_s = syllable.end_s - syllable.vowel_end_s + _RELEASE_S
            anchors.append((end_s, syllable.vowel_end_s))
            anchors.append((end_s + after_s, syllable.vowel_end_s + after_s))
    song_s, source_s = np.array(anchors).T
    steps = np.arange(song_s[0], song_s[-1], 1 / _CONTROL_HZ)
    return float(song_s[0]), np.interp(steps, song_s, source_s)


def _pitch_curve(times_s: Curve, notes: Sequence[Note], melody: Sequence[int]) -> Curve:
    """The melody in hertz at ``times_s``: gliding between notes, with vibrato on the long ones."""
    starts = np.array([note.start_s for note in notes])
    index = np.clip(np.searchsorted(starts, times_s + _GLIDE_S / 2, side="right") - 1, 0, None)
    midi = np.array(melody, dtype=float)[index]
    width = int(_GLIDE_S * _CONTROL_HZ) | 1
    kernel = np.hanning(width + 2)[1:-1]
    smooth = np.convolve(np.pad(midi, width // 2, mode="edge"), kernel / kernel.sum(), "valid")
    into_s = times_s - starts[index]
    long = np.array([note.duration_s > 0.45 for note in notes])[index]
    depth = np.where(long, np.clip((into_s - 0.25) / 0.3, 0, 1), 0) * _VIBRATO_CENTS / 100
    smooth = smooth + depth * np.sin(2 * np.pi * _VIBRATO_HZ * times_s)
    return np.asarray(440 * 2 ** ((smooth - 69) / 12))


def _overlap_add(spoken: Utterance, source_s: Curve, pitch_hz: Curve, grain_hz: int) -> Samples:
    """Set down grains of ``spoken``, cut at ``source_s``, at the rate of ``pitch_hz``."""
    rate = spoken.sample_rate
    period = rate / grain_hz
    voiced = np.zeros(len(spoken.samples) + 1, dtype=bool)
    for phoneme in spoken.phonemes:
        if phoneme.symbol[0] not in "ptkfsʃθhxʔ":
            voiced[int(phoneme.start_s * rate) : int(phoneme.end_s * rate)] = True
    at = np.minimum((source_s * rate).astype(int), len(voiced) - 1)
    # Unvoiced sounds keep the grains' own rate: one after the other gives back what was said.
    rate_hz = np.where(voiced[at], pitch_hz, grain_hz)
    phase = np.cumsum(rate_hz) / _CONTROL_HZ
    marks_s = np.interp(np.arange(1, int(phase[-1])), phase, np.arange(len(phase)) / _CONTROL_HZ)
    grid = np.interp(marks_s, np.arange(len(source_s)) / _CONTROL_HZ, source_s) * rate
    centres = np.round(np.round(grid / period) * period).astype(int)  # whole periods: phases agree
    half = int(period)
    window = np.hanning(2 * half + 1).astype(np.float32)
    padded = np.pad(spoken.samples, (half, 2 * half))
    take = np.clip(centres, 0, len(spoken.samples) - 1)[:, None] + np.arange(2 * half + 1)
    # Closer grains overlap more; the square root keeps the power of a pulse train.
    gain = np.sqrt(grain_hz / np.interp(marks_s, np.arange(len(rate_hz)) / _CONTROL_HZ, rate_hz))
    grains = padded[take] * window * gain[:, None].astype(np.float32)
    put = np.round(marks_s * rate).astype(int)[:, None] + np.arange(2 * half + 1)
    length = int(len(source_s) / _CONTROL_HZ * rate) + 3 * half
    out = np.bincount(put.ravel(), grains.ravel(), minlength=length)[half:]
    fade = int(0.02 * rate)
    sung = out.astype(np.float32)
    sung[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    return sung


def _sung_words(
    line: SungLine, times_s: Curve, source_s: Curve, syllables: Sequence[Syllable]
) -> tuple[SpokenWord, ...]:
    """Each word from where its first syllable starts to sound to where its last one ends."""
    onsets = [syllable.onset_s for syllable in syllables]
    owner = np.clip(np.searchsorted(onsets, source_s + 1e-6, side="right") - 1, 0, None)
    words = []
    first = 0
    for word in line.line.words:
        own = times_s[(owner >= first) & (owner < first + len(word))]
        words.append(SpokenWord("".join(word).strip(",.!?;:"), float(own[0]), float(own[-1])))
        first += len(word)
    return tuple(words)
