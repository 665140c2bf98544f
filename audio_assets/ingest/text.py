"""Text files beside audio: read with care, and song lyrics with times (LRC)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from audio_assets.audio.decode import readable
from audio_assets.errors import UserError

MAX_BYTES = 16 * 2**20
"""Far above any lyrics or transcript: what is larger is something else."""

_TIME = re.compile(r"\[(\d{1,3}):(\d{1,2}(?:[.:]\d{1,3})?)\]")
_WORD_TIME = re.compile(r"<\d{1,3}:\d{1,2}(?:[.:]\d{1,3})?>")
_OFFSET = re.compile(r"\[offset:\s*([+-]?\d{1,9})\s*\]", re.IGNORECASE)
_HEADER = re.compile(r"\[[a-z#]+:.*\]", re.IGNORECASE)


class SidecarError(UserError):
    """A file beside audio that cannot be used; the message names it and says why."""


@dataclass(frozen=True)
class LyricLine:
    """A line of lyrics and when it begins, in seconds."""

    start_s: float
    text: str


def read_text(path: Path) -> str:
    """The text of a UTF-8 or, with a byte order mark, UTF-16 file; line ends become `\\n`.

    Raises:
        SidecarError: it cannot be read, is over 16 MiB, or is not text in those encodings.
    """
    name = readable(path.name)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SidecarError(f"{name}: cannot be read ({(error.strerror or '').lower()})") from error
    if len(data) > MAX_BYTES:
        raise SidecarError(f"{name}: found more than {MAX_BYTES} bytes; wanted a text of fewer")
    utf16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        text = data.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise SidecarError(f"{name}: found no valid UTF-8 ({error.reason}); save it as UTF-8") from error
    if "\0" in text:
        raise SidecarError(f"{name}: found NUL characters; wanted plain text")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def parse_lrc(text: str) -> tuple[LyricLine, ...]:
    """The lines of an LRC text, by time; headers and lines without a time are left out.

    A line with several times comes once for each. `[offset:+ms]` shifts all lines earlier; one of
    over nine digits is none. Times of single words (`<01:02.03>`) are dropped.

    >>> parse_lrc("[ar:Nena]\\n[offset:500]\\n[00:12.50]Hast du <00:13.00>etwas Zeit")
    (LyricLine(start_s=12.0, text='Hast du etwas Zeit'),)
    """
    offset = _OFFSET.search(text)
    offset_s = int(offset[1]) / 1000 if offset else 0.0
    lines = []
    for line in text.splitlines():
        words = _WORD_TIME.sub("", _TIME.sub("", line)).strip()
        for minutes, seconds in _TIME.findall(line):
            start_s = 60 * int(minutes) + float(seconds.replace(":", ".")) - offset_s
            lines.append(LyricLine(round(max(0.0, start_s), 3), words))
    return tuple(sorted(lines, key=lambda line: line.start_s))


def read_lyrics(text: str) -> tuple[str | None, tuple[LyricLine, ...]]:
    """The words of lyrics, None if there are none, and their lines with times if they are LRC.

    >>> read_lyrics("[ti:99 Luftballons]\\n[00:12.50]Hast du etwas Zeit")
    ('Hast du etwas Zeit', (LyricLine(start_s=12.5, text='Hast du etwas Zeit'),))
    """
    timed = parse_lrc(text)
    return (lrc_words(text) if timed else text.strip()) or None, timed


def lrc_words(text: str) -> str:
    """The words of an LRC text without times and headers, as they stand, a line each."""
    lines = (_WORD_TIME.sub("", _TIME.sub("", line)).strip() for line in text.splitlines())
    return "\n".join(line for line in lines if not _HEADER.fullmatch(line)).strip()
