"""Every setting of the platform, in one place.

A setting is read from the environment as ``AUDIO_ASSETS_<NAME>``; nothing else in the code base reads
environment variables. Two presets give the storage settings their defaults:

- ``local``: one folder holds everything (DuckLake on SQLite, objects and MLflow as files).
- ``production``: Postgres catalog and an S3 bucket, whose addresses then must be given.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "AUDIO_ASSETS_"
OF_TESTS = f"{PREFIX}TEST_"
"""Beginning of variables that only tests read."""

PACKAGE = Path(__file__).resolve().parent
CHECKOUT = PACKAGE.parent


def default_home() -> Path:
    """``.audio_assets`` in the checkout, or in the working directory of an installed package."""
    in_checkout = (CHECKOUT / "pyproject.toml").is_file()
    return (CHECKOUT if in_checkout else Path.cwd()) / ".audio_assets"


def shipped(name: str) -> Path:
    """A file or folder that ships with the product: in the checkout, or inside the package."""
    in_checkout = CHECKOUT / name
    return in_checkout if in_checkout.exists() else PACKAGE / name


def available_cores() -> int:
    """CPU cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Settings(BaseSettings):
    """Typed settings; ``Settings()`` reads the environment, keyword arguments override it."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    home: Path = Field(default_factory=default_home, description="Folder that holds all state.")
    preset: Literal["local", "production"] = Field(
        "local", description="Where tables and objects live unless set one by one."
    )
    profile: Literal["embedded", "published"] = Field(
        "embedded", description="Backends for all roles: no downloads, or the field's weights."
    )
    weights: Path = Field(Path(), description="Folder of published weights; default: `weights` under home.")
    aesthetics_backend: str | None = Field(
        None, description="Backend of aesthetic scores; default: the profile's."
    )
    beats_backend: str | None = Field(
        None, description="Backend of beats and downbeats; default: the profile's."
    )
    caption_revision_backend: str | None = Field(
        None, description="Backend of the revision of captions; default: the profile's."
    )
    captions_backend: str | None = Field(None, description="Backend of captions; default: the profile's.")
    dialogue_frames_backend: str | None = Field(
        None, description="Backend of dialogue frames; default: the profile's."
    )
    drum_hits_backend: str | None = Field(None, description="Backend of drum hits; default: the profile's.")
    metadata_lookup_backend: str | None = Field(
        None,
        description="Backend of metadata look-up: embedded (asks nobody) or published (asks MusicBrainz).",
    )
    second_captions_backend: str | None = Field(
        None, description="Backend of captions by a second model; default: the profile's."
    )
    separation_backend: str | None = Field(
        None,
        description="Backend of source separation: embedded, published (Demucs) or bs_roformer.",
    )
    tags_backend: str | None = Field(
        None, description="Backend of labels of genre, mood and instrument; default: the profile's."
    )
    voice_activity_backend: str | None = Field(
        None, description="Backend of voice activity; default: the profile's."
    )
    metadata_lookup_contact: str = Field("", description="Mail or page given to MusicBrainz as who asks.")
    modules: tuple[str, ...] = Field(
        (), description='Further modules with item assets, as JSON: ["my_features"].'
    )

    parameters: dict[str, dict[str, Any]] = Field(
        {}, description='Parameters of assets, as JSON: {"crops": {"length_s": 8}}.'
    )

    inbox: Path | None = Field(
        None, description="Folder whose new audio the sensor `inbox` registers and computes."
    )
    maintenance_keep_days: int = Field(
        30, ge=1, description="Days that old snapshots and unreferenced objects are kept."
    )

    workers: int = Field(default_factory=available_cores, ge=1, description="Worker processes per run.")
    chunk_items: int = Field(
        64,
        ge=1,
        description="Items whose results may be unstored at a time; a killed run loses at most these.",
    )
    chunk_seconds: float = Field(
        10.0, gt=0, description="A transaction is written at least this often, seconds."
    )
    time_limit_s: float = Field(
        900.0, gt=0, description="Longest computation of one asset for one item, seconds."
    )
    memory_limit_gib: float = Field(
        8.0, gt=0, description="Memory one worker may hold before its item is stopped, GiB."
    )
    partitions: str = Field(
        "item",
        pattern=r"^(item|shards:[1-9][0-9]*)$",
        description="One Dagster partition per `item`, or hash buckets: `shards:256`.",
    )

    lake_catalog: str = Field("", description="DuckLake catalog: `sqlite:PATH` or `postgres:CONNECTION`.")
    lake_data: str = Field("", description="Folder or `s3://bucket/prefix` of the Parquet files.")
    objects: str = Field("", description="Folder or `s3://bucket/prefix` of large objects.")
    s3_endpoint: str = Field("", description="S3 endpoint; empty: Amazon's own.")
    s3_region: str = Field("us-east-1", description="S3 region.")
    s3_key_id: str = Field("", description="S3 access key id.")
    s3_secret: SecretStr = Field(SecretStr(""), description="S3 secret access key.")
    mlflow_uri: str = Field("", description="MLflow tracking URI; empty: SQLite under home.")

    @model_validator(mode="after")
    def _fill_from_preset(self) -> Self:
        home = self.home.expanduser().absolute()
        weights = home / "weights" if self.weights == Path() else self.weights.expanduser().absolute()
        derived: dict[str, object] = {"home": home, "weights": weights}
        if self.preset == "local":
            derived["lake_catalog"] = self.lake_catalog or f"sqlite:{home}/lake/catalog.sqlite"
            derived["lake_data"] = self.lake_data or f"{home}/lake/data"
            derived["objects"] = self.objects or f"{home}/objects"
        else:
            missing = [
                f"AUDIO_ASSETS_{name.upper()}"
                for name in ("lake_catalog", "lake_data", "objects")
                if not getattr(self, name)
            ]
            if missing:
                raise ValueError(
                    f"The production preset needs {', '.join(missing)}: set the Postgres catalog "
                    "and the bucket folders, or use AUDIO_ASSETS_PRESET=local."
                )
        derived["mlflow_uri"] = self.mlflow_uri or f"sqlite:///{home}/mlflow/mlflow.db"
        for name, value in derived.items():
            object.__setattr__(self, name, value)
        return self

    def backend_of(self, role: str) -> str:
        """The backend chosen for `role`: its own setting, or the profile."""
        return getattr(self, f"{role}_backend", None) or self.profile

    @property
    def dagster_home(self) -> Path:
        """The Dagster instance's folder."""
        return self.home / "dagster"

    @property
    def shards(self) -> int | None:
        """Number of hash buckets, or None with one partition per item."""
        return None if self.partitions == "item" else int(self.partitions.removeprefix("shards:"))


def unknown_variables(names: Iterable[str]) -> dict[str, str | None]:
    """Those of `names` that look like settings and are none, with the setting that may be meant.

    >>> unknown_variables(["AUDIO_ASSETS_WORKRS", "AUDIO_ASSETS_WORKERS", "PATH"])
    {'AUDIO_ASSETS_WORKRS': 'AUDIO_ASSETS_WORKERS'}
    """
    found: dict[str, str | None] = {}
    for name in names:
        variable, setting = name.upper(), name.lower().removeprefix(PREFIX.lower())
        if variable.startswith(OF_TESTS) or not variable.startswith(PREFIX):
            continue
        if setting not in Settings.model_fields:
            meant = get_close_matches(setting, Settings.model_fields, n=1, cutoff=0.7)
            found[name] = PREFIX + meant[0].upper() if meant else None
    return found


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process, read from the environment once."""
    return Settings()
