"""Make the demo corpus, or find it made.

    corpus = make_corpus(Path("demo"))          # about a minute on two cores, once
    truth = load_truth(corpus.folder)

Layout: ``music/<genre>/<subgenre>/<artist> - <title> (<version>).<ext>`` and
``podcasts/<show>/<number> <title>.<ext>`` are what a user would have; ``truth/`` is what nobody has.
Every recording draws from its own random generator, seeded by the corpus seed and its key, so the
bytes do not depend on the order or the number of processes. They do depend on the versions of
numpy, scipy, the encoders and the processor, whose last bits differ.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from audio_assets.demo.music.recording import make_track, track_keys
from audio_assets.demo.podcasts.labels import write_podcast_fillers_csv, write_versions_csv
from audio_assets.demo.podcasts.recording import episode_keys, make_episode
from audio_assets.demo.truth import Truth, load_truth

VERSION = 1  # of the recipe: raise it when the same seed no longer gives the same bytes
MANIFEST = "manifest.json"
_TABLES = "tables"

Size = Literal["tiny", "demo"]
Progress = Callable[[int, int, str], None]  # recordings done, recordings in all, the last one's key


@dataclass(frozen=True)
class Corpus:
    """A complete corpus on disk."""

    folder: Path
    size: Size
    seed: int

    @property
    def music(self) -> Path:
        """The folder a music library would be."""
        return self.folder / "music"

    @property
    def podcasts(self) -> Path:
        """The folder of podcast episodes, with PodcastFillers.csv in it."""
        return self.folder / "podcasts"

    def truth(self) -> Truth:
        """What is known about every recording."""
        return load_truth(self.folder)


def make_corpus(
    folder: Path,
    *,
    size: Size = "demo",
    seed: int = 0,
    progress: Progress | None = None,
    workers: int | None = None,
) -> Corpus:
    """Make the corpus in ``folder``, or only what of it is missing.

    ``tiny`` is four excerpts and two short episodes, made in this process; ``demo`` is some fifty
    tracks and sixteen episodes, made by ``workers`` processes (default: one per core, at most 4).
    Raises FileExistsError if ``folder`` holds a corpus of another size, seed or recipe.
    """
    folder = Path(folder)
    identity = {"version": VERSION, "size": size, "seed": seed}
    manifest = _read_manifest(folder, identity)
    tiny = size == "tiny"
    keys = [*track_keys(tiny), *episode_keys(tiny)]
    missing = [key for key in keys if not _is_complete(folder, manifest.get(key))]
    if missing or not _is_complete(folder, manifest.get(_TABLES)):
        folder.mkdir(parents=True, exist_ok=True)
        if workers is None:
            workers = 1 if tiny else min(os.cpu_count() or 1, 4)
        for done, (key, files) in enumerate(_make_all(missing, folder, seed, tiny, workers), 1):
            manifest[key] = files
            _write_manifest(folder, identity, manifest)
            if progress:
                progress(len(keys) - len(missing) + done, len(keys), key)
        manifest[_TABLES] = _make_tables(folder, seed)
        _write_manifest(folder, identity, manifest)
    return Corpus(folder, size, seed)


def generator(seed: int, key: str) -> np.random.Generator:
    """The random generator of one recording: the same on its own as among the others."""
    digest = hashlib.sha256(key.encode()).digest()
    return np.random.default_rng([seed, *np.frombuffer(digest, dtype=np.uint32)])


def _make_all(
    keys: list[str], folder: Path, seed: int, tiny: bool, workers: int
) -> Iterator[tuple[str, dict[str, str]]]:
    if workers <= 1:
        yield from ((key, _make(key, folder, seed, tiny)) for key in keys)
        return
    # Fresh interpreters: forking a process that runs threads (Dagster's does) can deadlock.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        running = {pool.submit(_make, key, folder, seed, tiny): key for key in keys}
        for future in as_completed(running):
            yield running[future], future.result()


def _make(key: str, folder: Path, seed: int, tiny: bool) -> dict[str, str]:
    """Make one recording; the SHA-256 of each of its files by path."""
    make = make_track if key in track_keys(tiny) else make_episode
    return _hashes(make(key, folder, generator(seed, key), tiny), folder)


def _make_tables(folder: Path, seed: int) -> dict[str, str]:
    truth = load_truth(folder)
    fillers = folder / "podcasts" / "PodcastFillers.csv"
    write_podcast_fillers_csv(truth, fillers, generator(seed, _TABLES))
    versions = folder / "truth" / "versions.csv"
    write_versions_csv(truth, folder, versions)
    return _hashes([fillers, versions], folder)


def _hashes(paths: list[Path], folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths
    }


def _is_complete(folder: Path, files: dict[str, str] | None) -> bool:
    return bool(files) and all((folder / path).is_file() for path in files or ())


def _read_manifest(folder: Path, identity: Mapping[str, int | str]) -> dict[str, dict[str, str]]:
    path = folder / MANIFEST
    if not path.exists():
        return {}
    manifest = json.loads(path.read_text(encoding="utf-8"))
    found = {name: manifest.get(name) for name in identity}
    if found != identity:
        raise FileExistsError(
            f"{folder} holds a demo corpus with {found}, wanted {identity}: "
            "delete it or choose another folder"
        )
    recordings: dict[str, dict[str, str]] = manifest["recordings"]
    return recordings


def _write_manifest(
    folder: Path, identity: Mapping[str, int | str], recordings: dict[str, dict[str, str]]
) -> None:
    """Write the manifest in one move, so that an interrupted run leaves the one before."""
    text = json.dumps({**identity, "recordings": dict(sorted(recordings.items()))}, indent=1)
    draft = folder / f"{MANIFEST}.part"
    draft.write_text(text + "\n", encoding="utf-8")
    draft.replace(folder / MANIFEST)
