"""What the engine adds to computation, per item and table.

1,000 items × 4 tables that compute next to nothing are run on two workers without Dagster. Start-up is measured
apart and taken off.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from pathlib import Path

from audio_assets.engine import FLOAT, TEXT, Column
from audio_assets.engine.declare.graph import AssetGraph
from audio_assets.engine.platform import Platform
from audio_assets.engine.run.items import BundleRun
from audio_assets.engine.state.catalog import catalog_tables, write_items
from audio_assets.engine.state.kept import drop_plan, keep_plan
from audio_assets.engine.state.states import DEFAULT
from audio_assets.resources.lake import Lake
from audio_assets.resources.objects import Objects
from audio_assets.settings import Settings
from benchmarks.engine_overhead_assets import NOTE, firsts, sizes, tokens, vectors

ASSETS = (sizes, firsts, vectors, tokens)
ITEMS, REPEATS = 1000, 3
CATALOG = (
    Column("item", TEXT, doc="Key"),
    Column("content_hash", TEXT, doc="Hash"),
    Column("path", TEXT, doc="Path"),
    Column("duration_s", FLOAT, doc="Length"),
)


def make_platform(folder: Path) -> Platform:
    """A platform in `folder` with one note more than is measured in its catalog."""
    settings = Settings(home=folder, workers=2)
    platform = Platform(
        settings,
        AssetGraph.of(ASSETS),
        Lake.from_settings(settings),
        Objects.from_settings(settings),
        catalog_tables(NOTE.plural, CATALOG),
    )
    platform.prepare()
    note = folder / "note.txt"
    note.write_text("a note of a few words")
    rows = [
        {
            "item": f"note-{index:05d}",
            "content_hash": hashlib.sha256(str(index).encode()).hexdigest(),
            "path": str(note),
            "duration_s": 180.0,
        }
        for index in range(ITEMS + 1)
    ]
    platform.lake.write(lambda c: write_items(c, NOTE.plural, CATALOG, rows))
    return platform


def run(platform: Platform, items: list[str] | None) -> tuple[float, int]:
    """Compute everything there is to compute for `items`; seconds, and how many values."""
    started = time.perf_counter()
    (bundle,) = platform.graph.bundles
    names = [asset.name for asset in bundle.assets]
    _, plan = keep_plan(platform, "benchmark", names, items, DEFAULT)
    computed = sum(map(len, BundleRun(platform, bundle, names, plan, run_id="benchmark")))
    drop_plan(platform, plan.id)
    return time.perf_counter() - started, computed


def overhead_ms(folder: Path) -> float:
    """Milliseconds per item and table."""
    platform = make_platform(folder)
    try:
        start_up_s, _ = run(platform, ["note-00000"])
        seconds, computed = run(platform, None)
    finally:
        platform.session.close()
        platform.lake.close()
    assert computed == ITEMS * len(ASSETS)
    return 1000 * (seconds - start_up_s) / computed


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        overhead = min(overhead_ms(Path(folder, str(repeat))) for repeat in range(REPEATS))
    print("| what | size | measured | target |")
    print("|---|---|---|---|")
    print(f"| engine, beyond computing | {ITEMS:,} items × {len(ASSETS)} tables |", end="")
    print(f" {overhead:.2f} ms per item and table, best of {REPEATS} | ≤ 1.1 ms |")


if __name__ == "__main__":
    main()
