"""What people see of a step in Dagster: figures, previews, and a table of what failed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dagster as dg

from audio_assets.engine.declare.outcomes import ItemResult
from audio_assets.engine.declare.tables import Size, Table
from audio_assets.engine.platform import Platform
from audio_assets.engine.run.items import Summary

FAILURES_SHOWN = 20
PREVIEW_ROWS = 5


def run_metadata(summary: Summary, size: Size | None) -> dict[str, Any]:
    """A run's figures for one asset, as metadata."""
    figures: dict[str, Any] = {f"items {k.value}": n for k, n in summary.outcomes.items()}
    figures |= {"items up to date": summary.up_to_date, "items waiting": summary.waiting}
    figures["items left"] = summary.left
    if summary.size_per_hour is not None and size is not None:
        figures[f"{size.unit} per hour"] = round(summary.size_per_hour / size.per_unit, 1)
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
    names = [column.name for column in table.all_columns if column.name != "fingerprint"]
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


def summary_line(summary: Summary, size: Size | None) -> str:
    """One asset's part of a run in a line."""
    outcomes = ", ".join(f"{n} {outcome.value}" for outcome, n in summary.outcomes.items())
    speed = summary.size_per_hour
    return (
        f"{summary.asset}: {outcomes or 'nothing computed'}; {summary.up_to_date} up to date"
        + (f", {summary.not_retried} failed before" if summary.not_retried else "")
        + (f", {summary.waiting} waiting for upstream" if summary.waiting else "")
        + (f", {summary.left} left, since what they are made from has changed" if summary.left else "")
        + (f"; {speed / size.per_unit:.0f} {size.unit} per hour" if speed and size else "")
    )


def failure_table(results: Sequence[ItemResult]) -> str:
    """Failed items as a Markdown table."""
    rows = [
        f"| {r.asset} | {r.item} | {r.outcome.value} | {_cell(r.reason)} |" for r in results[:FAILURES_SHOWN]
    ]
    more = [f"\nand {len(results) - FAILURES_SHOWN} more."] if len(results) > FAILURES_SHOWN else []
    return "\n".join(["| asset | item | outcome | reason |", "|---|---|---|---|", *rows, *more])


def _cell(text: str | None) -> str:
    return (text or "").replace("|", "\\|").replace("\n", " ")
