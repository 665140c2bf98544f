"""The ledger: what was computed for each item, from what, and how it ended.

One row per asset and item (and, where values of several trained models stand beside each other, checkpoint), in
the lake table ``ledger``, written in the same transaction as the item's rows, so that the two can never
disagree.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import duckdb

from audio_assets.engine.code.state import CodeState
from audio_assets.engine.declare.asset import Recipe
from audio_assets.engine.declare.outcomes import ItemResult, Outcome
from audio_assets.engine.declare.tables import (
    FLOAT,
    INTEGER,
    OBJECT,
    TEXT,
    TIMESTAMP,
    UNSIGNED,
    Column,
    Item,
    Table,
)
from audio_assets.engine.state.rows import arrow_table, insert_rows
from audio_assets.resources.lake import Lake, quote, quoted
from audio_assets.resources.objects import Objects

DEATHS_TO_QUARANTINE = 3

LEDGER = Table(
    "ledger",
    columns=(
        Column("asset", TEXT, doc="Asset, which is also the table its rows are in"),
        Column("item", TEXT, doc="Key of the item; * where the value is of all items together"),
        Column("checkpoint", TEXT, doc="The trained model it was computed with; empty where there is none"),
        Column("outcome", TEXT, doc="ok, not_applicable, failed or quarantined"),
        Column("reason", TEXT, doc="Why there is no value, in one sentence"),
        Column("detail", TEXT, doc="Traceback, or the end of a dead worker's standard error"),
        Column("fingerprint", TEXT, doc="Hash of recipe, sound, columns read and upstream values"),
        Column("fingerprint_high", UNSIGNED, doc="Its first 64 bits, as a number to plan with"),
        Column("fingerprint_low", UNSIGNED, doc="Its last 64 bits"),
        Column("upstream_sum", UNSIGNED, doc="Sum of the first 64 bits of upstream fingerprints"),
        Column("recipe", TEXT, doc="Hash of code version, parameters, backends and columns"),
        Column("upstream_json", TEXT, doc="Fingerprints of the upstream values, by asset"),
        Column("content_hash", TEXT, doc="Hash of the item's sound"),
        Column("reads_hash", TEXT, doc="Hash of the columns of the catalog that it read"),
        Column("code_version", TEXT, doc="The version the asset declares"),
        Column("code_hash", TEXT, doc="Hash of the code that ran and of the libraries it used"),
        Column("libraries_json", TEXT, doc="Versions of those libraries"),
        Column("parameters_json", TEXT, doc="Parameters of the computation"),
        Column("backend", TEXT, doc="Name of the backend that computed it"),
        Column("revision", TEXT, doc="Pinned revision of the backend's weights or method"),
        Column("licence", TEXT, doc="Licence of the backend's weights"),
        Column("deaths", INTEGER, doc="Workers that died of it in a row"),
        Column("seconds", FLOAT, doc="Computation time", unit="s"),
        Column("bytes", INTEGER, doc="Size of its objects", unit="B"),
        Column("run_id", TEXT, doc="Dagster run"),
        Column("computed_at", TIMESTAMP, doc="When it was written"),
    ),
    doc="What was computed for each item, from what, and how it ended.",
    rows="many",
)


@dataclass(frozen=True)
class Computed:
    """A result with all that it was made from, ready to be stored.

    `upstream` has the fingerprints of upstream values by asset, as they were when they were read; `entry` is the
    item of the catalog, None for a value of all items together.
    """

    result: ItemResult
    recipe: Recipe
    code: CodeState
    fingerprint: str
    upstream: Mapping[str, str]
    entry: Item | None = None
    reads_hash: str | None = None
    deaths: int = 0
    checkpoint: str | None = None

    @property
    def content_hash(self) -> str:
        """The hash of the item's sound; empty for a value of all items together."""
        return self.entry.content_hash if self.entry else ""

    @property
    def key(self) -> tuple[str, str, str]:
        """Asset, item and checkpoint."""
        checkpoint = self.recipe.checkpoint if self.checkpoint is None else self.checkpoint
        return self.result.asset, self.result.item, checkpoint


@dataclass(frozen=True)
class Entry:
    """The part of a ledger row that a step needs of upstream values, and of its own."""

    outcome: Outcome
    fingerprint: str
    reason: str | None
    computed_at: datetime


def of_checkpoints(assets: Mapping[str, str]) -> str:
    """SQL that is true of the entries of `assets` that are of their checkpoints."""
    listed = ", ".join(f"({quote(name)}, {quote(checkpoint)})" for name, checkpoint in assets.items())
    return f"(asset, checkpoint) IN ({listed})" if listed else "false"


def read_entries(
    lake: Lake, assets: Mapping[str, str], items: Sequence[str], snapshot: int
) -> dict[tuple[str, str], Entry]:
    """The entries of `items` by asset and item, as of a snapshot; `assets` has the checkpoint of each."""
    rows = lake.rows(
        "SELECT asset, item, outcome, fingerprint, reason, computed_at "
        f"FROM {LEDGER.name} AT (VERSION => {snapshot}) "
        f"WHERE {of_checkpoints(assets)} AND item IN (SELECT unnest({quoted(items)}))"
    )
    return {
        (asset, item): Entry(Outcome(outcome), found, reason, when)
        for asset, item, outcome, found, reason, when in rows
    }


def checkpoints_made(lake: Lake, training: str, value: str) -> list[str]:
    """The checkpoints that a training made from the same, of fingerprint `value`, oldest first."""
    rows = lake.rows(
        f"SELECT checkpoint FROM {LEDGER.name} WHERE asset = {quote(training)} AND fingerprint = {quote(value)} "
        "AND outcome = 'ok' ORDER BY computed_at"
    )
    return [name for (name,) in rows]


def with_quarantine(result: ItemResult, deaths_before: int) -> tuple[ItemResult, int]:
    """`result` and the deaths in a row it makes; the last allowed one quarantines the item."""
    if not result.died:
        return result, 0
    deaths = deaths_before + 1
    if deaths < DEATHS_TO_QUARANTINE:
        return result, deaths
    reason = f"{result.reason} ({deaths} times; `audio-assets release` lets it be tried again)"
    return replace(result, outcome=Outcome.QUARANTINED, reason=reason), deaths


def write_results(
    lake: Lake, objects: Objects, computed: Sequence[Computed], tables: Mapping[str, Table], run_id: str
) -> list[Computed]:
    """Replace the rows and ledger entries of what was computed, all in one transaction; what was stored.

    What was made from upstream values that are not those of the lake any more is left out: it would be stale
    before it is there. So is what names an object that maintenance has deleted meanwhile, which it does as a
    writer among others. Of two runs that compute the same item at once, the later writer's rows stand.
    """
    stored: list[Computed] = []

    def change(connection: duckdb.DuckDBPyConnection) -> None:
        there = _fingerprints(connection, computed)
        gone = objects.missing({key for one in computed for key in _named(tables, one)})
        now = there | {(one.result.asset, one.result.item): {one.fingerprint} for one in computed}
        stored[:] = [
            one
            for one in computed
            if all(value in now.get((name, one.result.item), ()) for name, value in one.upstream.items())
            and not gone & {*_named(tables, one)}
        ]
        by_asset: dict[str, list[Computed]] = {}
        for one in stored:
            by_asset.setdefault(one.result.asset, []).append(one)
        for name, group in by_asset.items():
            old = [one.result.item for one in group if (name, one.result.item) in there]
            _replace(connection, tables[name], group, old)
        insert_rows(connection, LEDGER.name, arrow_table(LEDGER.columns, _entries(stored, run_id)))

    lake.write(change)
    return stored


def _named(tables: Mapping[str, Table], one: Computed) -> list[str]:
    """The objects that a result's rows name."""
    columns = [column.name for column in tables[one.result.asset].columns if column.type is OBJECT]
    return [key for row in one.result.rows for name in columns if (key := row.get(name)) is not None]


def _fingerprints(
    connection: duckdb.DuckDBPyConnection, computed: Sequence[Computed]
) -> dict[tuple[str, str], set[str]]:
    """The fingerprints that the ledger has of what was computed and of its upstream, by asset and item.

    Of upstream values made by trained models it has one for each checkpoint.
    """
    items = sorted({one.result.item for one in computed})
    names = {one.result.asset: one.key[2] for one in computed}
    upstream = {name for one in computed for name in one.upstream} - names.keys()
    rows = connection.execute(
        f"SELECT asset, item, fingerprint FROM {LEDGER.name} "
        f"WHERE item IN (SELECT unnest({quoted(items)})) "
        f"AND ({of_checkpoints(names)} OR asset IN (SELECT unnest({quoted(sorted(upstream))})))"
    ).fetchall()
    there: dict[tuple[str, str], set[str]] = {}
    for asset, item, found in rows:
        there.setdefault((asset, item), set()).add(found)
    return there


def _replace(
    connection: duckdb.DuckDBPyConnection, table: Table, group: Sequence[Computed], old: Sequence[str]
) -> None:
    """Put an asset's rows in the place of those of the items that have some; its old entries go too."""
    asset, _, checkpoint = group[0].key
    if old:
        which = f"item IN (SELECT unnest({quoted(old)}))"
        keyed = f" AND checkpoint = {quote(checkpoint)}" if table.stored_as != table.name else ""
        connection.execute(f'DELETE FROM "{table.stored_as}" WHERE {which}{keyed}')
        connection.execute(
            f"DELETE FROM {LEDGER.name} WHERE asset = {quote(asset)} "
            f"AND checkpoint = {quote(checkpoint)} AND {which}"
        )
    rows = [
        {"item": one.result.item, "fingerprint": one.fingerprint, "checkpoint": checkpoint, **row}
        for one in group
        for row in one.result.rows
    ]
    if rows:
        insert_rows(connection, table.stored_as, arrow_table(table.all_columns, rows))


def replace_entry(connection: duckdb.DuckDBPyConnection, one: Computed, run_id: str) -> None:
    """Put an entry in the place of the one of the same asset, item and checkpoint."""
    asset, item, checkpoint = one.key
    connection.execute(
        f"DELETE FROM {LEDGER.name} WHERE asset = {quote(asset)} AND item = {quote(item)} "
        f"AND checkpoint = {quote(checkpoint)}"
    )
    insert_rows(connection, LEDGER.name, arrow_table(LEDGER.columns, _entries([one], run_id)))


def forget(lake: Lake, assets: Sequence[str], items: Sequence[str] | None, outcome: Outcome) -> int:
    """Remove ledger entries that are `failed` or `quarantined`, so that the next run computes them.

    Returns their number.
    """
    condition = f"asset IN (SELECT unnest({quoted(assets)})) AND outcome = '{outcome.value}'"
    if items is not None:
        condition += f" AND item IN (SELECT unnest({quoted(items)}))"
    removed = 0

    def change(connection: duckdb.DuckDBPyConnection) -> None:
        nonlocal removed
        count = connection.execute(f"DELETE FROM {LEDGER.name} WHERE {condition}").fetchone()
        removed = int(count[0]) if count else 0

    lake.write(change)
    return removed


def _entries(computed: Iterable[Computed], run_id: str) -> list[dict[str, Any]]:
    now = datetime.now(UTC)
    return [
        {
            "asset": one.result.asset,
            "item": one.result.item,
            "checkpoint": one.key[2],
            "outcome": one.result.outcome.value,
            "reason": one.result.reason,
            "detail": one.result.detail,
            "fingerprint": one.fingerprint,
            "fingerprint_high": int(one.fingerprint[:16], 16),
            "fingerprint_low": int(one.fingerprint[16:], 16),
            "upstream_sum": sum(int(value[:16], 16) for value in one.upstream.values()) % 2**64,
            "recipe": one.recipe.digest,
            "upstream_json": json.dumps(dict(one.upstream), sort_keys=True),
            "content_hash": one.content_hash,
            "reads_hash": one.reads_hash,
            "code_version": one.recipe.code_version,
            "code_hash": one.code.digest,
            "libraries_json": one.code.libraries_json,
            "parameters_json": one.recipe.parameters_json,
            "backend": one.recipe.backend,
            "revision": one.recipe.revision,
            "licence": one.recipe.licence,
            "deaths": one.deaths,
            "seconds": one.result.seconds,
            "bytes": one.result.bytes,
            "run_id": run_id,
            "computed_at": now,
        }
        for one in computed
    ]
