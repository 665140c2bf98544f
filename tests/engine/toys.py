"""Item assets with no audio in them, for testing the engine.

An item is a small text file: its words are instructions, such as ``crash`` or ``value 3``.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import time
import weakref
from pathlib import Path

from audio_assets.engine import (
    BOOLEAN,
    FLOAT,
    INTEGER,
    OBJECT,
    TEXT,
    Blob,
    Column,
    Item,
    ItemKind,
    NotApplicable,
    Size,
    Table,
    item_asset,
)
from tests.engine import toy_library


def open_note(item: Item) -> str:
    text = Path(item.path).read_text()
    if text.startswith("unreadable"):
        raise ValueError(f"{item.path} is unreadable")
    return text


NOTE = ItemKind("note", "notes", open_note, size=Size("duration_s", "s"))

LENGTHS = Table("lengths", NOTE, [Column("characters", INTEGER, doc="Length", low=0, high=1000)])


@item_asset(table=LENGTHS, group="toys", code_version="1")
def lengths(note: str) -> dict[str, int]:
    match note.split():
        case ["crash", *_]:
            os.kill(os.getpid(), signal.SIGKILL)
        case ["segfault", *_]:
            import ctypes

            ctypes.string_at(0)
        case ["hang", *_]:
            time.sleep(3600)
        case ["grow", *_]:
            hoard = []
            while True:
                hoard.append(bytearray(2**24))
        case ["slow", seconds, *_]:
            time.sleep(float(seconds))
        case ["fail", *_]:
            raise ValueError("the note says fail")
        case ["broken", *_]:
            raise ValueError("no\udcffsuch\0file")
        case ["huge", *_]:
            return {"characters": 10**6}
        case ["silent", *_]:
            raise NotApplicable("nothing to measure")
        case ["leave", *_]:
            raise SystemExit(3)
        case ["fork", *_]:
            if os.fork() == 0:
                time.sleep(60)
            os.kill(os.getpid(), signal.SIGKILL)
        case ["child", seconds]:
            subprocess.Popen(["sleep", seconds], close_fds=False)
            os.kill(os.getpid(), signal.SIGKILL)
        case ["log", path, index]:
            with Path(path).open("a") as log:
                log.write(f"{index} ")
            time.sleep(0.02)
            while int(index) >= 20 and Path(f"{path}.hold").exists():
                time.sleep(0.05)
        case ["talk", *_]:
            print("the note says talk", flush=True)
    return {"characters": toy_library.length(note)}


WORDS = Table(
    "words",
    NOTE,
    [Column("position", INTEGER, doc="Place of the word"), Column("word", TEXT, doc="The word")],
    rows="many",
)


@item_asset(table=WORDS, group="toys", code_version="1")
def words(note: str) -> list[dict[str, object]]:
    return [{"position": n, "word": word} for n, word in enumerate(note.split())]


RATIOS = Table("ratios", NOTE, [Column("characters_per_word", FLOAT, doc="Mean length of a word")])


@item_asset(table=RATIOS, group="more_toys", code_version="1")
def ratios(
    note: str, lengths: dict[str, int], words: list[dict[str, object]], *, scale: float = 1.0
) -> dict[str, float]:
    return {"characters_per_word": scale * lengths["characters"] / max(1, len(words))}


REMARKS = Table("remarks", NOTE, [Column("measured", BOOLEAN, doc="Whether it has a length")])


@item_asset(table=REMARKS, group="more_toys", code_version="1")
def remarks(note: str, lengths: dict[str, int] | None = None) -> dict[str, bool]:
    return {"measured": lengths is not None}


COPIES = Table("copies", NOTE, [Column("copy", OBJECT, doc="The note's text")])


class Hoard:
    """Stands for the memory that a batch takes."""


_hoards: list[weakref.ref[Hoard]] = []


@item_asset(table=COPIES, group="toys", code_version="1", bundle="copies", batch_size=4)
def copies(notes: list[str]) -> list[dict[str, Blob]]:
    if any(note.startswith("crash") for note in notes):
        os.kill(os.getpid(), signal.SIGKILL)
    if any(note.startswith("full") for note in notes):
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, resource.RLIM_INFINITY))
        return [{"copy": Blob(note.encode() * (2**19 if note == "full" else 1), "txt")} for note in notes]
    if _hoards and _hoards[-1]() is not None:
        raise ValueError("what was held when memory ran out is still held")
    if len(notes) > 2:
        hoard = Hoard()
        _hoards.append(weakref.ref(hoard))
        raise MemoryError("more than two at once")
    return [{"copy": Blob(note.encode(), "txt")} for note in notes]


BOMBS = Table("bombs", NOTE, [Column("survived", BOOLEAN, doc="Always true")])


@item_asset(table=BOMBS, group="more_toys", code_version="1", bundle="bombs")
def bombs(note: str) -> dict[str, bool]:
    if "bomb" in note:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"survived": True}


SENTENCES = Table("sentences", NOTE, [Column("sentence", TEXT, doc="All words, in order")])


@item_asset(table=SENTENCES, group="more_toys", code_version="1", bundle="sentences")
def sentences(note: str, words: list[dict[str, object]]) -> dict[str, str]:
    return {"sentence": " ".join(str(row["word"]) for row in words)}
