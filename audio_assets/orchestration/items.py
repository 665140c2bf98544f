"""Bundles as Dagster assets: one step per bundle, one materialization per good partition.

A step computes what the plan says of the partitions asked for, logs a materialization with its data
version for each partition that is good, and then fails, with a table of the bad ones, if there were
any. Outputs are yielded without an event of their own (`NO_EVENT`), so that later steps go on with the
good items; the executor must not require upstream steps to succeed (see `EXECUTOR_CONFIG`).
"""

# No `from __future__ import annotations` here: Dagster reads the annotations of steps and needs the types.
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

import dagster as dg

# Dagster has no public way to yield an output of a partitioned asset without marking every partition
# of the run materialized; it uses this key itself for steps that report events on their own.
from dagster._core.definitions.source_asset import (
    SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION as NO_EVENT,
)

from audio_assets.engine.declare.graph import Bundle
from audio_assets.engine.declare.item_asset import ItemAsset
from audio_assets.engine.declare.tables import Item, Table
from audio_assets.engine.platform import Platform
from audio_assets.engine.run.items import BundleRun
from audio_assets.engine.state.plan import RunOptions
from audio_assets.orchestration.events import Reporter, failure_table, preview, run_metadata, summary_line
from audio_assets.orchestration.partitions import Partitions

EXECUTOR_CONFIG = {"step_dependency_config": {"require_upstream_step_success": False}}
ITEMS_TAG = "audio_assets/items"


class ItemRunConfig(dg.Config):
    """What a run of item assets computes besides missing and stale values."""

    failed: bool = True
    """Try failed items again. The command line and the schedules set it to false."""
    drifted: bool = False
    """Compute values again whose code changed under the same code version."""
    everything: bool = False
    """Compute all values again."""


def build_bundle_asset(platform: Platform, bundle: Bundle) -> dg.AssetsDefinition:
    """The multi-asset that computes a bundle."""
    partitions = Partitions(bundle.item, platform.settings.shards)
    assets = {asset.name for asset in bundle.assets}

    @dg.multi_asset(
        name=bundle.name,
        specs=[_spec(platform, asset, partitions) for asset in bundle.assets],
        check_specs=[spec for asset in bundle.assets for spec in _check_specs(asset.table)],
        can_subset=True,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=bundle.pool,
    )
    def compute(context: dg.AssetExecutionContext, config: ItemRunConfig) -> Iterator[Any]:
        platform.prepare()
        selected = {key.to_user_string() for key in context.selected_asset_keys}
        selected &= assets
        items = partitions.items(platform, context.partition_keys)
        wanted = _only_tagged(items, context.run.tags.get(ITEMS_TAG))
        options = RunOptions(config.failed, config.drifted, config.everything)
        run = BundleRun(platform, bundle, selected, wanted, options, run_id=context.run_id)
        reporter = Reporter(context, platform, run)
        with closing(iter(run)) as chunks:
            for chunk in chunks:
                reporter.chunk(chunk)
        reporter.finish(partitions, items)
        yield from _finish(context, platform, bundle, selected, run)

    return compute


def _only_tagged(items: Mapping[str, Item], tag: str | None) -> Mapping[str, Item]:
    """The items that the run's tag names, or all of them."""
    return items if tag is None else {key: items[key] for key in tag.split(",") if key in items}


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
        deps=[*asset.upstream, *([asset.model] if asset.model else []), asset.item.plural],
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
        dg.AssetCheckSpec("values_in_range", asset=table.name, blocking=True, description=f"All of {ranges}.")
    ]


def _check_range(platform: Platform, bundle: Bundle, key: dg.AssetCheckKey) -> dg.AssetCheckResult:
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
