"""What Dagster is told of a step: materializations, figures, previews, and a table of what failed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg

# As Dagster logs the partitions of one output; `context.log_event` has no way to log several at once.
from dagster._core.events import DagsterEvent, DagsterEventBatchMetadata, generate_event_batch_id

from audio_assets.engine.declare.outcomes import ItemResult
from audio_assets.engine.declare.tables import Item, ResultTable, Table
from audio_assets.engine.platform import Platform
from audio_assets.engine.run.items import BundleRun, Summary
from audio_assets.engine.state.ledger import read_entries
from audio_assets.orchestration.partitions import Partitions

VERSION_TAG = "dagster/data_version"
BACKFILL_TAG = "dagster/backfill"
FAILURES_SHOWN = 20
PREVIEW_ROWS = 5
REPORTED_LATER = 1000


class Reporter:
    """Logs the materializations of one step, each with its data version.

    A run that is killed between storing a value and reporting it leaves Dagster behind the ledger; the
    next step over the same partition makes up for it, for at most `REPORTED_LATER` values of an asset.
    Dagster counts as failed what a backfill's runs do not materialize, so a run of a backfill also reports
    values that were up to date.
    """

    def __init__(self, context: dg.AssetExecutionContext, platform: Platform, run: BundleRun) -> None:
        self._context = context
        self._platform = platform
        self._run = run
        self._shards = platform.settings.shards is not None
        self._is_backfill = BACKFILL_TAG in context.run.tags
        self._touched: dict[str, set[str]] = {}

    def chunk(self, results: Iterable[ItemResult]) -> None:
        """Report a stored chunk: each good item at once; shards wait until all is done."""
        good = []
        for result in results:
            if self._shards:
                self._touched.setdefault(result.asset, set()).add(result.item)
            elif result.outcome.is_good:
                plan = self._run.plan[result.asset]
                version, upstream = plan.fingerprints[result.item], plan.upstream[result.item]
                metadata = item_metadata(result)
                good.append(self._materialization(result.asset, result.item, version, metadata, upstream))
        self._log(good)

    def finish(self, partitions: Partitions, items: Mapping[str, Item]) -> None:
        """Report what is stored and Dagster does not know: shards of `items`, and what was left over."""
        for name in self._run.summaries:
            known = {} if self._is_backfill else self._known_versions(name)
            if self._shards:
                stored = self._shard_versions(name, partitions, items)
                touched = {partitions.of(items[key]) for key in self._touched.get(name, ())}
            else:
                stored, touched = self._run.up_to_date(name), set()
            late = [key for key in stored if key not in touched and known.get(key) != stored[key]]
            if not self._is_backfill:
                late = late[:REPORTED_LATER]
            reported = [*(key for key in stored if key in touched), *late]
            note = {"reported": "from the ledger"}
            self._log([self._materialization(name, key, stored[key], note) for key in reported])

    def _shard_versions(self, name: str, partitions: Partitions, items: Mapping[str, Item]) -> dict[str, str]:
        """A data version for each shard of which all items are good."""
        entries = read_entries(self._platform.lake, [name], list(items))[name]
        members: dict[str, list[str]] = {}
        for item in items.values():
            entry = entries.get(item.key)
            good = entry is not None and entry.outcome.is_good
            members.setdefault(partitions.of(item), []).append(entry.fingerprint if entry and good else "")
        return {
            shard: hashlib.blake2b("".join(sorted(versions)).encode(), digest_size=12).hexdigest()
            for shard, versions in sorted(members.items())
            if all(versions)
        }

    def _known_versions(self, name: str) -> dict[str, str]:
        tags = self._context.instance.event_log_storage.get_latest_tags_by_partition(
            dg.AssetKey(name), dg.DagsterEventType.ASSET_MATERIALIZATION, tag_keys=[VERSION_TAG]
        )
        return {partition: values.get(VERSION_TAG, "") for partition, values in tags.items()}

    def _materialization(
        self,
        name: str,
        partition: str,
        version: str,
        metadata: Mapping[str, Any],
        upstream: Mapping[str, str] | None = None,
    ) -> dg.AssetMaterialization:
        tags = {
            VERSION_TAG: version,
            "dagster/code_version": self._platform.graph.by_name[name].code_version,
            "dagster/data_version_is_user_provided": "true",
            **{f"dagster/input_data_version/{source}": value for source, value in (upstream or {}).items()},
        }
        return dg.AssetMaterialization(name, partition=partition, metadata=metadata, tags=tags)

    def _log(self, events: Sequence[dg.AssetMaterialization]) -> None:
        """Log events, which the event log stores together if it can (DAGSTER_EVENT_BATCH_SIZE)."""
        step = self._context.get_step_execution_context()
        batch: str = generate_event_batch_id()  # type: ignore[no-untyped-call]
        for number, event in enumerate(events, start=1):
            is_last = number == len(events)
            DagsterEvent.asset_materialization(step, event, DagsterEventBatchMetadata(batch, is_last))


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


def preview(platform: Platform, table: Table | ResultTable) -> dg.MarkdownMetadataValue:
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
        f"| {r.asset} | {r.item} | {r.outcome.value} | {_cell(r.reason)} |" for r in results[:FAILURES_SHOWN]
    ]
    more = [f"\nand {len(results) - FAILURES_SHOWN} more."] if len(results) > FAILURES_SHOWN else []
    return "\n".join(["| asset | item | outcome | reason |", "|---|---|---|---|", *rows, *more])


def _cell(text: str | None) -> str:
    return (text or "").replace("|", "\\|").replace("\n", " ")
