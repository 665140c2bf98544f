"""`audio-assets doctor`: what this machine and this home have, and what each missing part would enable."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import shutil
import sqlite3
import sys
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audio_assets.errors import UserError
from audio_assets.resources.home_format import check_format
from audio_assets.resources.lake import Lake, LakeError, extension_file
from audio_assets.resources.objects import ObjectError, Objects
from audio_assets.settings import Settings, available_cores, unknown_backends

if TYPE_CHECKING:
    from audio_assets.engine.declare.graph import AssetGraph
    from audio_assets.engine.declare.roles import Installable, Player

LOW_DISK_GIB = 5
TIMEOUT_S = 5.0


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
        _machine, _accelerators, _codecs, _analysis, _extensions, _lake, _objects, _mlflow,
        _backends, _weights,
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
        with lake.get_connection() as connection:
            check_format(connection, settings.home)
        tables = lake.rows("SELECT count(*) FROM duckdb_tables() WHERE database_name = 'lake'")[0][0]
        yield Finding(Level.GOOD, "lake", f"{where}, {tables} tables")
    except LakeError as error:
        yield Finding(Level.BAD, "lake", where, str(error))
    finally:
        lake.close()


def lost_values(settings: Settings) -> list[tuple[str, str, str, str]]:
    """What the lake names and storage has not as it was written: what, of which table or asset, name, fault."""
    from audio_assets.assemble import build_platform
    from audio_assets.engine.run.damage import find_damage

    platform = build_platform(settings, read_only=True)
    if not platform.lake.exists:
        return []
    try:
        return [(lost.what, lost.of, lost.name, lost.found) for lost in find_damage(platform).lost]
    finally:
        platform.lake.close()


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


def _mlflow(settings: Settings) -> Iterator[Finding]:
    uri = settings.mlflow_uri
    if uri.startswith(("http://", "https://")):
        address = f"{uri.rstrip('/')}/health"
        try:
            with urllib.request.urlopen(address, timeout=TIMEOUT_S):
                yield Finding(Level.GOOD, "MLflow", uri, "the server answers")
        except (OSError, ValueError) as error:
            advice = (
                "trainings go on and keep what they log, until it answers; AUDIO_ASSETS_MLFLOW_URI sets it"
            )
            yield Finding(Level.BAD, "MLflow", f"{address}: {error}", advice)
        return
    file = _sqlite_file(settings)
    if file is None:
        yield Finding(Level.ABSENT, "MLflow", uri.partition(":")[0], "only SQLite and servers are looked at")
        return
    folder = next(parent for parent in file.parents if parent.exists())
    if not os.access(file if file.exists() else folder, os.W_OK) or not os.access(folder, os.W_OK):
        advice = "make it writable, or set AUDIO_ASSETS_MLFLOW_URI"
        yield Finding(Level.BAD, "MLflow", f"{folder}: not writable", advice)
    elif not file.exists():
        yield Finding(Level.ABSENT, "MLflow", str(file), "not made yet: the first training makes it")
    else:
        try:
            with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
                runs = connection.execute("SELECT count(*) FROM runs").fetchone()[0]
            yield Finding(Level.GOOD, "MLflow", f"{file}, {runs} runs", "`audio-assets mlflow` shows them")
        except sqlite3.Error as error:
            advice = "no database of MLflow: move it away, and the next training makes one"
            yield Finding(Level.BAD, "MLflow", f"{file}: {error}", advice)


def _sqlite_file(settings: Settings) -> Path | None:
    prefix = "sqlite:///"
    uri = settings.mlflow_uri
    return Path(uri.removeprefix(prefix)).absolute() if uri.startswith(prefix) else None


def _backends(settings: Settings) -> Iterator[Finding]:
    """What plays each role, and whether it can."""
    roles = _graph(settings).roles
    for variable, meant in unknown_backends(os.environ, roles).items():
        advice = (
            f"{meant} is one"
            if meant
            else "no role has that name: is its module named in AUDIO_ASSETS_MODULES?"
        )
        yield Finding(Level.BAD, variable, "there is no such role", advice)
    for role in roles.values():
        player = role.player(settings)
        choice = player.choice
        what = f"backend: {role.name}"
        try:
            backend: Any = player.backend
            found = f"{player.name} {player.revision} ({_chosen(player, settings)})"
        except UserError as error:
            yield Finding(Level.BAD, what, choice, str(error))
            continue
        missing, reason = _missing(backend, settings), getattr(backend, "reason", None)
        packages = _missing_packages(backend)
        if reason is not None:
            yield Finding(Level.ABSENT, what, found, reason)
        elif packages:
            yield Finding(Level.BAD, what, f"{found}, without its package", "; ".join(packages))
        elif missing:
            level = Level.ABSENT if all(weights.is_downloaded for weights in missing) else Level.BAD
            yield Finding(level, what, f"{found}, weights not installed", "see its weights below")
        else:
            yield Finding(Level.GOOD, what, found, backend.licence)


def _weights(settings: Settings) -> Iterator[Finding]:
    """Weights of the backends that are chosen, and of those that could be."""
    graph = _graph(settings)
    for role in graph.roles.values():
        assets = ", ".join(asset.name for asset in graph.assets if role in asset.roles)
        chosen = role.player(settings).choice
        seen: set[Any] = set()
        for choice in sorted(role.backends, key=lambda name: name != chosen):
            backend: Any = role.backend(choice)
            every = getattr(backend, "weights", ())
            if not every or backend in seen:  # one backend may play in several profiles
                continue
            seen.add(backend)
            what = f"weights: {role.name}"
            missing = _missing(backend, settings)
            if not missing:
                yield Finding(Level.GOOD, what, f"{backend.name} ({choice})", f"licence {backend.licence}")
                continue
            is_chosen = choice == chosen
            is_downloaded = all(weights.is_downloaded for weights in missing)
            level = Level.BAD if is_chosen and not is_downloaded else Level.ABSENT
            found = f"{backend.name} ({choice}): {len(missing)} of {len(every)} not installed"
            steps = [] if is_chosen else [f"AUDIO_ASSETS_{role.name.upper()}_BACKEND={choice}"]
            steps += _missing_packages(backend)
            steps += [f"{weights.source} → {weights.place(settings.weights)}" for weights in missing[:2]]
            if len(missing) > 2:
                steps.append(f"and {len(missing) - 2} more")
            how = "downloaded on first use, or put there by you" if is_downloaded else "put there by you"
            advice = f"enables {assets} by {backend.name} ({backend.licence}): {'; '.join(steps)} ({how})"
            yield Finding(level, what, found, advice)


def _graph(settings: Settings) -> AssetGraph:
    from audio_assets.assemble import build_platform

    return build_platform(settings).graph


def _chosen(player: Player, settings: Settings) -> str:
    """The choice, and why it is not the profile's."""
    if player.role.name.lower() in settings.backends or player.choice == settings.profile:
        return player.choice
    return f"{player.choice}: no {settings.profile} one is declared"


def _missing(backend: Any, settings: Settings) -> list[Installable]:
    every: Sequence[Installable] = getattr(backend, "weights", ())
    return [weights for weights in every if not weights.is_installed(settings.weights)]


def _missing_packages(backend: Any) -> list[str]:
    packages = getattr(backend, "packages", ())
    return [command for module, command in packages if importlib.util.find_spec(module) is None]
