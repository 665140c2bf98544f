"""The catalogs as assets that something outside Dagster writes."""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from audio_assets.engine import ItemKind
from audio_assets.ingest.catalog import RECORDING_COLUMNS


def catalog_specs(kinds: Sequence[ItemKind]) -> list[dg.AssetSpec]:
    """The catalogs as assets that something outside Dagster (ingest) writes."""
    columns = [
        dg.TableColumn(column.name, type=column.sql_type, description=column.doc)
        for column in RECORDING_COLUMNS
    ]
    return [
        dg.AssetSpec(
            kind.plural,
            description=f"{kind.doc} Written by `audio-assets ingest` and the inbox sensor.",
            group_name="catalog",
            kinds={"duckdb"},
            owners=["team:audio-assets"],
            metadata={
                "dagster/column_schema": dg.TableSchema(columns=columns),
                "dagster/table_name": f"lake.{kind.plural}",
            },
        )
        for kind in kinds
    ]
