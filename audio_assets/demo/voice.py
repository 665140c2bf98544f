"""Speech from espeak-ng, in process, with the time of every word and phoneme.

espeak-ng keeps counters (pitch flutter, roughness, trills) in static memory that no call of its API
resets, so what it says depends on what it said before. ``Espeak`` therefore loads a private copy of
the library: the same calls in the same order on a new ``Espeak`` give the same samples. (A process
keeps about 0.7 MB for each it has loaded: make one for a recording, not one for a word.) The library
and its data come in the ``espeakng-loader`` wheel; nothing is fetched and no program is started.

Times are seconds from the start of the utterance, samples float32 [n] in -1..1 at 22 050 Hz.
"""

from __future__ import annotations

import ctypes
import re
import shutil
import tempfile
import tomllib
from bisect import bisect_left
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

import espeakng_loader
import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

_SYNCHRONOUS = 2
_PHONEME_EVENTS_IN_IPA = 0x1 | 0x2
_DO_NOT_EXIT = 0x8000
_UTF8 = 1
_EVENT_WORD, _EVENT_PHONEME = 1, 7
_RATE, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4
_WORD = re.compile(r"[^\s.,;:!?¿¡\"]+")
_VOWELS = set("aeiouyæøœɐɑɒɔəɚɛɜɝɘɤɨɪɯɵɶʉʊʌʏᵻᵿ")

# What each language needs in its voice file, as in the data files of espeak-ng.
_LANGUAGES = {
    "en": "language en-us\nphonemes en-us\ndictrules 3 6\n",
    "fr": "language fr-fr\ndictrules 1\ntunes s3 c3 q3 e3\n",
    "es": "language es\ndictrules 1\ntunes s6 c6 q6 e6\n",
}


@dataclass(frozen=True)
class Voice:
    """A speaker, as espeak-ng can be told to sound."""

    name: str
    gender: str
    pitch_hz: tuple[int, int]  # where a plain sentence starts and how high it rises
    formants: tuple[int, ...]  # per cent of the standard male voice, formants 0 to 5
    heights: tuple[int, ...] = (100,) * 6  # per cent, formants 0 to 5
    flutter: int = 2
    roughness: int = 1

    def voice_file(self, language: str) -> str:
        """The voice in espeak-ng's own format. Raises KeyError for an unknown language."""
        formants = "".join(
            f"formant {index} {frequency} {height} 100\n"
            for index, (frequency, height) in enumerate(zip(self.formants, self.heights, strict=True))
        )
        return (
            f"name {self.name}\n{_LANGUAGES[language]}gender {self.gender}\n"
            f"pitch {self.pitch_hz[0]} {self.pitch_hz[1]}\n"
            f"flutter {self.flutter}\nroughness {self.roughness}\n{formants}"
        )


@cache
def load_voices() -> dict[str, Voice]:
    """The demo's speakers and singers, by name."""
    text = (Path(__file__).parent / "data" / "voices.toml").read_text(encoding="utf-8")
    voices = {}
    for name, row in tomllib.loads(text).items():
        fields: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in row.items()}
        voices[name] = Voice(name, **fields)
    return voices


@dataclass(frozen=True)
class SpokenWord:
    """A word as heard: its text without punctuation, start and end in seconds."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Phoneme:
    """An IPA symbol (stress marks removed), start and end in seconds, index of its word."""

    symbol: str
    start_s: float
    end_s: float
    word: int

    @property
    def is_vowel(self) -> bool:
        """True for monophthongs, diphthongs and syllabic r."""
        return any(character in _VOWELS for character in self.symbol)


@dataclass(frozen=True)
class Utterance:
    """What ``Espeak.speak`` returns."""

    samples: Samples
    sample_rate: int
    words: tuple[SpokenWord, ...]
    phonemes: tuple[Phoneme, ...]


class _Id(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    ]


_SynthCallback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class Espeak:
    """A private, freshly initialised espeak-ng. Use as a context manager; not thread-safe."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="audio-assets-espeak-")
        library = Path(espeakng_loader.get_library_path())
        copy = Path(self._folder.name) / library.name
        shutil.copyfile(library, copy)
        self._library = ctypes.CDLL(str(copy))
        self._library.espeak_SetVoiceByFile.argtypes = [ctypes.c_char_p]
        self._library.espeak_ng_SetConstF0.argtypes = [ctypes.c_int]
        self._library.espeak_ng_SetRandSeed.argtypes = [ctypes.c_long]
        self._library.espeak_Synth.argtypes = [
            ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint,
            ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p,
        ]  # fmt: skip
        data = str(espeakng_loader.get_data_path()).encode()
        self.sample_rate = int(
            self._library.espeak_Initialize(_SYNCHRONOUS, 0, data, _PHONEME_EVENTS_IN_IPA | _DO_NOT_EXIT)
        )
        if self.sample_rate <= 0:
            raise RuntimeError(f"espeak-ng did not initialise with the data in {data.decode()!r}")
        self._library.espeak_ng_SetRandSeed(1)
        self._blocks: list[NDArray[np.int16]] = []
        self._events: list[tuple[int, int, int, int, str]] = []
        self._callback = _SynthCallback(self._collect)  # espeak keeps only a pointer to it
        self._library.espeak_SetSynthCallback(self._callback)
        self._voice: tuple[Voice, str] | None = None

    def __enter__(self) -> Espeak:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._library.espeak_Terminate()
        self._folder.cleanup()

    def _collect(self, block: Any, count: int, events: Any) -> int:
        """espeak-ng's callback: ctypes pointers to ``count`` samples and to the events of the block."""
        if block and count:
            self._blocks.append(np.ctypeslib.as_array(block, (count,)).copy())
        index = 0
        while events[index].type:
            event = events[index]
            symbol = event.id.string.decode("utf-8", "ignore") if event.type == 7 else ""
            self._events.append((event.type, event.text_position, event.length, event.sample, symbol))
            index += 1
        return 0

    def _use(self, voice: Voice, language: str) -> None:
        if self._voice != (voice, language):
            path = Path(self._folder.name) / f"{voice.name}-{language}"
            if not path.exists():
                path.write_text(voice.voice_file(language), encoding="utf-8")
            if self._library.espeak_SetVoiceByFile(str(path).encode()) != 0:
                raise RuntimeError(f"espeak-ng refused the voice {voice.name!r} ({path})")
            self._voice = (voice, language)

    def speak(
        self,
        text: str,
        voice: Voice,
        *,
        language: str = "en",
        words_per_minute: int = 170,
        pitch: int = 50,
        pitch_range: int = 50,
        constant_hz: int = 0,
    ) -> Utterance:
        """Say ``text``. ``pitch`` and ``pitch_range`` run 0..99 with 50 as the voice's own.

        ``constant_hz`` above 0 holds every voiced sound at that frequency: raw material to sing.
        """
        self._use(voice, language)
        self._library.espeak_SetParameter(_RATE, words_per_minute, 0)
        self._library.espeak_SetParameter(_VOLUME, 80, 0)
        self._library.espeak_SetParameter(_PITCH, pitch, 0)
        self._library.espeak_SetParameter(_RANGE, pitch_range, 0)
        self._library.espeak_ng_SetConstF0(constant_hz)
        self._blocks, self._events = [], []
        encoded = text.encode()
        self._library.espeak_Synth(encoded, len(encoded) + 1, 0, 1, 0, _UTF8, None, None)
        self._library.espeak_Synchronize()
        if not self._blocks:
            raise RuntimeError(f"espeak-ng made no sound of {text!r}")
        samples = np.concatenate(self._blocks).astype(np.float32) / np.float32(32768)
        words, phonemes = _read_events(text, self._events, self.sample_rate, len(samples))
        return Utterance(samples, self.sample_rate, words, phonemes)


def _read_events(
    text: str, events: list[tuple[int, int, int, int, str]], sample_rate: int, count: int
) -> tuple[tuple[SpokenWord, ...], tuple[Phoneme, ...]]:
    """Words of ``text`` and their phonemes from espeak's events; one without symbol is a pause."""
    tokens = list(_WORD.finditer(text))
    ends = [token.end() for token in tokens]
    starts = [event[3] for event in events if event[0] == _EVENT_PHONEME] + [count]
    spoken: list[list[Phoneme]] = [[] for _ in tokens]
    current = 0
    seen = 0
    for kind, position, _, _, symbol in events:
        if kind == _EVENT_WORD:
            current = min(bisect_left(ends, position), len(tokens) - 1)
        elif kind == _EVENT_PHONEME:
            start, end = starts[seen], starts[seen + 1]
            seen += 1
            plain = symbol.strip("ˈˌ-")
            if plain and end > start:
                spoken[current].append(Phoneme(plain, start / sample_rate, end / sample_rate, current))
    _divide_contractions(spoken)
    words = tuple(
        SpokenWord(token.group(), own[0].start_s, own[-1].end_s)
        for token, own in zip(tokens, spoken, strict=True)
        if own
    )
    return words, tuple(phoneme for own in spoken for phoneme in own)


def _divide_contractions(spoken: list[list[Phoneme]]) -> None:
    """Give words such as the second of "on the" their sounds back, in place.

    espeak-ng looks some pairs up as one and reports only the first; the second word begins with the
    consonant before the last vowel of the pair.
    """
    for index in range(1, len(spoken)):
        pair = spoken[index - 1]
        vowels = [place for place, phoneme in enumerate(pair) if phoneme.is_vowel]
        if spoken[index] or len(vowels) < 2:
            continue
        cut = vowels[-1] - (not pair[vowels[-1] - 1].is_vowel)
        spoken[index] = [replace(phoneme, word=index) for phoneme in pair[cut:]]
        spoken[index - 1] = pair[:cut]
