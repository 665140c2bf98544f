"""A platform of toy assets in a folder of its own."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import dagster as dg
import pytest

from audio_assets.engine import FLOAT, TEXT, Column
from audio_assets.engine.declare.asset import Asset
from audio_assets.engine.declare.graph import AssetGraph
from audio_assets.engine.platform import Platform
from audio_assets.engine.run.items import BundleRun, Summary
from audio_assets.engine.state.catalog import catalog_tables, write_items
from audio_assets.engine.state.kept import keep_plan
from audio_assets.engine.state.ledger import Computed
from audio_assets.engine.state.plans import Plan
from audio_assets.engine.state.states import DEFAULT, RunOptions, State
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
        self.platform.lake.write(lambda c: write_items(c, toys.NOTE.plural, CATALOG, rows))

    def run(
        self,
        names: Iterable[str],
        options: RunOptions = DEFAULT,
        on_chunk: Callable[[list[Computed]], None] = lambda _: None,
        items: list[str] | None = None,
    ) -> dict[str, Summary]:
        """Run the bundles of `names` in order, by one plan."""
        wanted = [asset.name for asset in self.platform.graph.item_assets if asset.name in set(names)]
        _, kept = keep_plan(self.platform, uuid.uuid4().hex, wanted, items, options)
        summaries: dict[str, Summary] = {}
        for bundle in self.platform.graph.bundles:
            selected = set(wanted) & {asset.name for asset in bundle.assets}
            if selected:
                run = BundleRun(self.platform, bundle, selected, kept, run_id="test-run")
                for chunk in run:
                    on_chunk(chunk)
                summaries |= run.summaries
        return summaries

    def plan(
        self,
        names: Iterable[str] | None = None,
        options: RunOptions = DEFAULT,
        items: list[str] | None = None,
    ) -> Plan:
        """What is to be computed of `names`, or of everything."""
        everything = [asset.name for asset in self.platform.graph.assets]
        return self.platform.plan(everything if names is None else list(names), items, options)

    def state(self, name: str, item: str | None = None) -> State:
        """Where the one item that is asked about, or the one value of all items together, stands."""
        items = None if item is None else [item]
        (state,) = self.platform.plan([name], items)[name].states
        return state

    def with_settings(self, **changes: object) -> Bench:
        """The same lake under other settings."""
        settings = Settings(**{**self.platform.settings.model_dump(), **changes})
        return Bench(replace(self.platform, settings=settings), self.folder)

    def query(self, sql: str) -> list[tuple[object, ...]]:
        return self.platform.lake.rows(sql)

    def definitions(self) -> dg.Definitions:
        from audio_assets.orchestration.catalog import catalog_specs
        from audio_assets.orchestration.items import EXECUTOR_CONFIG, build_bundle_asset

        assets = [build_bundle_asset(self.platform, bundle) for bundle in self.platform.graph.bundles]
        return dg.Definitions(
            assets=[*catalog_specs(self.platform), *assets],
            jobs=[dg.define_asset_job("toys", selection=dg.AssetSelection.assets(*assets))],
            executor=dg.in_process_executor.configured(EXECUTOR_CONFIG),
        )


def quick_lake(settings: Settings) -> Lake:
    """The lake that the settings name, without the check of extensions' signatures, which takes 0.3 s."""
    return replace(Lake.from_settings(settings), connection_config={"allow_unsigned_extensions": "true"})


def make_bench(folder: Path, assets: Iterable[Asset] = ALL, **settings: object) -> Bench:
    chosen = Settings(**{"home": folder / "home", "workers": 2, **settings})
    platform = Platform(
        settings=chosen,
        graph=AssetGraph.of(assets),
        lake=quick_lake(chosen),
        objects=Objects.from_settings(chosen),
        tables=catalog_tables(toys.NOTE.plural, CATALOG),
    )
    platform.prepare()
    (folder / "notes").mkdir(exist_ok=True)
    BENCHES[str(folder)] = Bench(platform, folder / "notes")
    return BENCHES[str(folder)]


@pytest.fixture(autouse=True)
def _workers_end_with_their_test() -> Iterator[None]:
    yield
    for bench in BENCHES.values():
        bench.platform.session.close()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return make_bench(tmp_path)


@cache
def toy_job(folder: str) -> dg.JobDefinition:
    """The job over all toy assets of a bench, which Dagster asks for several times in each run."""
    return BENCHES[folder].definitions().resolve_job_def("toys")
