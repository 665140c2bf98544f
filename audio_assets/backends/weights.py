"""Published weights: from the weights folder, from a cache, or from the network.

The folder `AUDIO_ASSETS_WEIGHTS` is looked at first. A repository of Hugging Face stands there under its
own name (``weights/kyutai/mimi``), a single file under its host and path
(``weights/essentia.upf.edu/models/…/genre.onnx``), so that a machine without network is served by
copying the folder.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audio_assets.settings import get_settings

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
        folders = (Path(self.repo), get_settings().weights / self.repo)
        return next((folder for folder in folders if folder.is_dir()), None)

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
        from huggingface_hub.constants import HF_HUB_CACHE

        cached = (
            Path(HF_HUB_CACHE) / f"models--{self.repo.replace('/', '--')}" / "refs" / (self.revision or "")
        )
        return cached.read_text().strip() if cached.is_file() else str(self.revision)

    def _missing(self, reason: str) -> str:
        if self.revision is None:
            return (
                f"{self.repo}: found no weights of transformers in this folder ({reason}); wanted what "
                "`save_pretrained` or `hf download --local-dir` makes"
            )
        return (
            f"{self.repo} at revision {self.revision}: found no installed weights, nor could they be "
            f"downloaded ({reason}). On a machine with network, `hf download {self.repo} --revision "
            f"{self.revision} --local-dir {self.repo}`; then copy it to {get_settings().weights / self.repo}"
        )


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
