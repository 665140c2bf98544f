"""Objects: large values (stems, frames, checkpoints, figures) in a folder or a bucket.

Keys are ``<asset>/<item>/<fingerprint>.<extension>``. An object is there whole or not at all, so readers need
no locks. To store one again makes it young again, and whole again if it was damaged.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from audio_assets.errors import UserError
from audio_assets.resources.files import copy_file, write_file

if TYPE_CHECKING:
    from obstore.store import ObjectStore

    from audio_assets.settings import Settings


ASKED_AT_ONCE = 32
LAKE_ID = "lake-id"
"""The object that says which lake the others belong to."""


class ObjectError(UserError, RuntimeError):
    """An object cannot be written or read; the message names its key."""


@dataclass(frozen=True)
class Objects:
    """Object storage under `root`, a folder or ``s3://bucket/prefix``."""

    root: str
    s3_endpoint: str = ""
    s3_region: str = "us-east-1"
    s3_key_id: str = ""
    s3_secret: str = ""

    @classmethod
    def from_settings(cls, settings: Settings) -> Objects:
        """The object storage that the settings name."""
        return cls(
            root=settings.objects,
            s3_endpoint=settings.s3_endpoint,
            s3_region=settings.s3_region,
            s3_key_id=settings.s3_key_id,
            s3_secret=settings.s3_secret.get_secret_value(),
        )

    @cached_property
    def store(self) -> ObjectStore:
        """The obstore store behind this."""
        from obstore.store import LocalStore, S3Store

        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            return LocalStore(self.root)
        bucket, _, prefix = self.root.removeprefix("s3://").partition("/")
        options: dict[str, object] = {"region": self.s3_region}
        if self.s3_key_id:
            options |= {"access_key_id": self.s3_key_id, "secret_access_key": self.s3_secret}
        if self.s3_endpoint:
            options["endpoint"] = self.s3_endpoint
        client = {"allow_http": self.s3_endpoint.startswith("http://")}
        return S3Store(bucket, prefix=prefix or None, client_options=client, **options)  # type: ignore[arg-type]

    @property
    def folder(self) -> Path | None:
        """Where objects are files; None: in a bucket."""
        return None if self.root.startswith("s3://") else Path(self.root)

    def put(self, key: str, data: bytes | Path) -> None:
        """Store bytes, or those of a file, which are never all in memory.

        An object that is there already takes on the bytes and the time of this one: what was left there long ago
        and is used now is no longer old, and what was damaged is whole.

        Raises:
            ObjectError: it cannot be written, e.g. because the disk is full.
        """
        try:
            if self.folder is None:
                self._put_in_bucket(key, data)
            else:
                path = self.folder / key
                is_new = write_file(path, data) if isinstance(data, bytes) else copy_file(data, path)
                if not is_new:
                    os.utime(path)
        except Exception as error:
            size = len(data) if isinstance(data, bytes) else data.stat().st_size
            raise ObjectError(
                f"Object {key} ({size} bytes) could not be written to {self.root}: {_first_line(error)}"
            ) from error

    def _put_in_bucket(self, key: str, data: bytes | Path) -> None:
        import obstore

        # A file in parts, which are joined at the end: there is an object only when all of it is there.
        obstore.put(self.store, key, data, use_multipart=isinstance(data, Path))

    def missing(self, keys: Iterable[str]) -> set[str]:
        """Those of `keys` of which there is no object."""
        if self.folder is not None:
            return {key for key in keys if not (self.folder / key).is_file()}
        with ThreadPoolExecutor(ASKED_AT_ONCE) as asked:
            return {key for key, there in asked.map(lambda key: (key, self.holds(key)), keys) if not there}

    def holds_any(self) -> bool:
        """Whether there is any object."""
        if self.folder is not None:
            return any(path.is_file() for path in self.folder.rglob("*"))
        return next(self.modified(), None) is not None or self.holds(LAKE_ID)

    def holds(self, key: str) -> bool:
        """Whether there is an object of this key."""
        return self.written_at(key) is not None

    def written_at(self, key: str) -> datetime | None:
        """When an object was written, or stored again; None: there is none."""
        import obstore

        try:
            return obstore.head(self.store, key)["last_modified"]
        except FileNotFoundError:
            return None

    def size(self, key: str) -> int | None:
        """The size of an object in bytes; None: there is none."""
        import obstore

        try:
            return int(obstore.head(self.store, key)["size"])
        except FileNotFoundError:
            return None

    def blocks(self, key: str) -> Iterator[bytes]:
        """The bytes of an object, some at a time."""
        import obstore

        for block in obstore.get(self.store, key).stream():
            yield bytes(block)

    @property
    def lake_id(self) -> str | None:
        """The id of the lake that these objects belong to; None: it is not written here."""
        return self.get(LAKE_ID).decode() if self.holds(LAKE_ID) else None

    def belong_to(self, lake_id: str) -> None:
        """Write down which lake these objects belong to."""
        self.put(LAKE_ID, lake_id.encode())

    def get(self, key: str) -> bytes:
        """The bytes of an object.

        Raises:
            ObjectError: there is none, or it cannot be read.
        """
        import obstore

        try:
            return bytes(obstore.get(self.store, key).bytes())
        except Exception as error:
            raise ObjectError(
                f"Object {key} cannot be read from {self.root}: {_first_line(error)}"
            ) from error

    def local_file(self, key: str, cache: Path) -> Path:
        """An object as a file: itself in a local folder, else a copy in `cache`.

        Raises:
            ObjectError: there is none, or it cannot be read.
        """
        if self.folder is not None:
            path = self.folder / key
            if not path.is_file():
                raise ObjectError(f"Object {key} is not in {self.root}.")
            return path
        path = cache / key
        if not path.exists():
            write_file(path, self.get(key))
        return path

    def modified(self) -> Iterator[tuple[str, datetime]]:
        """The keys of all objects, each with the time it was written."""
        import obstore

        for batch in obstore.list(self.store):
            for entry in batch:
                if entry["path"] != LAKE_ID:
                    yield entry["path"], entry["last_modified"]

    def delete(self, keys: list[str]) -> None:
        """Delete objects; for maintenance only, since tables may name them."""
        import obstore

        obstore.delete(self.store, keys)


def _first_line(error: Exception) -> str:
    """What happened, without the debugging output that obstore adds."""
    return (str(error).splitlines() or [type(error).__name__])[0]
