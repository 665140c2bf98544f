"""The command in this process, in a home of its own: with all assets, or with toys that are quick to compute."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from audio_assets import assemble
from audio_assets.assemble import current_platform
from audio_assets.command.main import app
from audio_assets.engine.declare.asset import Asset
from audio_assets.engine.declare.graph import AssetGraph
from audio_assets.engine.platform import Platform
from audio_assets.engine.state.catalog import catalog_tables
from audio_assets.orchestration import definitions
from audio_assets.resources.objects import Objects
from audio_assets.settings import Settings, get_settings
from tests.engine import toys
from tests.engine.conftest import Bench, quick_lake
from tests.orchestration import tongues


@dataclass
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """Lines of its output, without those that are empty and the spaces around."""
        return [line.strip() for line in self.out.splitlines() if line.strip()]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Its output, asked for with ``--format json``."""
        return json.loads(self.out)


Typed = Callable[..., Said]


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Typed]:
    """Types a command, with settings: each as a process of its own would find the home."""
    monkeypatch.setenv("AUDIO_ASSETS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AUDIO_ASSETS_WORKERS", "1")

    def run(*arguments: str, **settings: str) -> Said:
        for name, value in settings.items():
            monkeypatch.setenv(f"AUDIO_ASSETS_{name}", value)
        forget()
        done = CliRunner().invoke(app, list(arguments))
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Said(done.exit_code, done.stdout, done.stderr)

    yield run
    forget()


def forget() -> None:
    """Leave nothing of the home in this process."""
    if current_platform.cache_info().currsize:
        current_platform().session.close()
        current_platform().lake.close()
    current_platform.cache_clear()
    definitions.definitions.cache_clear()
    definitions.find_job.cache_clear()
    get_settings.cache_clear()


ASSETS: tuple[Asset, ...] = (
    toys.lengths, toys.words, toys.ratios, tongues.languages, tongues.counts, tongues.mean_length,
    tongues.judgements,
)  # fmt: skip


@dataclass
class Library:
    """A home of notes, the toys that are computed from them, and the command over both."""

    type: Typed
    folder: Path
    home: Path

    def __call__(self, *arguments: str, **settings: str) -> Said:
        return self.type(*arguments, **settings)

    def add(self, **notes: str) -> None:
        """Put notes in the catalog."""
        forget()
        platform = current_platform()
        platform.prepare()
        Bench(platform, self.folder).add(notes)

    def query(self, sql: str) -> list[tuple[object, ...]]:
        """Rows of the lake."""
        return current_platform().lake.rows(sql)

    def states(self, name: str) -> dict[str, int]:
        """What `status` says of an asset, without its zeros."""
        (row,) = self.type("status", name, "--format", "json").rows
        return {state: count for state, count in row.items() if state != "asset" and count}

    def planned(self, *arguments: str) -> dict[tuple[str, str], int]:
        """What `plan` says: items by asset and why."""
        said = self.type("plan", *arguments, "--format", "json")
        assert said.code == 0, said.err
        return {(row["asset"], row["why"]): row["items"] for row in said.rows}


@pytest.fixture
def library(
    typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new_mlflow: Callable[[Path], str]
) -> Library:
    """Toys in the place of all assets."""

    def build(settings: Settings, *, read_only: bool = False) -> Platform:
        return Platform(
            settings=settings,
            graph=AssetGraph.of(ASSETS),
            lake=quick_lake(settings),
            objects=Objects.from_settings(settings),
            tables=catalog_tables(toys.NOTE.plural, tongues.COLUMNS),
        )

    monkeypatch.setattr(assemble, "build_platform", build)
    home = tmp_path / "home"
    monkeypatch.setenv("AUDIO_ASSETS_MLFLOW_URI", new_mlflow(home / "mlflow" / "mlflow.db"))
    folder = tmp_path / "notes"
    folder.mkdir()
    return Library(typed, folder, home)
