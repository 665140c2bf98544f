"""What the engine adds to computation, per item and table, and what it costs to find nothing to do.

1,000 items × 4 tables that compute next to nothing are run on two workers without Dagster, then 10,000
items × 12 tables that are up to date are planned. Start-up is measured apart and taken off.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from audio_assets.engine import FLOAT, TEXT, Column, Item, ItemAsset, Outcome
from audio_assets.engine.declare.graph import AssetGraph
from audio_assets.engine.declare.outcomes import ItemResult
from audio_assets.engine.platform import Platform
from audio_assets.engine.run.items import BundleRun, RunOptions
from audio_assets.engine.state.ledger import Writing, arrow_table, write_results
from audio_assets.engine.state.plan import State
from audio_assets.resources.lake import Lake
from audio_assets.resources.objects import Objects
from audio_assets.settings import Settings
from benchmarks.engine_overhead_assets import NOTE, firsts, sizes, tokens, vectors

ASSETS = (sizes, firsts, vectors, tokens)
RUN_ITEMS = 1000
PLANNED_ITEMS, PLANNED_TABLES, CHUNK = 10_000, 12, 500
CATALOG = (
    Column("item", TEXT, doc="Key"),
    Column("content_hash", TEXT, doc="Hash"),
    Column("path", TEXT, doc="Path"),
    Column("duration_s", FLOAT, doc="Length"),
)


def make_platform(folder: Path, assets: Sequence[ItemAsset], items: int) -> Platform:
    """A platform in `folder` with `items` notes in its catalog."""
    settings = Settings(home=folder, workers=2)
    platform = Platform(
        settings,
        AssetGraph.of(assets),
        Lake.from_settings(settings),
        Objects.from_settings(settings),
        {NOTE.plural: CATALOG},
    )
    platform.prepare()
    note = folder / "note.txt"
    note.write_text("a note of a few words")
    rows = [
        {
            "item": f"note-{index:05d}",
            "content_hash": hashlib.blake2b(str(index).encode(), digest_size=16).hexdigest(),
            "path": str(note),
            "duration_s": 180.0,
        }
        for index in range(items)
    ]
    added = arrow_table(CATALOG, rows)
    platform.lake.write(lambda c: c.register("added", added).execute("INSERT INTO notes SELECT * FROM added"))
    return platform


def run(platform: Platform, items: Mapping[str, Item]) -> float:
    """Compute everything for `items`; seconds."""
    started = time.perf_counter()
    (bundle,) = platform.graph.bundles
    names = {asset.name for asset in bundle.assets}
    computed = sum(
        len(chunk) for chunk in BundleRun(platform, bundle, names, items, RunOptions(), run_id="benchmark")
    )
    assert computed == len(items) * len(names)
    return time.perf_counter() - started


def overhead_ms(folder: Path) -> float:
    """Milliseconds per item and table."""
    platform = make_platform(folder, ASSETS, RUN_ITEMS + 1)
    first, *others = platform.items(NOTE).items()
    start_up_s = run(platform, dict([first]))
    return 1000 * (run(platform, dict(others)) - start_up_s) / (len(others) * len(ASSETS))


def planning_s(folder: Path) -> float:
    """Seconds to find that all of many items are up to date."""
    assets = [replace(sizes, table=replace(sizes.table, name=f"sizes{n:02d}")) for n in range(PLANNED_TABLES)]
    platform = make_platform(folder, assets, PLANNED_ITEMS)
    items = platform.items(NOTE)
    plan = platform.plan(NOTE, platform.graph.by_name, items)
    writing = Writing(
        assets=platform.graph.by_name,
        recipes=platform.recipes,
        code=platform.code,
        items=items,
        fingerprints={name: asset_plan.fingerprints for name, asset_plan in plan.items()},
        upstream={},
        deaths={},
        run_id="benchmark",
    )
    keys = list(items)
    for start in range(0, len(keys), CHUNK):
        results = [
            ItemResult(name, key, Outcome.OK, [{"characters": 1}])
            for key in keys[start : start + CHUNK]
            for name in platform.graph.by_name
        ]
        write_results(platform.lake, results, writing)
    started = time.perf_counter()
    plan = platform.plan(NOTE, platform.graph.by_name, platform.items(NOTE))
    seconds = time.perf_counter() - started
    assert all(set(asset_plan.states.values()) == {State.OK} for asset_plan in plan.values())
    return seconds


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        overhead = overhead_ms(Path(folder, "run"))
        planning = planning_s(Path(folder, "plan"))
    print("| what | size | measured | target |")
    print("|---|---|---|---|")
    print(f"| engine, beyond computing | {RUN_ITEMS:,} items × {len(ASSETS)} tables |", end="")
    print(f" {overhead:.2f} ms per item and table | ≤ 5 ms |")
    print(f"| planning with nothing to do | {PLANNED_ITEMS:,} items × {PLANNED_TABLES} tables |", end="")
    print(f" {planning:.2f} s | ≤ 3 s |")


if __name__ == "__main__":
    main()
