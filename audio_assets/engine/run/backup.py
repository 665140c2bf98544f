"""A backup of a home that stands in folders, made while runs write, and its restoration.

    DIR/backup.json   which state is the backup: replaced last, so that a backup that was killed leaves the one before
    DIR/states/TIME/  what changes: catalog, databases, trainings, audio-assets.toml
    DIR/files/        what is written once: files of tables, objects, artifacts; shared by all states

Databases are copied by SQLite itself, each as of one moment. Trainings come first and files last: whatever a state
names was there before it, and is there after it, since maintenance waits meanwhile. Files that the backup has are not
copied again.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from audio_assets.engine.platform import Platform
from audio_assets.engine.run.damage import find_damage, tells_its_bytes
from audio_assets.engine.run.storage_lock import alone_with_files
from audio_assets.engine.state.kept import FOLDER as PLANS
from audio_assets.errors import UserError
from audio_assets.resources.ducklake import table_files
from audio_assets.resources.lake import Lake
from audio_assets.resources.moved import PLACE
from audio_assets.resources.tracking import ARTIFACTS, database_of, training_root
from audio_assets.settings import Settings
from audio_assets.settings_file import FILE
from audio_assets.whole_files import replacing, sync_folder

INDEX, STATES, FILES = "backup.json", "states", "files"

CATALOG, DATA, OBJECTS = Path("lake/catalog.sqlite"), Path("lake/data"), Path("objects")
MLFLOW, DAGSTER, TRAININGS = Path("mlflow"), Path("dagster"), Path("trainings")
LOCK_ENDINGS = (".lock", "-wal", "-shm", "-journal")


class BackupError(UserError, RuntimeError):
    """A backup that cannot be made or used; the message says what to do."""


@dataclass(frozen=True)
class Backup:
    """What ``backup.json`` says: the state that counts, and all files with their sizes, below ``files``."""

    lake_id: str
    state: str
    made_at: str
    files: dict[str, int]


@dataclass(frozen=True)
class Copied:
    """What a backup came to."""

    files: int
    new_files: int
    new_bytes: int


def read_index(folder: Path) -> Backup | None:
    """What is backed up in a folder; None: nothing."""
    try:
        return Backup(**json.loads((folder / INDEX).read_bytes()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise BackupError(
            f"{folder / INDEX} is damaged: {error}. Make a backup in another folder."
        ) from error


def back_up(platform: Platform, folder: Path) -> Copied:
    """Bring the backup in `folder` to what the home holds now; it is made if there is none.

    Raises:
        BackupError: the home is not in folders, or `folder` holds something else.
    """
    settings = platform.settings
    _check_local(settings)
    before = _check_target(platform, folder)
    state = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%S.%f")
    target, files = folder / STATES / state, folder / FILES
    previous = folder / STATES / before.state if before else None
    with alone_with_files(settings.home):
        _copy_state(settings, target, previous)
        copied: dict[str, int] = {}
        new: list[int] = []
        for source, name in _files(settings, target / CATALOG):
            size, is_new = _copy_file(source, files / name)
            copied[name.as_posix()] = size
            new += [size] if is_new else []
    sync_folder(files)
    backup = Backup(
        platform.objects.lake_id or "", state, datetime.now(UTC).isoformat(timespec="seconds"), copied
    )
    with replacing(folder / INDEX) as index:
        index.write(json.dumps(asdict(backup)).encode())
    _prune(folder, backup)
    return Copied(len(copied), len(new), sum(new))


def restore(folder: Path, settings: Settings, open_platform: Callable[[Settings], Platform]) -> Backup:
    """Make a home of the backup in `folder`, where the settings say; it is read through before it counts.

    Raises:
        BackupError: there is no backup, or it is damaged, or something is where the home is to be.
    """
    _check_local(settings)
    backup = read_index(folder)
    if backup is None:
        raise BackupError(f"There is no backup in {folder}: `audio-assets backup DIR` makes one.")
    home = settings.home
    if home.exists() and any(home.iterdir()):
        raise BackupError(
            f"{home} is not empty, and a backup is restored only into a new home: AUDIO_ASSETS_HOME names one."
        )
    staged = home.with_name(f".{home.name}.restoring")
    shutil.rmtree(staged, ignore_errors=True)
    leftovers = shutil.ignore_patterns(*(f"*{ending}" for ending in LOCK_ENDINGS))
    shutil.copytree(folder / STATES / backup.state, staged, ignore=leftovers)
    for name, size in backup.files.items():
        source = folder / FILES / name
        if not source.is_file() or source.stat().st_size != size:
            raise BackupError(f"The backup in {folder} is damaged: {source} is gone or not of {size} bytes.")
        _copy_once(source, staged / name)
    _check(staged, open_platform)
    if home.exists():
        home.rmdir()
    staged.rename(home)
    sync_folder(home.parent)
    return backup


def _check(staged: Path, open_platform: Callable[[Settings], Platform]) -> None:
    """Read through a home that has been put together."""
    platform = open_platform(
        Settings(home=staged, preset="local", lake_catalog="", lake_data="", objects="", mlflow_uri="")
    )
    try:
        lost = find_damage(platform).lost
    finally:
        platform.lake.close()
        platform.session.close()
    if lost:
        named = "; ".join(f"{one.of} {one.name}: {one.found}" for one in lost[:3])
        raise BackupError(
            f"The backup is damaged in {len(lost)} places ({named}). What could be read is in {staged}: rename "
            "it to use it, and `audio-assets repair` lets the rest be made again."
        )


def _check_local(settings: Settings) -> None:
    catalog = Lake.from_settings(settings).catalog
    if not catalog.startswith("sqlite:") or "://" in settings.lake_data or "://" in settings.objects:
        raise BackupError(
            "This home's tables and objects are in Postgres and S3, which have backups of their own: first dump the "
            "catalog's database (pg_dump), then copy the buckets, or let them keep versions; restore both, and "
            "`audio-assets doctor --deep` says whether they fit together."
        )


def _check_target(platform: Platform, folder: Path) -> Backup | None:
    home = platform.settings.home
    if folder.absolute().is_relative_to(home):
        raise BackupError(
            f"{folder} is in the home {home}, and would be lost with it: choose another folder."
        )
    there = read_index(folder)
    if there is None and folder.exists() and {path.name for path in folder.iterdir()} - {STATES, FILES}:
        raise BackupError(f"{folder} holds other files and no backup: choose an empty or a new folder.")
    if there is not None and there.lake_id != platform.objects.lake_id:
        raise BackupError(
            f"{folder} holds the backup of another home (lake {there.lake_id}): choose another."
        )
    return there


def _copy_state(settings: Settings, target: Path, previous: Path | None) -> None:
    """What changes: trainings, then the catalog, then the other databases."""
    home = settings.home
    for source in (training_root(settings), home / FILE, home / PLACE):
        _copy_tree(
            source, target / source.relative_to(home), previous and previous / source.relative_to(home)
        )
    _copy_database(Path(settings.lake_catalog.removeprefix("sqlite:")), target / CATALOG)
    mlflow = database_of(settings.mlflow_uri)
    if mlflow is not None and mlflow.is_file():
        _copy_database(mlflow, target / MLFLOW / "mlflow.db")
    _copy_tree(settings.dagster_home, target / DAGSTER, previous and previous / DAGSTER)


def _files(settings: Settings, catalog: Path) -> Iterator[tuple[Path, Path]]:
    """What is written once, each with its name below a home: what the copied catalog names, and more."""
    lake = _copy_of_lake(settings, catalog)
    with lake.get_connection() as connection:
        names = [file.path for file in table_files(connection)]
    lake.close()
    for name in names:
        yield Path(settings.lake_data) / name, DATA / name
    for path in _files_below(Path(settings.objects)):
        if path.relative_to(settings.objects).parts[0] != PLANS:
            yield path, OBJECTS / path.relative_to(settings.objects)
    mlflow = database_of(settings.mlflow_uri)
    if mlflow is not None:
        for path in _files_below(mlflow.parent / ARTIFACTS):
            yield path, MLFLOW / path.relative_to(mlflow.parent)


def _copy_of_lake(settings: Settings, catalog: Path) -> Lake:
    return Lake(f"sqlite:{catalog}", settings.lake_data, read_only=True)


def _files_below(folder: Path) -> Iterator[Path]:
    """All files but those that are being written."""
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith("."))


def _copy_tree(source: Path, target: Path, previous: Path | None) -> None:
    """Files as they are, databases by SQLite; what has not changed since `previous` is linked to it."""
    for path in [source] if source.is_file() else _files_below(source):
        if path.name.endswith(LOCK_ENDINGS):
            continue
        name = path.relative_to(source)
        if _is_database(path):
            _copy_database(path, target / name)
            continue
        try:
            _copy_once(path, target / name, previous and previous / name)
        except FileNotFoundError:
            continue  # a file that was replaced or removed meanwhile


def _is_database(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(16) == b"SQLite format 3\0"


def _copy_database(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        closing(sqlite3.connect(source.absolute().as_uri() + "?mode=ro", uri=True, timeout=60)) as there,
        closing(sqlite3.connect(target)) as here,
    ):
        there.backup(here)


def _copy_file(source: Path, target: Path) -> tuple[int, bool]:
    """Copy a file that is written once, unless it is there: what is damaged since must not replace what is good."""
    is_fixed = target.suffix == ".parquet" or tells_its_bytes(target.name)
    if is_fixed and target.is_file():
        return target.stat().st_size, False
    try:
        return _copy_once(source, target)
    except FileNotFoundError as error:
        raise BackupError(
            f"The lake names {source}, which is gone: `audio-assets doctor --deep` lists what is lost, and "
            "`audio-assets repair` mends it. The backup before, if there is one, is as it was."
        ) from error


def _copy_once(source: Path, target: Path, previous: Path | None = None) -> tuple[int, bool]:
    """Copy a file with its time, unless `target` or `previous` is it; its size, and whether it was copied."""
    status = source.stat()
    for there in (target, previous):
        if there is not None and there.is_file():
            found = there.stat()
            if (found.st_size, found.st_mtime_ns) == (status.st_size, status.st_mtime_ns):
                if there is previous:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.hardlink_to(there)
                return found.st_size, False
    with source.open("rb") as contents, replacing(target) as file:
        shutil.copyfileobj(contents, file)
        size = file.tell()
    os.utime(target, ns=(status.st_mtime_ns, status.st_mtime_ns))
    return size, True


def _prune(folder: Path, backup: Backup) -> None:
    """Remove states and files that the backup does not need any more."""
    for state in (folder / STATES).iterdir():
        if state.name != backup.state:
            shutil.rmtree(state)
    for path in list((folder / FILES).rglob("*")):
        if path.is_file() and path.relative_to(folder / FILES).as_posix() not in backup.files:
            path.unlink()
