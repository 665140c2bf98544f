"""What all exports share: the tracks and their names, careful writing, and what is reported."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from audio_assets.assets.catalog import TRACK
from audio_assets.audio.decode import AudioError
from audio_assets.audio.signal import Signal
from audio_assets.engine.declare.tables import Item
from audio_assets.engine.platform import Platform
from audio_assets.engine.state.rows import RowsByItem, rows_by_item
from audio_assets.errors import UserError
from audio_assets.ingest.uris import from_uri
from audio_assets.resources.files import unique_names, write_file
from audio_assets.resources.objects import ObjectError

Row = dict[str, Any]


class ExportError(UserError, ValueError):
    """A track, or everything, cannot be exported; the message says why and what to do."""


@dataclass
class ExportReport:
    """What became of an export: files, and tracks with the reason why there are none."""

    folder: Path
    written: list[Path] = field(default_factory=list)
    unchanged: list[Path] = field(default_factory=list)
    nothing: list[tuple[str, str]] = field(default_factory=list)
    """Tracks for which there is nothing to export (yet)."""
    refused: list[tuple[str, str]] = field(default_factory=list)
    """Tracks that could not be exported."""


class Export:
    """One export under way.

    Raises:
        ExportError: `keys` names what is no track, there is no track, or `folder` is a file.
    """

    def __init__(self, platform: Platform, keys: Sequence[str] | None, folder: Path) -> None:
        everything = platform.items(TRACK)
        unknown = sorted(set(keys or ()) - set(everything))
        if unknown:
            raise ExportError(
                f"{', '.join(unknown[:3])} is no track of the catalog; `audio-assets sql 'SELECT item "
                "FROM tracks'` lists them. Episodes have no exports."
            )
        if not everything:
            raise ExportError("There are no tracks; `audio-assets ingest PATH` registers some.")
        if folder.exists() and not folder.is_dir():
            raise ExportError(f"{folder} is a file; name a folder to export to.")
        self.platform = platform
        self.items = {key: everything[key] for key in (everything if keys is None else sorted(set(keys)))}
        self.names = unique_names({key: track_name(item) for key, item in everything.items()})
        self.report = ExportReport(folder)

    def tracks(self) -> Iterator[tuple[Item, str]]:
        """Each track and its name."""
        for key, item in self.items.items():
            yield item, self.names[key]

    def rows(self, table: str, order: str | None = None) -> RowsByItem:
        """The rows of a table for the tracks."""
        return rows_by_item(self.platform.lake, table, list(self.items), order)

    def write(self, name: str, data: bytes) -> None:
        """Write a file of the output folder.

        Raises:
            ExportError: it would replace original audio.
            OSError: it cannot be written.
        """
        path = self.report.folder / name
        if path.resolve() in self._originals:
            raise ExportError(f"{path} is original audio, which is never written to; export elsewhere")
        kept = self.report.written if write_file(path, data) else self.report.unchanged
        kept.append(path)

    def nothing(self, item: Item, reason: str) -> None:
        """Report that there is nothing to export for a track."""
        self.report.nothing.append((item.key, reason))

    @contextmanager
    def refusals(self, item: Item) -> Iterator[None]:
        """Report an error that concerns one track, and go on with the others."""
        try:
            yield
        except (ExportError, AudioError, ObjectError, OSError) as error:
            self.report.refused.append((item.key, str(error)))

    @cached_property
    def _originals(self) -> frozenset[Path]:
        uris = self.platform.lake.rows("SELECT uri FROM files")
        return frozenset(from_uri(uri).resolve() for (uri,) in uris)


def track_name(item: Item) -> str:
    """What a track is called: its file's name without ending, else its title or key."""
    return from_uri(item.path).stem if item.path else item.record.get("title") or item.key


def open_track(item: Item) -> Signal:
    """The track's audio.

    Raises:
        AudioError: the file is gone, has changed or does not decode.
    """
    signal: Signal = TRACK.open(item)
    return signal


def to_json(values: Mapping[str, Any]) -> bytes:
    """A JSON object as people read it: indented, in UTF-8, a line at the end."""
    return (json.dumps(values, indent=2, ensure_ascii=False, default=str) + "\n").encode()
