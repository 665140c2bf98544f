"""Bundles as Dagster assets: one step per bundle, one materialization per good partition.

A step computes what the plan says of the partitions asked for, logs a materialization with its data
version for each partition that is good, and then fails, with a table of the bad ones, if there were
any. Outputs are yielded without an event of their own (`NO_EVENT`), so that later steps go on with the
good items; the executor must not require upstream steps to succeed (see `EXECUTOR`).
"""

# No `from __future__ import annotations` here: Dagster reads the annotations of steps and needs the types.
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

# Dagster has no public way to yield an output of a partitioned asset without marking every partition
# of the run materialized; it uses this key itself for steps that report events on their own.
from dagster._core.definitions.source_asset import (
    SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION as NO_EVENT,
)

from audio_assets.engine.graph import Bundle
from audio_assets.engine.item_asset import ItemAsset
from audio_assets.engine.ledger import read_entries
from audio_assets.engine.outcomes import ItemResult
from audio_assets.engine.plan import RunOptions
from audio_assets.engine.platform import Platform
from audio_assets.engine.run import BundleRun, Summary
from audio_assets.engine.tables import Item, ItemKind, Table

EXECUTOR_CONFIG = {"step_dependency_config": {"require_upstream_step_success": False}}
ITEMS_TAG = "audio_assets/items"
FAILURES_SHOWN = 20
PREVIEW_ROWS = 5


class ItemRunConfig(dg.Config):  # type: ignore[misc]
    """What a run of item assets computes besides missing and stale values."""

    failed: bool = True
    """Try failed items again. The command line and the schedules set it to false."""
    drifted: bool = False
    """Compute values again whose code changed under the same code version."""
    everything: bool = False
    """Compute all values again."""


@dataclass(frozen=True)
class Partitions:
    """Which partition an item is in: one of its own, or one of `shards` hash buckets."""

    kind: ItemKind
    shards: int | None

    @property
    def definition(self) -> dg.PartitionsDefinition[str]:
        """Dagster's definition of the partitions."""
        if self.shards is None:
            return dg.DynamicPartitionsDefinition(name=self.kind.plural)
        return dg.StaticPartitionsDefinition([f"{n:05d}" for n in range(self.shards)])

    def of(self, item: Item) -> str:
        """The partition that holds `item`."""
        if self.shards is None:
            return item.key
        return f"{int(item.content_hash[:12], 16) % self.shards:05d}"

    def items(self, platform: Platform, keys: Sequence[str]) -> dict[str, Item]:
        """The items of the partitions `keys`."""
        if self.shards is None:
            return platform.items(self.kind, keys)
        wanted = set(keys)
        items = platform.items(self.kind)
        return {key: item for key, item in items.items() if self.of(item) in wanted}


def build_bundle_asset(platform: Platform, bundle: Bundle) -> dg.AssetsDefinition:
    """The multi-asset that computes a bundle."""
    partitions = Partitions(bundle.item, platform.settings.shards)
    assets = {asset.name: asset for asset in bundle.assets}
    pools = {asset.pool for asset in bundle.assets} - {None}

    @dg.multi_asset(
        name=bundle.name,
        specs=[_spec(platform, asset, partitions) for asset in bundle.assets],
        check_specs=[spec for asset in bundle.assets for spec in _check_specs(asset.table)],
        can_subset=True,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=pools.pop() if pools else None,
    )
    def compute(context: dg.AssetExecutionContext, config: ItemRunConfig) -> Iterator[Any]:
        selected = {key.to_user_string() for key in context.selected_asset_keys}
        selected &= set(assets)
        keys = _only_tagged(context.partition_keys, context.run.tags.get(ITEMS_TAG))
        items = partitions.items(platform, keys)
        options = RunOptions(config.failed, config.drifted, config.everything)
        run = BundleRun(platform, bundle, selected, items, options, context.run_id)
        reporter = _Reporter(context, platform, partitions, assets, run)
        for chunk in run:
            reporter.chunk(chunk)
        reporter.shards(items)
        yield from _finish(context, platform, bundle, selected, run)

    return compute


def _only_tagged(keys: Sequence[str], tag: str | None) -> Sequence[str]:
    wanted = set(tag.split(",")) if tag else None
    return [key for key in keys if wanted is None or key in wanted]


def _finish(
    context: dg.AssetExecutionContext,
    platform: Platform,
    bundle: Bundle,
    selected: set[str],
    run: BundleRun,
) -> Iterator[Any]:
    for asset in bundle.assets:
        if asset.name in selected:
            summary = run.summaries[asset.name]
            context.log.info(summary_line(summary))
            if summary.computed:
                metadata = {**run_metadata(summary), "preview": preview(platform, asset.table)}
                context.log_event(dg.AssetObservation(asset.name, metadata=metadata))
            yield dg.Output(None, output_name=asset.name, metadata={NO_EVENT: True})
    for key in sorted(context.selected_asset_check_keys, key=str):
        yield _check_range(platform, bundle, key)
    bad = [result for summary in run.summaries.values() for result in summary.bad]
    if bad:
        raise dg.Failure(
            description=f"{len(bad)} of the values could not be computed; all others are stored.",
            metadata={"failed": dg.MetadataValue.md(failure_table(bad))},
            allow_retries=False,
        )


class _Reporter:
    """Logs the materializations of one step."""

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        platform: Platform,
        partitions: Partitions,
        assets: Mapping[str, ItemAsset],
        run: BundleRun,
    ) -> None:
        self._context = context
        self._platform = platform
        self._partitions = partitions
        self._assets = assets
        self._run = run
        self._touched: dict[str, set[str]] = {}

    def chunk(self, results: Iterable[ItemResult]) -> None:
        """Report a stored chunk: each good item at once, shards when all is done."""
        for result in results:
            plan = self._run.plan[result.asset]
            if self._partitions.shards is not None:
                self._touched.setdefault(result.asset, set()).add(result.item)
            elif result.outcome.is_good:
                self._log(
                    result.asset,
                    result.item,
                    plan.fingerprints[result.item],
                    plan.upstream[result.item],
                    item_metadata(result),
                )

    def shards(self, items: Mapping[str, Item]) -> None:
        """Report the shards that are good as a whole and of which something was computed."""
        if self._partitions.shards is None or not self._touched:
            return
        members: dict[str, list[str]] = {}
        for item in items.values():
            members.setdefault(self._partitions.of(item), []).append(item.key)
        entries = read_entries(self._platform.lake, self._touched, list(items))
        for name, touched in self._touched.items():
            for shard in sorted({self._partitions.of(items[key]) for key in touched}):
                found = [entries[name].get(key) for key in members[shard]]
                if all(entry is not None and entry.outcome.is_good for entry in found):
                    text = "".join(sorted(entry.fingerprint for entry in found if entry))
                    version = hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
                    self._log(name, shard, version, {}, {"items": len(found)})

    def _log(
        self,
        asset: str,
        partition: str,
        version: str,
        upstream: Mapping[str, str],
        metadata: Mapping[str, Any],
    ) -> None:
        tags = {
            "dagster/data_version": version,
            "dagster/code_version": self._assets[asset].code_version,
            "dagster/data_version_is_user_provided": "true",
            **{f"dagster/input_data_version/{name}": value for name, value in upstream.items()},
        }
        self._context.log_event(
            dg.AssetMaterialization(asset, partition=partition, metadata=metadata, tags=tags)
        )


def _spec(platform: Platform, asset: ItemAsset, partitions: Partitions) -> dg.AssetSpec:
    recipe = platform.recipes[asset.name]
    columns = [
        dg.TableColumn(
            column.name,
            type=column.sql_type,
            description=column.doc + (f" ({column.range_text})" if column.has_range else ""),
            constraints=dg.TableColumnConstraints(nullable=column.nullable),
        )
        for column in asset.table.all_columns
    ]
    metadata: dict[str, Any] = {
        "dagster/column_schema": dg.TableSchema(columns=columns),
        "dagster/table_name": f"lake.{asset.name}",
        "rows per item": asset.table.rows,
    }
    if recipe.backend:
        metadata |= {
            "backend": f"{recipe.backend} {recipe.revision}",
            "licence": recipe.licence or "",
        }
    return dg.AssetSpec(
        asset.name,
        deps=[*asset.upstream, asset.item.plural],
        description=asset.description,
        metadata=metadata,
        skippable=True,
        group_name=asset.group,
        code_version=asset.code_version,
        owners=list(asset.owners) or ["team:audio-assets"],
        kinds={"duckdb", *(asset.kinds or {"python"})},
        partitions_def=partitions.definition,
    )


def _check_specs(table: Table) -> list[dg.AssetCheckSpec]:
    if not any(column.has_range for column in table.columns):
        return []
    ranges = "; ".join(f"{c.name} {c.range_text}" for c in table.columns if c.has_range)
    return [
        dg.AssetCheckSpec(
            "values_in_range", asset=table.name, blocking=True, description=f"All of {ranges}."
        )
    ]


def _check_range(
    platform: Platform, bundle: Bundle, key: dg.AssetCheckKey
) -> dg.AssetCheckResult:
    name = key.asset_key.to_user_string()
    table = next(asset.table for asset in bundle.assets if asset.name == name)
    ranged = [column for column in table.columns if column.has_range]
    counts = ", ".join(f"count(*) FILTER ({column.outside_sql()})" for column in ranged)
    outside = platform.lake.rows(f'SELECT {counts}, count(*) FROM "{name}"')[0]
    bad = {c.name: n for c, n in zip(ranged, outside[:-1], strict=True) if n}
    return dg.AssetCheckResult(
        asset_key=key.asset_key,
        check_name=key.name,
        passed=not bad,
        metadata={"rows": outside[-1], **{f"{column} outside": n for column, n in bad.items()}},
    )


def run_metadata(summary: Summary) -> dict[str, Any]:
    """A run's figures for one asset, as metadata."""
    figures: dict[str, Any] = {f"items {k.value}": n for k, n in summary.outcomes.items()}
    figures |= {"items up to date": summary.up_to_date, "items blocked": summary.blocked}
    if summary.audio_hours_per_hour is not None:
        figures["audio hours per hour"] = round(summary.audio_hours_per_hour, 1)
    return figures


def item_metadata(result: ItemResult) -> dict[str, Any]:
    """What the UI shows of one item: its row or the number of its rows, or why there is none."""
    figures: dict[str, Any] = {"outcome": result.outcome.value, "compute_s": result.seconds}
    if result.reason:
        figures["reason"] = result.reason
    if len(result.rows) == 1:
        lines = [f"| {name} | {_cell(_shown(value))} |" for name, value in result.rows[0].items()]
        figures["row"] = dg.MetadataValue.md("\n".join(["| column | value |", "|---|---|", *lines]))
    elif result.rows:
        figures["rows"] = len(result.rows)
    return figures


def preview(platform: Platform, table: Table) -> dg.MarkdownMetadataValue:
    """The first rows of a table."""
    names = ["item", *(column.name for column in table.columns)]
    listed = ", ".join(f'"{name}"' for name in names)
    rows = platform.lake.rows(f'SELECT {listed} FROM "{table.name}" LIMIT {PREVIEW_ROWS}')
    lines = [f"| {' | '.join(_cell(_shown(value)) for value in row)} |" for row in rows]
    head = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    return dg.MetadataValue.md("\n".join([*head, *lines]))


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(_shown(part) for part in value[:12]) + (", …" if len(value) > 12 else "")
    return "" if value is None else str(value)


def summary_line(summary: Summary) -> str:
    """One asset's part of a run in a line."""
    outcomes = ", ".join(f"{n} {outcome.value}" for outcome, n in summary.outcomes.items())
    speed = summary.audio_hours_per_hour
    return (
        f"{summary.asset}: {outcomes or 'nothing computed'}; {summary.up_to_date} up to date"
        + (f", {summary.not_retried} failed before" if summary.not_retried else "")
        + (f", {summary.blocked} waiting for upstream" if summary.blocked else "")
        + (f"; {speed:.0f} audio hours per hour" if speed else "")
    )


def failure_table(results: Sequence[ItemResult]) -> str:
    """Failed items as a Markdown table."""
    rows = [
        f"| {r.asset} | {r.item} | {r.outcome.value} | {_cell(r.reason)} |"
        for r in results[:FAILURES_SHOWN]
    ]
    more = [f"\nand {len(results) - FAILURES_SHOWN} more."] if len(results) > FAILURES_SHOWN else []
    return "\n".join(["| asset | item | outcome | reason |", "|---|---|---|---|", *rows, *more])


def _cell(text: str | None) -> str:
    return (text or "").replace("|", "\\|").replace("\n", " ")
