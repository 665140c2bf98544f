"""Which files to ingest: walk what the user names, in an order that does not depend on the machine.

In a folder, files with an audio extension are found; hidden ones (a leading dot) are left alone.
Symlinks are followed as long as they stay within the folder. What would be audio but cannot be
taken is reported as skipped, with the reason: a link that leads out, a broken link, a pipe, a
folder that may not be read. A file given by name is taken whatever its extension.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from audio_assets.ingest.uris import absolute

AUDIO_EXTENSIONS = frozenset(
    {
        *(".aif", ".aifc", ".aiff", ".au", ".caf", ".rf64", ".snd", ".w64", ".wav", ".wave"),
        *(".alac", ".ape", ".dff", ".dsf", ".flac", ".tta", ".wv"),
        *(".aac", ".ac3", ".amr", ".m4a", ".m4b", ".mp2", ".mp3", ".mpc", ".wma"),
        *(".mka", ".mp4", ".oga", ".ogg", ".opus", ".spx", ".webm"),
    }
)


@dataclass(frozen=True)
class Found:
    """A file to ingest and the folder it was found from, whose subfolders may name its genre."""

    path: Path
    root: Path


@dataclass(frozen=True)
class Skipped:
    """A path that was not taken, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Discovery:
    """What `discover` came upon, each sorted by path."""

    found: tuple[Found, ...]
    skipped: tuple[Skipped, ...]


def discover(paths: Iterable[str | os.PathLike[str]]) -> Discovery:
    """The audio files among and below `paths`, each file once, however many ways lead to it.

    Of several ways the first given counts, within a folder the one without a symlink. Symlinks
    given by name are followed wherever they lead. Files are not opened.
    """
    found: dict[str, Found] = {}
    skipped: list[Skipped] = []
    for given in paths:
        path = absolute(given)
        try:
            mode = path.stat().st_mode
        except OSError as error:
            skipped.append(Skipped(path, _reason(error)))
            continue
        if stat.S_ISDIR(mode):
            _Walk(path, found, skipped).run()
        elif stat.S_ISREG(mode):
            found.setdefault(os.path.realpath(path), Found(path, path.parent))
        else:
            skipped.append(Skipped(path, "it is no regular file"))
    return Discovery(
        found=tuple(sorted(found.values(), key=lambda entry: os.fsencode(entry.path))),
        skipped=tuple(sorted(skipped, key=lambda entry: os.fsencode(entry.path))),
    )


class _Walk:
    """One folder: first all that is really in it, then what its symlinks add."""

    def __init__(self, root: Path, found: dict[str, Found], skipped: list[Skipped]) -> None:
        self._root = root
        self._real_root = os.path.realpath(root)
        self._found = found
        self._skipped = skipped
        self._visited: set[str] = set()
        self._links: list[Path] = []

    def run(self) -> None:
        self._visit(self._root)
        while self._links:
            links, self._links = sorted(self._links, key=os.fsencode), []
            for link in links:
                self._follow(link)

    def _visit(self, folder: Path) -> None:
        pending = [folder]
        while pending:
            folder = pending.pop()
            real = os.path.realpath(folder)
            if real in self._visited:
                continue
            self._visited.add(real)
            try:
                with os.scandir(folder) as entries:
                    visible = [entry for entry in entries if not entry.name.startswith(".")]
            except OSError as error:
                self._skipped.append(Skipped(folder, _reason(error)))
                continue
            for entry in visible:
                path = folder / entry.name
                if entry.is_symlink():
                    self._links.append(path)
                elif entry.is_dir(follow_symlinks=False):
                    pending.append(path)
                else:
                    self._take(path, entry.is_file(follow_symlinks=False))

    def _follow(self, link: Path) -> None:
        try:
            mode = link.stat().st_mode
        except OSError as error:
            if _is_audio(link):
                self._skipped.append(Skipped(link, _reason(error)))
            return
        real = os.path.realpath(link)
        inside = os.path.commonpath([real, self._real_root]) == self._real_root
        if stat.S_ISDIR(mode) or _is_audio(link):
            if not inside:
                reason = f"it is a symlink that leads out of {self._root}: give it by name to take it"
                self._skipped.append(Skipped(link, reason))
            elif stat.S_ISDIR(mode):
                self._visit(link)
            else:
                self._take(link, stat.S_ISREG(mode))

    def _take(self, path: Path, regular: bool) -> None:
        if not _is_audio(path):
            return
        if regular:
            self._found.setdefault(os.path.realpath(path), Found(path, self._root))
        else:
            self._skipped.append(Skipped(path, "it is no regular file"))


def _is_audio(path: Path) -> bool:
    return path.suffix.lower() in AUDIO_EXTENSIONS


def _reason(error: OSError) -> str:
    return f"it cannot be read: {(error.strerror or str(error)).lower()}"
