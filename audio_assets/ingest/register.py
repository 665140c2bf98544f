"""From files to catalog rows: what `audio-assets ingest` and the inbox sensor do.

Files are inspected by worker processes, so that a file that crashes a decoder costs only itself, and
registered in transactions of a few hundred. A file whose path, size and time of change are known and
whose sidecars are as they were is not read again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from audio_assets.audio.decode import readable
from audio_assets.engine.platform import Platform
from audio_assets.engine.run.isolated import usual_limits
from audio_assets.engine.workers.session import Cause, Crew, Died, Done, Raised, Work
from audio_assets.errors import UserError
from audio_assets.ingest.annotations.events import events_to_json
from audio_assets.ingest.annotations.matching import Matches, match_recordings
from audio_assets.ingest.annotations.podcastfillers import Collection
from audio_assets.ingest.discover import Found, discover
from audio_assets.ingest.files import Counts, Rejected, set_events, write_files
from audio_assets.ingest.folders import Kind
from audio_assets.ingest.inspect import FileToInspect, Recording
from audio_assets.ingest.sidecars import sidecars_digest
from audio_assets.ingest.uris import from_uri, to_uri

INSPECTOR = "audio_assets.ingest.inspect:inspector"
CHUNK_FILES = 256
CHUNK_SECONDS = 10.0


class IngestError(UserError, ValueError):
    """Nothing can be ingested from what was given."""


@dataclass
class Report:
    """What became of the files: numbers, keys of new items by kind, and what was rejected.

    `noted` and `truncated` are numbers of files that were read: with notes, and cut or damaged.
    """

    added: int = 0
    known: int = 0
    moved: int = 0
    noted: int = 0
    truncated: int = 0
    new_keys: dict[str, list[str]] = field(default_factory=lambda: {"track": [], "episode": []})
    rejected: list[tuple[str, str]] = field(default_factory=list)


def register(
    platform: Platform,
    paths: Sequence[str | os.PathLike[str]],
    kind: Kind | None = None,
    on_file: Callable[[int, int], None] = lambda done, total: None,
    limit: int | None = None,
    *,
    skip_rejected: bool = False,
) -> Report:
    """Register the audio in `paths`; at most `limit` files that are not known yet.

    Files that were rejected are tried again, unless with `skip_rejected` those that have not changed since.

    Raises:
        IngestError: there is no audio file in any of `paths`.
    """
    discovery = discover(paths)
    report = Report()
    report.rejected = [(readable(skip.path), skip.reason) for skip in discovery.skipped]
    if not discovery.found and not discovery.skipped:
        raise IngestError(f"No audio files in {', '.join(readable(Path(p)) for p in paths)}.")
    known = _known_files(platform)
    new = [found for found in discovery.found if not _is_known(found, kind, known)]
    report.known = len(discovery.found) - len(new)
    if skip_rejected:
        rejected = _rejected_files(platform)
        new = [found for found in new if not _is_rejected(found, rejected)]
    _Registrar(platform, kind, report).run(new[:limit], on_file)
    return report


KnownFile = tuple[str, int, int, str | None]
"""Kind, size in bytes, time of change in nanoseconds and digest of the files beside."""


def _known_files(platform: Platform) -> dict[str, KnownFile]:
    query = "SELECT uri, kind, size_bytes, modified_ns, sidecars_digest FROM files WHERE state = 'present'"
    return {uri: tuple(rest) for uri, *rest in platform.lake.rows(query)}


def _is_known(found: Found, kind: Kind | None, known: dict[str, KnownFile]) -> bool:
    file = known.get(to_uri(found.path))
    if file is None or (kind is not None and file[0] != kind):
        return False
    return _file_state(found.path) == file[1:3] and sidecars_digest(found.path) == file[3]


FileState = tuple[int, int]
"""Size in bytes and time of change in nanoseconds."""


def _file_state(path: Path) -> FileState | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def _rejected_files(platform: Platform) -> dict[str, FileState]:
    rows = platform.lake.rows("SELECT uri, size_bytes, modified_ns FROM rejected_files")
    return {uri: (size, modified) for uri, size, modified in rows}


def _is_rejected(found: Found, rejected: dict[str, FileState]) -> bool:
    state = rejected.get(to_uri(found.path))
    return state is not None and state == _file_state(found.path)


class _Registrar:
    def __init__(self, platform: Platform, kind: Kind | None, report: Report) -> None:
        self._platform = platform
        self._kind = kind
        self._report = report
        self._now = datetime.now(UTC)
        self._states: dict[str, FileState | None] = {}

    def run(self, files: Sequence[Found], on_file: Callable[[int, int], None]) -> None:
        if not files:
            return
        on_file(0, len(files))
        settings = self._platform.settings
        crew = Crew(min(settings.workers, len(files)), usual_limits(settings))
        good: list[Recording] = []
        bad: list[Rejected] = []
        last, done = time.monotonic(), 0
        work = Work(INSPECTOR, self._kind)
        with closing(self._platform.session.map(work, self._inputs(files), crew)) as events:
            for event in events:
                done += 1
                on_file(done, len(files))
                match event:
                    case Done(FileToInspect(), recording):
                        good.append(recording)
                    case Raised(FileToInspect(path)) | Died(FileToInspect(path)):
                        uri = to_uri(path)
                        state = self._states[uri] or (None, None)
                        bad.append(Rejected(uri, event.reason + _whose_limit(event), *state))
                if len(good) + len(bad) >= CHUNK_FILES or time.monotonic() - last > CHUNK_SECONDS:
                    self._store(good, bad)
                    good, bad, last = [], [], time.monotonic()
        self._store(good, bad)

    def _inputs(self, files: Iterable[Found]) -> Iterator[FileToInspect]:
        for found in files:
            self._states[to_uri(found.path)] = _file_state(found.path)  # before it is read: it may still grow
            yield FileToInspect(found.path, found.root)

    def _store(self, good: Sequence[Recording], bad: Sequence[Rejected]) -> None:
        if not good and not bad:
            return
        counts = Counts()

        def change(connection: duckdb.DuckDBPyConnection) -> None:
            nonlocal counts
            counts = write_files(connection, good, bad, self._kind, self._now)

        self._platform.lake.write(change)
        report = self._report
        report.moved += counts.moved
        report.known += counts.known
        report.noted += sum(bool(recording.notes) for recording in good)
        report.truncated += sum(recording.truncated for recording in good)
        for kind, keys in counts.new_keys.items():
            report.added += len(keys)
            report.new_keys[kind] += keys
        report.rejected += [(readable(from_uri(file.uri)), file.reason) for file in bad]


def _whose_limit(event: Raised | Died) -> str:
    """The setting of the limit that was exceeded, if one was."""
    if isinstance(event, Raised) or event.cause is Cause.ITSELF:
        return ""
    return f" (AUDIO_ASSETS_{'TIME_LIMIT_S' if event.cause is Cause.TIME else 'MEMORY_LIMIT_GIB'})"


def import_events(platform: Platform, collection: Collection) -> Matches:
    """Give the events of a collection to the episodes it names; names that fit none are left out.

    Episodes must be in the catalog before. Events that an episode had imported are replaced.
    """
    places = [
        (item, from_uri(uri).name)
        for item, uri in platform.lake.rows("SELECT item, uri FROM files WHERE kind = 'episode'")
    ]
    matches = match_recordings(collection.events, places)
    events = {item: events_to_json(collection.events[name]) for name, item in matches.items.items()}
    if events:
        platform.lake.write(lambda connection: set_events(connection, events))
    return matches
