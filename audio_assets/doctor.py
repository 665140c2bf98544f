"""`audio-assets doctor`: what this machine and this home have, and what each missing part would enable."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from audio_assets.resources.lake import Lake, LakeError, extension_file
from audio_assets.resources.objects import ObjectError, Objects
from audio_assets.settings import Settings, available_cores

LOW_DISK_GIB = 5


class Level(Enum):
    """How a finding is meant."""

    GOOD = "good"
    ABSENT = "absent"
    BAD = "bad"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    level: Level
    what: str
    found: str
    advice: str = ""


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at everything; a check that breaks is itself a finding."""
    checks: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
        _machine, _accelerators, _codecs, _analysis, _extensions, _lake, _objects, _backends,
    )  # fmt: skip
    for check in checks:
        try:
            yield from check(settings)
        except Exception as error:
            name = check.__name__.strip("_")
            yield Finding(Level.BAD, name, f"{type(error).__name__}: {error}", "this check itself broke")


def _machine(settings: Settings) -> Iterator[Finding]:
    yield Finding(Level.GOOD, "Python", sys.version.split()[0])
    cores = available_cores()
    yield Finding(
        Level.GOOD, "cores", f"{cores}, {settings.workers} workers", "AUDIO_ASSETS_WORKERS sets workers"
    )
    settings.home.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(settings.home).free / 2**30
    writable = os.access(settings.home, os.W_OK)
    level = Level.GOOD if writable and free > LOW_DISK_GIB else Level.BAD
    advice = "" if level is Level.GOOD else "free space, or set AUDIO_ASSETS_HOME to another folder"
    state = "" if writable else ", not writable"
    yield Finding(level, "home", f"{settings.home}, {free:.0f} GiB free{state}", advice)


def _accelerators(_: Settings) -> Iterator[Finding]:
    import torch

    build = f"torch {torch.__version__}"
    if torch.cuda.is_available():
        runtime = f"ROCm {torch.version.hip}" if torch.version.hip else f"CUDA {torch.version.cuda}"
        for index in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(index)
            size = properties.total_memory / 2**30
            yield Finding(Level.GOOD, "GPU", f"{properties.name}, {size:.0f} GiB, {runtime}, {build}")
    else:
        yield Finding(
            Level.ABSENT,
            "GPU",
            f"none ({build})",
            "all defaults run on CPU; a CUDA or ROCm build of torch speeds up published models",
        )


def _codecs(_: Settings) -> Iterator[Finding]:
    import av
    import soundfile

    yield Finding(Level.GOOD, "libsndfile", soundfile.__libsndfile_version__, "wav, flac, ogg, mp3, aiff")
    version = ".".join(map(str, av.library_versions["libavcodec"]))
    wanted = ("aac", "alac", "opus", "wmav2", "mp3float", "vorbis", "ac3")
    missing = [name for name in wanted if name not in av.codecs_available]
    level = Level.BAD if missing else Level.GOOD
    advice = f"no decoder for {', '.join(missing)}" if missing else "m4a, opus, wma and the rest"
    yield Finding(level, "FFmpeg", f"libavcodec {version}", advice)


def _analysis(_: Settings) -> Iterator[Finding]:
    yield Finding(Level.GOOD, "Essentia", importlib.metadata.version("essentia"), "licence AGPL-3.0")
    if importlib.util.find_spec("espeakng_loader"):
        yield Finding(Level.GOOD, "espeak-ng", "found", "voices of the demo corpus")
    else:
        yield Finding(Level.ABSENT, "espeak-ng", "not found", "pip install espeakng-loader: the demo corpus")


def _extensions(settings: Settings) -> Iterator[Finding]:
    for name in ("ducklake", "sqlite_scanner", "postgres_scanner", "httpfs"):
        try:
            yield Finding(Level.GOOD, f"DuckDB {name}", extension_file(name).parent.name)
        except LakeError as error:
            yield Finding(Level.BAD, f"DuckDB {name}", "not installed", str(error))


def _lake(settings: Settings) -> Iterator[Finding]:
    lake = Lake.from_settings(settings, read_only=True)
    where = f"{settings.preset}: {settings.lake_catalog.partition(':')[0]}, {settings.lake_data}"
    if not lake.exists:
        yield Finding(Level.ABSENT, "lake", where, "not made yet: `audio-assets ingest PATH` makes it")
        return
    try:
        tables = lake.rows("SELECT count(*) FROM duckdb_tables() WHERE database_name = 'lake'")[0][0]
        yield Finding(Level.GOOD, "lake", f"{where}, {tables} tables")
    except LakeError as error:
        yield Finding(Level.BAD, "lake", where, str(error))
    finally:
        lake.close()


def _objects(settings: Settings) -> Iterator[Finding]:
    objects = Objects.from_settings(settings)
    key = f"doctor/{os.getpid()}"
    try:
        objects.put(key, b"written by audio-assets doctor")
        objects.get(key)
        objects.delete([key])
        yield Finding(Level.GOOD, "objects", settings.objects, "write, read and delete work")
    except ObjectError as error:
        yield Finding(Level.BAD, "objects", settings.objects, str(error))


def _backends(settings: Settings) -> Iterator[Finding]:
    from audio_assets.platform import build_platform

    graph = build_platform(settings).graph
    roles = {role.name: role for asset in graph.assets for role in asset.roles}
    for name, role in roles.items():
        choice = settings.backend_of(name)
        backend = role.backend(choice)
        yield Finding(
            Level.GOOD, f"backend: {name}", f"{backend.name} {backend.revision} ({choice})", backend.licence
        )
