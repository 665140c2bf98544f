"""Published weights: from the weights folder, from a cache, or from the network.

The folder `AUDIO_ASSETS_WEIGHTS` is looked at first. A repository of Hugging Face stands there under its
own name (``weights/kyutai/mimi``), a single file under its host and path
(``weights/essentia.upf.edu/models/…/genre.onnx``), so that a machine without network is served by
copying the folder.

A backend names what it needs in its class attribute `weights`, whose `is_installed` asks no network.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from audio_assets.settings import get_settings

TIMEOUT_S = 30.0
END_BYTES = 1 << 16


class MissingWeightsError(RuntimeError):
    """Weights are neither installed nor to be had; the message says which and how to install them."""


class Installable(Protocol):
    """What a backend's class says of each of its weights."""

    @property
    def source(self) -> str:
        """Where they come from: a repository, an address, or the user."""

    @property
    def place(self) -> Path:
        """Where in the weights folder they are looked for first."""

    @property
    def is_installed(self) -> bool:
        """Whether they are here, all of them; nothing is loaded, and no network asked."""

    @property
    def is_downloaded(self) -> bool:
        """Whether first use downloads them."""


@dataclass(frozen=True)
class Weights:
    """A repository on Hugging Face at a revision.

    `repo` may also be a local folder that `save_pretrained` made; then there is no revision.
    """

    repo: str
    revision: str | None = None

    def load(self, model: Any, dtype: Any) -> Any:
        """An instance of the transformers class `model`, ready for inference on the CPU.

        Raises:
            MissingWeightsError: neither installed nor to be had from the network.
        """
        loaded = self.call(model.from_pretrained, dtype=dtype)
        return loaded.eval().requires_grad_(False)

    def call(self, from_pretrained: Any, **options: Any) -> Any:
        """`from_pretrained` of a model or processor of transformers, on these weights.

        Raises:
            MissingWeightsError: neither installed nor to be had from the network.
        """
        try:
            folder = self.installed()
            if folder is not None:
                return from_pretrained(str(folder), local_files_only=True, **options)
            return from_pretrained(self.repo, revision=self.revision, **options)
        except OSError as error:
            raise MissingWeightsError(self._missing(str(error).splitlines()[0])) from error

    def folder(self) -> Path:
        """A folder with all files of the repository.

        Raises:
            MissingWeightsError: neither installed nor to be had from the network.
        """
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import LocalEntryNotFoundError

        folder = self.installed()
        if folder is not None:
            return folder
        try:
            return Path(snapshot_download(self.repo, revision=self.revision))
        except (OSError, LocalEntryNotFoundError) as error:
            raise MissingWeightsError(self._missing(str(error).splitlines()[0])) from error

    def installed(self) -> Path | None:
        """The folder that holds them: `repo` itself, or one of its name in the weights folder."""
        return next((folder for folder in (Path(self.repo), self.place) if folder.is_dir()), None)

    @property
    def source(self) -> str:
        """The repository, and its revision."""
        return self.repo if self.revision is None else f"{self.repo} at {self.revision[:12]}"

    @property
    def place(self) -> Path:
        """As `Installable.place`."""
        return get_settings().weights / self.repo

    @property
    def is_installed(self) -> bool:
        """As `Installable.is_installed`: in the weights folder or in the cache of Hugging Face."""
        folder = self.installed()
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

    @property
    def identity(self) -> str:
        """What rows and fingerprints name the weights by.

        The commit, where one is pinned; else that of the Hugging Face cache, or a digest of the folder that
        is installed; the name of the revision where neither is there.
        """
        if self.revision is not None and re.fullmatch(r"[0-9a-f]{40}", self.revision):
            return self.revision
        folder = self.installed()
        if folder is not None:
            return folder_digest(folder)
        return self._cached.name

    def _missing(self, reason: str) -> str:
        if self.revision is None:
            return (
                f"{self.repo}: found no weights of transformers in this folder ({reason}); wanted what "
                "`save_pretrained` or `hf download --local-dir` makes"
            )
        return (
            f"{self.repo} at revision {self.revision}: found no installed weights, nor could they be "
            f"downloaded ({reason}). On a machine with network, `hf download {self.repo} --revision "
            f"{self.revision} --local-dir {self.repo}`; then copy it to {self.place}"
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
    def installed(self) -> Path:
        """Where it stands in the weights folder, there or not."""
        return get_settings().weights / self.url.partition("://")[2]

    @property
    def source(self) -> str:
        """Its address."""
        return self.url

    @property
    def place(self) -> Path:
        """As `Installable.place`."""
        return self.installed

    @property
    def is_installed(self) -> bool:
        """As `Installable.is_installed`; its bytes are looked at when it is loaded."""
        return self.installed.is_file()

    @property
    def is_downloaded(self) -> bool:
        """As `Installable.is_downloaded`."""
        return True

    def path(self) -> Path:
        """The file, downloaded if it is not installed.

        Raises:
            MissingWeightsError: neither installed nor to be had, or its bytes are not those wanted.
        """
        path = self.installed
        if not path.is_file():
            self._download(path)
        if self.sha256 is not None:
            found = hashlib.sha256(path.read_bytes()).hexdigest()
            if found != self.sha256:
                raise MissingWeightsError(
                    f"{path}: found SHA-256 {found}, wanted {self.sha256}. Remove it, and get {self.url}"
                )
        return path

    def _download(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with (
                os.fdopen(handle, "wb") as file,
                urllib.request.urlopen(self.url, timeout=TIMEOUT_S) as response,
            ):
                while block := response.read(1 << 20):
                    file.write(block)
            Path(part).replace(path)
        except (OSError, urllib.error.URLError) as error:
            raise MissingWeightsError(
                f"{self.url}: found no installed file, nor could it be downloaded ({error}). On a machine "
                f"with network, `curl -O {self.url}`; then copy it to {path}"
            ) from error
        finally:
            Path(part).unlink(missing_ok=True)


@dataclass(frozen=True)
class WeightsFolder:
    """A folder in the weights folder that the user fills: `files`, of each entry one of the names."""

    name: str
    files: tuple[tuple[str, ...], ...]

    @property
    def source(self) -> str:
        """The files that are wanted."""
        return f"{' and '.join(' or '.join(names) for names in self.files)} of your choice"

    @property
    def place(self) -> Path:
        """As `Installable.place`."""
        return get_settings().weights / self.name

    @property
    def is_installed(self) -> bool:
        """As `Installable.is_installed`."""
        return all(any((self.place / name).is_file() for name in names) for names in self.files)

    @property
    def is_downloaded(self) -> bool:
        """As `Installable.is_downloaded`: never."""
        return False
