"""The songs of the corpus (``data/works.toml``) and the styles they are played in (``styles.toml``).

A *work* is words, melody and harmony; a *version* is one recording of it: who, in which style, key,
tempo and voice. Versions of a work share its ``work_id``, the clique of version identification.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from audio_assets.demo.music.theory import Key

DATA = Path(__file__).parent.parent / "data"


@dataclass(frozen=True)
class Line:
    """A lyric line with one scale degree per syllable; without words in an instrumental work."""

    words: tuple[tuple[str, ...], ...]  # each word as its syllables
    upbeats: int  # syllables sung before the bar
    degrees: tuple[str, ...]

    @classmethod
    def parse(cls, text: str, melody: str) -> Line:
        """Read ``"_I went down"`` with ``"5, | 1 2"``. Raises ValueError if their counts differ."""
        words = tuple(tuple(word.split("-")) for word in text.lstrip("_").split())
        degrees = tuple(melody.replace("|", " ").split())
        syllables = sum(len(word) for word in words)
        if words and syllables != len(degrees):
            raise ValueError(
                f"{text!r} has {syllables} syllables but its melody {melody!r} has {len(degrees)} "
                "degrees: give one degree per syllable"
            )
        return cls(words, int(text.startswith("_")), degrees)

    @property
    def text(self) -> str:
        """The line as one reads it."""
        return " ".join("".join(word) for word in self.words)


@dataclass(frozen=True)
class Work:
    """Words, melody and harmony. Chords are roman numerals, two per line."""

    work_id: str
    title: str
    mode: str
    language: str
    verse: tuple[Line, ...]
    chorus: tuple[Line, ...]
    verse_chords: tuple[str, ...]
    chorus_chords: tuple[str, ...]

    @property
    def lyrics(self) -> str | None:
        """The words as on a lyric sheet, or None for an instrumental work."""
        stanzas = ["\n".join(line.text for line in part) for part in (self.verse, self.chorus)]
        return "\n\n".join(stanza for stanza in stanzas if stanza) or None

    def excerpt(self) -> Work:
        """The first two lines of the verse: enough of a song for a quick test."""
        return replace(self, verse=self.verse[:2], chorus=(), verse_chords=self.verse_chords[:4])


@dataclass(frozen=True)
class Version:
    """One recording of a work."""

    work: Work
    artist: str
    subgenre: str
    label: str
    key: Key
    bpm: float
    voice: str | None
    format: str
    album: str
    year: int
    tempo: str = "steady"  # or "ritardando", "rubato"
    mix: str = "studio"  # or "live": a large room and applause, "lo-fi": a cassette
    lead: str | None = None  # the melody instrument, where it is not the style's
    drop: tuple[str, ...] = ()
    swap: Mapping[str, str] = field(default_factory=dict)

    @property
    def key_slug(self) -> str:
        """An ASCII name for this recording, unique in the corpus: ``artist-title-label``."""
        return slug(f"{self.artist} {self.work.title} {self.label}")


@dataclass(frozen=True)
class Part:
    """One player of a style. See the head of ``styles.toml`` for roles and patterns."""

    name: str
    instrument: str
    role: str
    register: tuple[int, int]
    level_db: float
    pattern: tuple[str, ...] = ()
    stem: str = "other"
    sections: tuple[str, ...] = ()  # empty: everywhere
    voices: int = 4
    hold: int = 1  # steps a note rings at least
    pan: float = 0.0
    send: float = 0.0
    drive: float = 0.0
    delay: bool = False


@dataclass(frozen=True)
class Style:
    """How a subgenre plays any song."""

    subgenre: str
    genre: str
    meter: int
    line_bars: int
    form: tuple[tuple[str, int], ...]  # (section, bars; 0 where the lyrics decide)
    drums: Mapping[str, Mapping[str, str]]
    kit: str
    drums_db: float
    parts: tuple[Part, ...]
    mood: tuple[str, ...]
    swing: float = 0.5
    swing16: float = 0.5
    syncopated: bool = False
    chord_colour: str = "plain"
    sidechain: bool = False
    crash: bool = False
    harmony: bool = False  # a second voice in the chorus
    reverb_s: float = 1.0
    looseness_s: float = 0.004  # standard deviation of a player's timing


def slug(text: str) -> str:
    """Lower-case ASCII words joined by hyphens.

    >>> slug("Orquesta Malecón: Noche de sal")
    'orquesta-malecon-noche-de-sal'
    """
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", ascii_text.lower()).strip("-")


def _tuples(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}


def _lines(row: Mapping[str, Any], part: str) -> tuple[Line, ...]:
    melodies = row[f"{part}_melody"]
    count = len(row[f"{part}_chords"].split()) // 2
    texts = row.get(part, [""] * count)
    return tuple(Line.parse(texts[i], melodies[i % len(melodies)]) for i in range(count))


@cache
def load_versions() -> tuple[Version, ...]:
    """Every recording of the corpus, in the order of ``works.toml``."""
    versions = []
    for work_id, row in tomllib.loads((DATA / "works.toml").read_text("utf-8"))["works"].items():
        work = Work(
            work_id,
            row["title"],
            row["mode"],
            row.get("language", "en"),
            _lines(row, "verse"),
            _lines(row, "chorus"),
            tuple(row["verse_chords"].split()),
            tuple(row["chorus_chords"].split()),
        )
        for artist, subgenre, label, tonic, bpm, voice, suffix, album, year in row["versions"]:
            key = Key.parse(f"{tonic} {work.mode}")
            special = _tuples(row.get("special", {}).get(label, {}))
            versions.append(
                Version(
                    work, artist, subgenre, label, key, bpm, voice or None, suffix, album, year,
                    **special,
                )
            )  # fmt: skip
    return tuple(versions)


@cache
def load_styles() -> dict[str, Style]:
    """Every style, by subgenre."""
    styles = {}
    for subgenre, row in tomllib.loads((DATA / "styles.toml").read_text("utf-8")).items():
        drums = dict(row.pop("drums"))
        form = [section.partition(":") for section in row.pop("form")]
        styles[subgenre] = Style(
            subgenre=subgenre,
            kit=drums.pop("kit"),
            drums_db=drums.pop("level_db"),
            drums=drums,
            parts=tuple(Part(**_tuples(part)) for part in row.pop("parts")),
            form=tuple((name, int(bars or 0)) for name, _, bars in form),
            **_tuples(row),
        )
    return styles
