"""Planning: which values need computing, and why; a question to the lake that DuckDB answers.

The fingerprint of a value is a hash of its asset's recipe (name, code version, parameters, backends and their
revisions, columns), its item's sound, the columns of the catalog it reads and the fingerprints of its upstream
values; see `value_fingerprint`. A value of all items together has the same of every item, in the order of their
keys. A value whose fingerprint stands in the ledger with a good outcome is never computed again unasked.

Catalog and ledger are read once for all assets, as of one snapshot, into tables of numbers. Items whose every value
is what it would be made from now are told by sums over their entries; for the others the assets are gone
through, upstream first. Items never come to Python: the answer is counts, and files with a row for each value
to compute.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from audio_assets.engine.declare.item_asset import ItemAsset
from audio_assets.engine.state.plan_items import ItemPlans
from audio_assets.engine.state.plan_whole import WholePlans
from audio_assets.engine.state.plans import Plan, Question, TrainingItem
from audio_assets.resources.lake import Lake, quote

MEMORY = "2GiB"
"""What DuckDB may hold while it plans."""


def make_plan(lake: Lake, question: Question, keep: Path | None = None) -> Plan:
    """Answer the question. With `keep` the values per item to compute are written into that folder.

    There is a Parquet file for each bundle, largest items first: asset, item, fingerprint, the upstream
    fingerprints in the asset's order, and the workers that died of it so far.
    """
    if not question.selected:
        return Plan(lake.snapshot(), {})
    with lake.get_connection() as connection, _bounded(connection):
        return _Planning(connection, question).plan(keep)


@contextmanager
def _bounded(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Let DuckDB hold no more than `MEMORY` within the block; the rest goes to its temporary folder.

    Nor does it keep what it has read of files, of which planning reads each once: 0.2 GiB for 2,000 small ones.
    """
    connection.execute(f"SET memory_limit = {quote(MEMORY)}")
    connection.execute("SET enable_external_file_cache = false")
    try:
        yield
    finally:
        connection.execute("RESET enable_external_file_cache")
        connection.execute("RESET memory_limit")


def read_training(lake: Lake, question: Question) -> tuple[Plan, list[TrainingItem]]:
    """Where the one training that the question selects stands, and the items that are ready for it."""
    with lake.get_connection() as connection, _bounded(connection):
        planning = _Planning(connection, question)
        plan = planning.plan(None)
        (name,) = plan.assets
        return plan, planning.training_items(name)


class _Planning(ItemPlans, WholePlans):
    """One answer in the making: the assets are gone through, upstream first."""

    def plan(self, keep: Path | None) -> Plan:
        self._run(
            "CREATE OR REPLACE TEMP TABLE plan_todo "
            "(asset UTINYINT, id UINTEGER, size DOUBLE, fp VARCHAR, upstream VARCHAR[], deaths UTINYINT)"
        )
        parts = {}
        for asset in self._selected:
            if isinstance(asset, ItemAsset):
                parts[asset.name] = self._plan_items(asset)
            else:
                parts[asset.name] = self._plan_whole(asset)
        plan = Plan(self._snapshot, parts)
        if keep is not None:
            self._keep(keep)
        return plan

    def _keep(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        names = pa.table(
            {
                "number": pa.array(self._number.values(), pa.uint8()),
                "asset": pa.array(self._number.keys(), pa.string()),
            }
        )
        self._connection.register("plan_names", names)
        there = {number for (number,) in self._rows("SELECT DISTINCT asset FROM plan_todo")}
        for bundle in self._question.graph.bundles:
            numbers = [self._number[a.name] for a in bundle.assets if self._number.get(a.name) in there]
            if numbers:
                self._run(
                    "COPY (SELECT a.asset, i.item, t.fp AS fingerprint, t.upstream, t.deaths "
                    "FROM plan_todo AS t JOIN plan_items AS i ON i.rowid = t.id "
                    "JOIN plan_names AS a ON a.number = t.asset "
                    f"WHERE t.asset IN ({', '.join(map(str, numbers))}) ORDER BY t.size DESC, t.id, t.asset) "
                    f"TO {quote(str(folder / f'{bundle.name}.parquet'))} (FORMAT parquet)"
                )
