"""Every setting of the platform, in one place.

A setting is read from the environment as ``AUDIO_ASSETS_<NAME>``, else from ``audio-assets.toml`` in the
home (see `settings_file`); nothing else in the code base reads environment variables. Two presets give the
storage settings their defaults:

- ``local``: one folder holds everything (DuckLake on SQLite, objects and MLflow as files).
- ``production``: Postgres catalog and an S3 bucket, whose addresses then must be given.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, PositiveInt, SecretStr, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from audio_assets.settings_file import BACKEND, read_settings

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
    """Typed settings; ``Settings()`` reads environment and home, keyword arguments override them."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    home: Path = Field(default_factory=default_home, description="Folder that holds all state.")
    preset: Literal["local", "production"] = Field(
        "local", description="Where tables and objects live unless set one by one."
    )
    profile: Literal["embedded", "learned", "published"] = Field(
        "embedded",
        description="Backends for all roles: methods without weights, weights that come in packages (where a "
        "role has such), or the field's weights.",
    )
    weights: Path = Field(Path(), description="Folder of published weights; default: `weights` under home.")
    backends: dict[str, str] = Field(
        {}, description="Who plays a role, by role; each is set as `<ROLE>_BACKEND`. Default: the profile's."
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="Where models compute; `auto`: on a GPU if there is one."
    )
    contact: str = Field("", description="Mail or page that services on the web are given as who asks.")
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
    pools: dict[str, PositiveInt] = Field(
        {}, description='How many steps of a pool compute at once on this machine; not named: 1. {"gpu": 2}'
    )
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

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment, then the home's file."""
        return init_settings, env_settings, _BackendVariables(settings_cls), _HomeFile(settings_cls)

    @model_validator(mode="before")
    @classmethod
    def _collect_backends(cls, values: dict[str, Any]) -> dict[str, Any]:
        """``Settings(tags_backend="published")`` as what it says."""
        chosen = {name: values[name] for name in values if name.endswith(BACKEND)}
        if not chosen:
            return values
        rest = {name: value for name, value in values.items() if name not in chosen}
        backends = {name.removesuffix(BACKEND).lower(): value for name, value in chosen.items()}
        return rest | {"backends": {**rest.get("backends", {}), **backends}}

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

    @property
    def dagster_home(self) -> Path:
        """The Dagster instance's folder."""
        return self.home / "dagster"

    @property
    def shards(self) -> int | None:
        """Number of hash buckets, or None with one partition per item."""
        return None if self.partitions == "item" else int(self.partitions.removeprefix("shards:"))


class _BackendVariables(PydanticBaseSettingsSource):
    """``AUDIO_ASSETS_<ROLE>_BACKEND`` of any role; roles are declared beside their Protocols."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Unused: all fields are read at once."""
        raise NotImplementedError

    def __call__(self) -> dict[str, Any]:
        variables = {name: _setting(name) for name in os.environ}
        found = {
            setting.removesuffix(BACKEND): os.environ[name]
            for name, setting in variables.items()
            if setting and setting.endswith(BACKEND) and os.environ[name]
        }
        return {"backends": found} if found else {}


class _HomeFile(PydanticBaseSettingsSource):
    """``audio-assets.toml`` in the home, which arguments or the environment choose."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Unused: all fields are read at once."""
        raise NotImplementedError

    def __call__(self) -> dict[str, Any]:
        home = Path(self.current_state.get("home") or default_home())
        return read_settings(home.expanduser().absolute(), Settings.model_fields)


def parameters_of_environment() -> dict[str, dict[str, Any]]:
    """Parameters of assets that the environment sets, which stand above those of the home's file."""
    found: dict[str, dict[str, Any]] = EnvSettingsSource(Settings)().get("parameters", {})
    return found


def _setting(variable: str) -> str | None:
    """The setting that a variable of the environment is named for, if it has our prefix."""
    name = variable.upper()
    if name.startswith(OF_TESTS) or not name.startswith(PREFIX):
        return None
    return name.removeprefix(PREFIX).lower()


def unknown_variables(names: Iterable[str]) -> dict[str, str | None]:
    """Those of `names` that look like settings and are none, with the setting that may be meant.

    Backends are left to `unknown_backends`: roles are declared beside their Protocols, and not known here.

    >>> unknown_variables(["AUDIO_ASSETS_WORKRS", "AUDIO_ASSETS_WORKERS", "AUDIO_ASSETS_TAG_BACKEND", "PATH"])
    {'AUDIO_ASSETS_WORKRS': 'AUDIO_ASSETS_WORKERS'}
    """
    known = Settings.model_fields.keys() - {"backends"}
    return _unknown((name for name in names if not (_setting(name) or "").endswith(BACKEND)), known)


def unknown_backends(names: Iterable[str], roles: Iterable[str]) -> dict[str, str | None]:
    """Those of `names` that choose a backend for none of `roles`, with the variable that may be meant.

    >>> unknown_backends(["AUDIO_ASSETS_TAG_BACKEND", "AUDIO_ASSETS_WORKRS"], ["tags", "beats"])
    {'AUDIO_ASSETS_TAG_BACKEND': 'AUDIO_ASSETS_TAGS_BACKEND'}
    """
    known = [f"{role.lower()}{BACKEND}" for role in roles]
    return _unknown((name for name in names if (_setting(name) or "").endswith(BACKEND)), known)


def _unknown(names: Iterable[str], known: Collection[str]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for name in names:
        setting = _setting(name)
        if setting is not None and setting not in known:
            meant = get_close_matches(setting, sorted(known), n=1, cutoff=0.7)
            found[name] = PREFIX + meant[0].upper() if meant else None
    return found


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process, read once."""
    return Settings()
