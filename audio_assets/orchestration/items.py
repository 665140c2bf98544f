"""Bundles as Dagster assets: one step per bundle, one materialization per good partition.

A step computes what the plan says of the partitions asked for, logs a materialization with its data
version for each partition that is good, and then fails, with a table of the bad ones, if there were
any. Outputs are yielded without an event of their own (`NO_EVENT`), so that later steps go on with the
good items; the executor must not require upstream steps to succeed (see `EXECUTOR_CONFIG`).
"""

# No `from __future__ import annotations` here: Dagster reads the annotations of steps and needs the types.
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import dagster as dg

from audio_assets.engine.declare.graph import Bundle
from audio_assets.engine.declare.item_asset import ItemAsset
from audio_assets.engine.platform import Platform
from audio_assets.engine.run.items import BundleRun, Summary
from audio_assets.engine.state.states import RunOptions
from audio_assets.orchestration.catalog import keys_read
from audio_assets.orchestration.dagster_private import NO_EVENT
from audio_assets.orchestration.events import failure_table, preview, run_metadata, summary_line
from audio_assets.orchestration.partitions import Partitions
from audio_assets.orchestration.range_checks import check_ranges, range_check_specs
from audio_assets.orchestration.reporter import Reporter
from audio_assets.orchestration.run_plans import plan_of_run
from audio_assets.orchestration.steps import step

EXECUTOR_CONFIG = {"step_dependency_config": {"require_upstream_step_success": False}}


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
        check_specs=[spec for asset in bundle.assets for spec in range_check_specs(asset.table)],
        can_subset=True,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def compute(context: dg.AssetExecutionContext, config: ItemRunConfig) -> Iterator[Any]:
        with step(context, platform):
            yield from computed(context, config)

    def computed(context: dg.AssetExecutionContext, config: ItemRunConfig) -> Iterator[Any]:
        selected = {key.to_user_string() for key in context.selected_asset_keys} & assets
        reporter = Reporter(context, platform, [a for a in bundle.assets if a.name in selected], partitions)
        options = RunOptions(config.failed, config.drifted, config.everything)
        plan = plan_of_run(context, platform, bundle.item, reporter.items_asked, options)
        run = BundleRun(platform, bundle, selected, plan, run_id=context.run_id)
        reporter.start(run)
        written: dict[str, list[str]] = {name: [] for name in selected}
        with closing(iter(run)) as chunks:
            for chunk in chunks:
                reporter.chunk(chunk)
                for one in chunk:
                    written[one.result.asset].append(one.result.item)
        reporter.finish(run)
        for asset in bundle.assets:
            if asset.name in selected:
                yield from _output(context, platform, asset, run.summaries[asset.name])
                yield from check_ranges(
                    context,
                    platform,
                    asset.table,
                    written=written[asset.name],
                    partitions=partitions,
                )
        bad = [result for summary in run.summaries.values() for result in summary.bad]
        if bad:
            raise dg.Failure(
                description=f"{len(bad)} of the values could not be computed; all others are stored.",
                metadata={"failed": dg.MetadataValue.md(failure_table(bad))},
                allow_retries=False,
            )

    return compute


def _output(
    context: dg.AssetExecutionContext, platform: Platform, asset: ItemAsset, summary: Summary
) -> Iterator[dg.Output[None]]:
    context.log.info(summary_line(summary, asset.item.size))
    if summary.computed:
        metadata = {**run_metadata(summary, asset.item.size), "preview": preview(platform, asset.table)}
        context.log_event(dg.AssetObservation(asset.name, metadata=metadata))
    yield dg.Output(None, output_name=asset.name, metadata={NO_EVENT: True})


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
        deps=[
            *asset.upstream,
            *([asset.model] if asset.model else []),
            *keys_read(asset.item, asset.reads),
        ],
        description=asset.description,
        metadata=metadata,
        skippable=True,
        group_name=asset.group,
        code_version=asset.code_version,
        owners=list(asset.owners) or ["team:audio-assets"],
        kinds={"duckdb", *(asset.kinds or {"python"})},
        partitions_def=partitions.definition,
    )
