"""A platform of toy assets in a folder of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import dagster as dg
import pytest

from audio_assets.engine import FLOAT, TEXT, Column, ItemAsset
from audio_assets.engine.declare.graph import AssetGraph
from audio_assets.engine.declare.outcomes import ItemResult
from audio_assets.engine.platform import Platform
from audio_assets.engine.run.items import BundleRun, Summary
from audio_assets.engine.state.ledger import arrow_table
from audio_assets.engine.state.plan import DEFAULT, RunOptions
from audio_assets.orchestration.catalog import catalog_specs
from audio_assets.orchestration.items import EXECUTOR_CONFIG, build_bundle_asset
from audio_assets.resources.lake import Lake
from audio_assets.resources.objects import Objects
from audio_assets.settings import Settings
from tests.engine import toys

CATALOG = (
    Column("item", TEXT, doc="Key"),
    Column("content_hash", TEXT, doc="Hash"),
    Column("path", TEXT, doc="Path"),
    Column("duration_s", FLOAT, doc="Length"),
)
ALL = (toys.lengths, toys.words, toys.ratios, toys.remarks, toys.copies)
BENCHES: dict[str, Bench] = {}


@dataclass
class Bench:
    """A platform with notes for items, and short ways to run it."""

    platform: Platform
    folder: Path

    def add(self, notes: dict[str, str]) -> None:
        """Put notes in the catalog, one file each."""
        rows = []
        for key, text in notes.items():
            path = self.folder / f"{key}.txt"
            path.write_text(text)
            digest = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
            rows.append({"item": key, "content_hash": digest, "path": str(path), "duration_s": 1.0})
        table = arrow_table(CATALOG, rows)

        def change(connection):
            connection.register("added", table)
            connection.execute("DELETE FROM notes WHERE item IN (SELECT item FROM added)")
            connection.execute("INSERT INTO notes BY NAME SELECT * FROM added")

        self.platform.lake.write(change)

    def run(
        self,
        names: Iterable[str],
        options: RunOptions = DEFAULT,
        on_chunk: Callable[[list[ItemResult]], None] = lambda _: None,
        items: list[str] | None = None,
    ) -> dict[str, Summary]:
        """Run the bundles of `names` in order."""
        wanted = set(names)
        summaries: dict[str, Summary] = {}
        for bundle in self.platform.graph.bundles:
            selected = wanted & {asset.name for asset in bundle.assets}
            if selected:
                found = self.platform.items(bundle.item, items)
                run = BundleRun(self.platform, bundle, selected, found, options, run_id="test-run")
                for chunk in run:
                    on_chunk(chunk)
                summaries |= run.summaries
        return summaries

    def with_settings(self, **changes: object) -> Bench:
        """The same lake under other settings."""
        settings = Settings(**{**self.platform.settings.model_dump(), **changes})
        return Bench(replace(self.platform, settings=settings), self.folder)

    def query(self, sql: str) -> list[tuple[object, ...]]:
        return self.platform.lake.rows(sql)

    def definitions(self) -> dg.Definitions:
        assets = [build_bundle_asset(self.platform, bundle) for bundle in self.platform.graph.bundles]
        return dg.Definitions(
            assets=[*catalog_specs(self.platform), *assets],
            jobs=[dg.define_asset_job("toys", selection=dg.AssetSelection.assets(*assets))],
            executor=dg.in_process_executor.configured(EXECUTOR_CONFIG),
        )


def quick_lake(settings: Settings) -> Lake:
    """The lake that the settings name, without the check of extensions' signatures, which takes 0.3 s."""
    return replace(Lake.from_settings(settings), connection_config={"allow_unsigned_extensions": "true"})


def make_bench(folder: Path, assets: Iterable[ItemAsset] = ALL, **settings: object) -> Bench:
    chosen = Settings(**{"home": folder / "home", "workers": 2, **settings})
    platform = Platform(
        settings=chosen,
        graph=AssetGraph.of(assets),
        lake=quick_lake(chosen),
        objects=Objects.from_settings(chosen),
        tables={"notes": CATALOG},
    )
    platform.prepare()
    (folder / "notes").mkdir(exist_ok=True)
    BENCHES[str(folder)] = Bench(platform, folder / "notes")
    return BENCHES[str(folder)]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return make_bench(tmp_path)


@cache
def toy_job(folder: str) -> dg.JobDefinition:
    """The job over all toy assets of a bench, which Dagster asks for several times in each run."""
    return BENCHES[folder].definitions().resolve_job_def("toys")
