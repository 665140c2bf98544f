"""The check `values_in_range`: whether what a step has just written lies in the ranges its columns declare.

One result says how all of it stands. Each partition that fails has a result of its own besides, and another
when a later step finds it mended. The check itself is declared without partitions: Dagster would plan a
result for each partition of a run, good or bad.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import dagster as dg

from audio_assets.engine.declare.tables import Table
from audio_assets.engine.platform import Platform
from audio_assets.orchestration.dagster_private import failed_partitions, log_check
from audio_assets.orchestration.partitions import Partitions

CHECK = "values_in_range"


def range_check_specs(table: Table) -> list[dg.AssetCheckSpec]:
    """The check of a table, if any of its columns has a range."""
    ranges = "; ".join(f"{c.name} {c.range_text}" for c in table.columns if c.has_range)
    if not ranges:
        return []
    return [dg.AssetCheckSpec(CHECK, asset=table.name, blocking=True, description=f"All of {ranges}.")]


def check_ranges(
    context: dg.AssetExecutionContext,
    platform: Platform,
    table: Table,
    *,
    written: Iterable[str],
    partitions: Partitions,
) -> Iterator[dg.AssetCheckResult]:
    """Check the rows of the items `written`, and of what failed before of the partitions of the step."""
    key = dg.AssetCheckKey(dg.AssetKey(table.name), CHECK)
    if key not in context.selected_asset_check_keys:
        return
    before = failed_partitions(context.instance, key)
    looked_at = set(written)
    here = before & {*context.partition_keys} if before else set()
    looked_at |= {*partitions.items_in(platform, sorted(here))}
    rows, outside = _outside(platform, table, sorted(looked_at))
    items = platform.items(partitions.kind, sorted(outside))
    failing: dict[str, dict[str, int]] = {}
    for item, entry in items.items():
        counts = failing.setdefault(partitions.of(entry), {})
        for name, count in outside[item].items():
            counts[name] = counts.get(name, 0) + count
    for partition in sorted({*failing, *here}):
        evaluation = dg.AssetCheckEvaluation(
            asset_key=key.asset_key,
            check_name=CHECK,
            passed=partition not in failing,
            metadata=_metadata(failing.get(partition, {})),
            blocking=True,
            partition=partition,
        )
        log_check(context, evaluation)
    totals: dict[str, int] = {}
    for counts in failing.values():
        for name, count in counts.items():
            totals[name] = totals.get(name, 0) + count
    yield dg.AssetCheckResult(
        asset_key=key.asset_key,
        check_name=CHECK,
        passed=not failing,
        metadata={"rows": rows, "partitions outside": len(failing), **_metadata(totals)},
    )


def _outside(platform: Platform, table: Table, items: list[str]) -> tuple[int, dict[str, dict[str, int]]]:
    """The number of rows of `items`, and how many values of each column are outside, by item."""
    ranged = [column for column in table.columns if column.has_range]
    counts = ", ".join(f"count(*) FILTER ({column.outside_sql()})" for column in ranged)
    query = (
        f'SELECT item, count(*), {counts} FROM "{table.name}" '
        "WHERE item IN (SELECT unnest(?::VARCHAR[])) GROUP BY item"
    )
    total, outside = 0, {}
    for item, rows, *found in platform.lake.rows(query, [items]) if items else ():
        total += rows
        bad = {column.name: n for column, n in zip(ranged, found, strict=True) if n}
        if bad:
            outside[item] = bad
    return total, outside


def _metadata(counts: Mapping[str, int]) -> dict[str, int]:
    return {f"{name} outside": count for name, count in counts.items()}
