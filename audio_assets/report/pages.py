"""Filling an item's page: what each of its tables becomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from audio_assets.assets.music.crops import CROPS
from audio_assets.engine.declare.outcomes import Outcome
from audio_assets.engine.declare.tables import TEXT, Item, Table
from audio_assets.engine.platform import Platform
from audio_assets.report.collection import Collection
from audio_assets.report.page import (
    LONG_TEXT,
    Page,
    Row,
    Tag,
    facts_of,
    family_of,
    listing_of,
    subtitle_of,
    title_of,
)
from audio_assets.report.timeline import lanes_of

SHOWN_ELSEWHERE = {"beats", "stems", "tags", "crop_features"}
"""Tables of many rows with a place of their own, or too wide for a page."""


def start_page(item: Item, kind: str, ledger: Sequence[Row], collection: Collection) -> Page:
    """A page with what the catalog and the ledger say."""
    return Page(
        item=item,
        kind=kind,
        title=title_of(item),
        subtitle=subtitle_of(item.record),
        facts=facts_of(item, collection),
        failures=[entry for entry in ledger if not Outcome(entry["outcome"]).is_good],
        lineage=ledger,
    )


def fill_page(
    page: Page, many: Mapping[str, Sequence[Row]], platform: Platform, collection: Collection
) -> None:
    """Add the item's tables to its page; `many` has its rows of the tables of many rows."""
    ledger = {entry["asset"]: entry for entry in page.lineage}
    failed = {entry["asset"] for entry in page.failures}
    for table in collection.tables:
        row = collection.rows[table.name].get(page.item.key)
        family = family_of(table, row, ledger.get(table.name), collection)
        page.texts += [(value.column.name, value.text) for value in family.values if value.is_long]
        if family.reason and table.name not in failed:
            page.without_value.append((table.name, family.reason))
        elif not family.reason and not all(value.is_long or value.is_missing for value in family.values):
            page.families.append(family)
    for tag in many.get("top_tags", ()):
        page.tags.setdefault(tag["family"], []).append(Tag(tag["label"], tag["probability"]))
    kind = collection.kind
    for asset in platform.graph.assets:
        rows = many.get(asset.name, ())
        if asset.item is not kind or not rows or asset.name in SHOWN_ELSEWHERE:
            continue
        lanes = lanes_of(asset.table, rows, page.item.duration_s)
        texts = _texts(asset.table, rows)
        if lanes:
            page.lanes += lanes
        elif texts:
            page.texts += texts
        else:
            page.listings.append(listing_of(asset.table, rows))
    page.lanes.sort(key=lambda lane: lane.name == CROPS.name)  # they say nothing of the music


def _texts(table: Table, rows: Sequence[Row]) -> list[tuple[str, str]]:
    """The long texts of a table of many rows, each with its other text (its kind) as heading."""
    names = [column.name for column in table.columns if column.type is TEXT and column.length is None]
    long = [name for name in names if any(len(row[name] or "") > LONG_TEXT for row in rows)]
    if not long:
        return []
    headings = [name for name in names if name not in long]

    def heading(row: Mapping[str, Any]) -> str:
        return ", ".join(
            [table.name.replace("_", " "), *(str(row[name]) for name in headings[:1] if row[name])]
        )

    return [(heading(row), row[name]) for row in rows for name in long if row[name]]
