"""A platform of toy assets in a folder of its own."""

from __future__ import annotations

import hashlib
import shutil
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import dagster as dg
import pytest

from audio_assets.engine import FLOAT, TEXT, Column
from audio_assets.engine.declare.asset import Asset
from audio_assets.engine.declare.collection_asset import CollectionAsset
from audio_assets.engine.declare.graph import AssetGraph
from audio_assets.engine.declare.item_asset import ItemAsset
from audio_assets.engine.declare.training_asset import TrainingAsset
from audio_assets.engine.platform import Platform
from audio_assets.engine.run.collections import run_collection
from audio_assets.engine.run.items import BundleRun, Summary
from audio_assets.engine.run.trainings import Execution, run_training
from audio_assets.engine.state.catalog import catalog_tables, write_items
from audio_assets.engine.state.checkpoints import Checkpoint
from audio_assets.engine.state.kept import keep_plan
from audio_assets.engine.state.ledger import Computed
from audio_assets.engine.state.plans import Plan
from audio_assets.engine.state.states import DEFAULT, RunOptions, State, Why
from audio_assets.engine.workers.local import LocalSession
from audio_assets.engine.workers.session import Session
from audio_assets.resources.lake import Lake
from audio_assets.resources.objects import Objects
from audio_assets.settings import Settings
from tests.engine import toys
from tests.engine.here import HereSession

CATALOG = (
    Column("item", TEXT, doc="Key"),
    Column("content_hash", TEXT, doc="Hash"),
    Column("path", TEXT, doc="Path"),
    Column("duration_s", FLOAT, doc="Length"),
)
ALL = (toys.lengths, toys.words, toys.ratios, toys.remarks, toys.copies)
BENCHES: dict[str, Bench] = {}
WARM = LocalSession()
"""Workers that rest between tests: to start one and to import the toys takes half a second."""
NOWHERE = "http://127.0.0.1:9"
"""An MLflow server that cannot be reached: a training keeps a journal for it, which takes no time."""


@dataclass
class Bench:
    """A platform with notes for items, and short ways to run it."""

    platform: Platform
    folder: Path

    def add(self, notes: dict[str, str], duration_s: float = 1.0) -> None:
        """Put notes in the catalog, one file each."""
        rows = []
        for key, text in notes.items():
            path = self.folder / f"{key}.txt"
            path.write_text(text)
            digest = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
            rows.append({"item": key, "content_hash": digest, "path": str(path), "duration_s": duration_s})
        self.platform.lake.write(lambda c: write_items(c, toys.NOTE.plural, CATALOG, rows))

    def run(
        self,
        names: Iterable[str],
        options: RunOptions = DEFAULT,
        on_chunk: Callable[[list[Computed]], None] = lambda _: None,
        items: list[str] | None = None,
        run_id: str = "test-run",
    ) -> dict[str, Summary]:
        """Run the bundles of `names` in order, by one plan."""
        wanted = [asset.name for asset in self.platform.graph.item_assets if asset.name in set(names)]
        _, kept = keep_plan(self.platform, uuid.uuid4().hex, wanted, items, options)
        summaries: dict[str, Summary] = {}
        for bundle in self.platform.graph.bundles:
            selected = set(wanted) & {asset.name for asset in bundle.assets}
            if selected:
                run = BundleRun(self.platform, bundle, selected, kept, run_id=run_id)
                for chunk in run:
                    on_chunk(chunk)
                summaries |= run.summaries
        return summaries

    def train(
        self,
        name: str,
        *,
        again: bool = False,
        log: Callable[[str], None] = lambda _: None,
        run_id: str = "test-run",
        **parameters: object,
    ) -> tuple[Checkpoint, bool]:
        """Train with `parameters` in the place of those in force; the checkpoint, and whether it is new."""
        asset = self.platform.graph.by_name[name]
        assert isinstance(asset, TrainingAsset)
        execution = Execution("cpu", "float32", run_id, log)
        return run_training(self.platform, asset, parameters, execution, again=again)

    def work(self, names: Iterable[str] | None = None, options: RunOptions = DEFAULT) -> list[str]:
        """Plan and compute in turn until nothing is left, as a launch does; what was computed, in order."""
        wanted = [a.name for a in self.platform.graph.assets] if names is None else list(names)
        run_id = uuid.uuid4().hex
        done: list[str] = []
        while True:
            plan = self.plan(wanted, replace(options, tried=frozenset({run_id})))
            if plan.is_empty:
                return done
            needed = [self.platform.graph.by_name[name] for name in plan.needed]
            chosen = [a.name for a in needed if isinstance(a, ItemAsset)] or [needed[0].name]
            assert done[-len(chosen) :] != chosen, f"{chosen} are computed in vain"
            done += chosen
            match needed[0]:
                case CollectionAsset() as asset:
                    run_collection(
                        self.platform,
                        asset,
                        plan[asset.name].fingerprint,
                        snapshot=plan.snapshot,
                        run_id=run_id,
                    )
                case TrainingAsset() as asset:
                    again = bool(plan[asset.name].todo.keys() & {Why.DRIFTED, Why.ASKED})
                    self.train(asset.name, again=again, run_id=run_id)
                case _:
                    self.run(chosen, options, run_id=run_id)
            self.platform.settle_shown(wanted)

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

    def add_assets(self, *assets: Asset) -> Bench:
        """The same lake with more assets, or with others in the place of those of the same names."""
        by_name = {asset.name: asset for asset in (*self.platform.graph.assets, *assets)}
        platform = replace(self.platform, graph=AssetGraph.of(by_name.values()))
        platform.prepare()
        return Bench(platform, self.folder)

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
    return replace(
        Lake.from_settings(settings), connection_config={"allow_unsigned_extensions": "true", "threads": "1"}
    )


def make_bench(
    folder: Path, assets: Iterable[Asset] = ALL, *, session: Session | None = None, **settings: object
) -> Bench:
    """A bench in a folder; its workers are those that rest between all benches, unless it has a `session`."""
    chosen = Settings(**{"home": folder / "home", "workers": 2, **settings})
    platform = Platform(
        settings=chosen,
        graph=AssetGraph.of(assets),
        lake=quick_lake(chosen),
        objects=Objects.from_settings(chosen),
        tables=catalog_tables(toys.NOTE.plural, CATALOG),
        session=session or WARM,
    )
    platform.prepare()
    (folder / "notes").mkdir(exist_ok=True)
    BENCHES[str(folder)] = Bench(platform, folder / "notes")
    return BENCHES[str(folder)]


def make_learning_bench(folder: Path, assets: Iterable[Asset], **settings: object) -> Bench:
    """A bench whose workers are this process, and whose MLflow is away: trainings take no time."""
    return make_bench(folder, assets, session=HereSession(), **{"mlflow_uri": NOWHERE, **settings})


def copied(bench: Bench, folder: Path, **settings: object) -> Bench:
    """A copy of a bench whose workers are this process, to be changed: what takes long is computed once."""
    bench.platform.lake.close()
    shutil.copytree(bench.platform.settings.home, folder / "home")
    return make_learning_bench(folder, bench.platform.graph.assets, **settings)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return make_bench(tmp_path)


@cache
def toy_job(folder: str) -> dg.JobDefinition:
    """The job over all toy assets of a bench, which Dagster asks for several times in each run."""
    return BENCHES[folder].definitions().resolve_job_def("toys")
