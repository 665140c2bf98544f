"""Collection assets as Dagster assets: their tables, previews and figures."""

# No `from __future__ import annotations` here: Dagster reads the annotations of steps and needs the types.
import base64
from collections.abc import Iterator
from typing import Any

import dagster as dg

from audio_assets.engine.declare.collection_asset import CollectionAsset
from audio_assets.engine.declare.tables import OBJECT, Table
from audio_assets.engine.platform import Platform
from audio_assets.engine.run.collections import run_collection
from audio_assets.engine.state.states import RunOptions
from audio_assets.orchestration.catalog import column, membership
from audio_assets.orchestration.events import failure_table, preview
from audio_assets.orchestration.inputs import Inputs
from audio_assets.orchestration.items import ItemRunConfig
from audio_assets.orchestration.steps import step

FIGURES_SHOWN = 4


def build_collection_asset(platform: Platform, asset: CollectionAsset) -> dg.AssetsDefinition:
    """The multi-asset of a collection asset: one Dagster asset for each of its tables."""

    @dg.multi_asset(
        name=asset.name,
        specs=[_spec(asset, table) for table in asset.tables],
    )
    def compute(context: dg.AssetExecutionContext, config: ItemRunConfig) -> Iterator[Any]:
        with step(context, platform):
            yield from computed(context, config)

    def computed(context: dg.AssetExecutionContext, config: ItemRunConfig) -> Iterator[Any]:
        inputs = Inputs(context, platform)
        options = RunOptions(config.failed, config.drifted, config.everything)
        plan = platform.plan([asset.name], options=options)
        part = plan[asset.name]
        if part.fingerprint is None:
            raise dg.Failure(
                f"{asset.name} waits for {', '.join(part.waiting)}: nothing is there yet.",
                allow_retries=False,
            )
        if part.count:
            result = run_collection(
                platform, asset, part.fingerprint, snapshot=plan.snapshot, run_id=context.run_id
            )
            if not result.outcome.is_good:
                raise dg.Failure(
                    f"{asset.name}: {result.reason}",
                    metadata={"failed": dg.MetadataValue.md(failure_table([result]))},
                    allow_retries=False,
                )
        for table in asset.tables:
            yield dg.MaterializeResult(
                table.name,
                metadata={"preview": preview(platform, table), **_figures(platform, table)},
                data_version=dg.DataVersion(part.fingerprint),
                tags=inputs.mended_tags(table.name),
            )

    return compute


def _spec(asset: CollectionAsset, table: Table) -> dg.AssetSpec:
    first = table is asset.tables[0]
    columns = [column(asset.item, name) for name in asset.reads]
    schema = [dg.TableColumn(c.name, type=c.sql_type, description=c.doc) for c in table.all_columns]
    return dg.AssetSpec(
        table.name,
        deps=[*asset.upstream, membership(asset.item), *columns] if first else [asset.name],
        description=table.doc or asset.description,
        metadata={
            "dagster/column_schema": dg.TableSchema(columns=schema),
            "dagster/table_name": f"lake.{table.name}",
        },
        group_name=asset.group,
        code_version=asset.code_version,
        owners=["team:audio-assets"],
        kinds={"duckdb", "python"},
    )


def _figures(platform: Platform, table: Table) -> dict[str, Any]:
    """PNG objects of the table, as pictures in the UI."""
    found: dict[str, Any] = {}
    for figure in (c for c in table.columns if c.type is OBJECT):
        query = f'SELECT "{figure.name}" FROM "{table.name}" WHERE "{figure.name}" LIKE \'%.png\' LIMIT ?'
        for (key,) in platform.lake.rows(query, [FIGURES_SHOWN]):
            text = base64.b64encode(platform.objects.get(key)).decode()
            picture = f"![{table.name}](data:image/png;base64,{text})"
            found[f"figure {len(found) + 1}"] = dg.MetadataValue.md(picture)
    return found
