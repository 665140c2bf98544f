"""Running one bundle: take its part of the plan, compute on workers, store chunk by chunk."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice

from audio_assets.engine.declare.asset import Recipe, fingerprint
from audio_assets.engine.declare.graph import Bundle
from audio_assets.engine.declare.item_asset import ItemAsset
from audio_assets.engine.declare.outcomes import ItemResult, Outcome
from audio_assets.engine.declare.tables import Item, Row
from audio_assets.engine.platform import Platform
from audio_assets.engine.run import stopping
from audio_assets.engine.run.batching import batches
from audio_assets.engine.run.isolated import compute_tasks
from audio_assets.engine.run.pools import in_pool
from audio_assets.engine.run.progress import observer
from audio_assets.engine.run.tasks import ItemTask, Task, Upstream
from audio_assets.engine.state.catalog import text_table
from audio_assets.engine.state.kept import KeptPlan, Value
from audio_assets.engine.state.ledger import (
    LEDGER,
    Computed,
    Entry,
    read_entries,
    with_quarantine,
    write_results,
)
from audio_assets.engine.state.plans import value_fingerprint
from audio_assets.engine.state.rows import only
from audio_assets.resources.lake import quote, quoted

WINDOW = 512
"""Items whose catalog rows and upstream values are read with one query each."""


@dataclass
class Summary:
    """What became of one asset in a run.

    `left` are values whose item or upstream is not what it was when the run was planned; `size` is that of the
    items computed, in the unit of their kind.
    """

    asset: str
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    up_to_date: int = 0
    not_retried: int = 0
    waiting: int = 0
    left: int = 0
    compute_s: float = 0.0
    size: float = 0.0
    wall_s: float = 0.0
    bad: list[ItemResult] = field(default_factory=list)

    @property
    def computed(self) -> int:
        """Items that were computed, whatever the outcome."""
        return sum(self.outcomes.values())

    @property
    def size_per_hour(self) -> float | None:
        """Throughput: size computed per hour of the run, or None if nothing was computed."""
        return 3600 * self.size / self.wall_s if self.computed and self.wall_s else None


@dataclass(frozen=True)
class Stored:
    """A value that is there: its fingerprint, and those of the upstream values it was made from."""

    fingerprint: str
    upstream: Mapping[str, str]


@dataclass(frozen=True)
class _Made:
    """What a value that is being computed is made from."""

    value: Value
    item: Item
    upstream: Mapping[str, str]
    reads_hash: str | None


class BundleRun:
    """One bundle's part of a run; iterate over it once, then read `summaries`.

    Iterating yields lists of what is safe in the lake. Closing the iterator, or an exception
    in it, loses at most the chunk being computed. Items are computed by the platform's session of workers.

    Raises:
        StalePlanError: the plan was made with other code or parameters.
    """

    def __init__(
        self, platform: Platform, bundle: Bundle, selected: Iterable[str], plan: KeptPlan, *, run_id: str
    ) -> None:
        names = set(selected) & plan.counts.keys()
        self._platform = platform
        self._bundle = bundle
        self._assets = [asset for asset in bundle.assets if asset.name in names]
        self._plan = plan
        self._run_id = run_id
        plan.check([asset.name for asset in self._assets])
        needed = [*names, *platform.graph.upstream_of(names)]
        self._adopted = platform.adopted(needed)
        self._recipes: Mapping[str, Recipe] = platform.recipes_with(self._adopted)
        self._made: dict[tuple[str, str], _Made] = {}
        self.summaries = {asset.name: self._summary(asset.name) for asset in self._assets}

    def _summary(self, name: str) -> Summary:
        counts = self._plan.counts[name]
        return Summary(
            name,
            up_to_date=counts.up_to_date,
            not_retried=counts.not_retried,
            waiting=counts.waiting,
        )

    def good_fingerprints(self, name: str, items: Sequence[str]) -> dict[str, str]:
        """The fingerprints of the asset's good values of `items`, by item."""
        rows = self._platform.lake.rows(
            f"SELECT item, fingerprint FROM {LEDGER.name} WHERE asset = {quote(name)} "
            f"AND checkpoint = {quote(self._checkpoint(name))} AND outcome IN ('ok', 'not_applicable')"
            + only(items, "AND")
        )
        wanted = set(items)
        return {item: found for item, found in rows if item in wanted}

    def stored_now(self, name: str, items: Sequence[str]) -> dict[str, str]:
        """The fingerprints of the asset's values of `items` that fit what there is, after the run."""
        return {item: one.fingerprint for item, one in self._fitting_entries(name, items).items()}

    def up_to_date(self, name: str, items: Sequence[str]) -> dict[str, Stored]:
        """The asset's values of `items` that fit what there is, by item; those to be computed are left out."""
        planned = self._plan.items(self._bundle.name, name)
        return {k: one for k, one in self._fitting_entries(name, items).items() if k not in planned}

    def _fitting_entries(self, name: str, items: Sequence[str]) -> dict[str, Stored]:
        asset = self._platform.graph.item_asset(name)
        recipe = self._recipes.get(name)
        if recipe is None:
            return {}
        sources = {u: self._checkpoint(u) for u in asset.upstream}
        listed = ", ".join(
            f"({quote(n)}, {quote(c)})" for n, c in {name: recipe.checkpoint, **sources}.items()
        )
        rows = self._platform.lake.rows(
            f"SELECT asset, item, fingerprint, upstream_json FROM {LEDGER.name} "
            f"WHERE (asset, checkpoint) IN ({listed}) AND outcome IN ('ok', 'not_applicable')"
            + only(items, "AND")
        )
        now = {(asset_name, item): found for asset_name, item, found, _ in rows}
        catalog = self._catalog(asset, items)
        found = {}
        for asset_name, item, value, upstream_json in rows:
            if asset_name != name or item not in catalog:
                continue
            upstream = [now.get((u, item), "") for u in asset.upstream]
            if value == value_fingerprint(recipe, *catalog[item], upstream):
                found[item] = Stored(value, json.loads(upstream_json))
        return found

    def _catalog(self, asset: ItemAsset, items: Sequence[str]) -> dict[str, tuple[str, str | None]]:
        """The hashes of the sound of `items` and of the columns that the asset reads, by item."""
        columns = "".join(f', x."{name}"' for name in asset.reads)
        joined = f' JOIN "{text_table(asset.item.plural)}" AS x USING (item)' if asset.reads else ""
        rows = self._platform.lake.rows(
            f'SELECT item, t.content_hash{columns} FROM "{asset.item.plural}" AS t{joined}' + only(items)
        )
        wanted = set(items)
        return {
            item: (sound, fingerprint(texts) if asset.reads else None)
            for item, sound, *texts in rows
            if item in wanted
        }

    def _checkpoint(self, name: str) -> str:
        recipe = self._recipes.get(name)
        return recipe.checkpoint if recipe else ""

    def __iter__(self) -> Generator[list[Computed]]:
        totals = {asset.name: self._plan.counts[asset.name].todo for asset in self._assets}
        wanted = max(totals.values(), default=0)
        if not wanted:
            return
        started = time.monotonic()
        settings = self._platform.settings
        # A killed run loses a chunk at most: one half is written while the other is computed.
        full = max(1, settings.chunk_items // 2) * len(self._assets)
        computing = compute_tasks(
            self._platform,
            self._assets,
            {name: found.checkpoint for name, found in self._adopted.items()},
            self._tasks(),
            items=wanted,
            ahead=full,
            tick_s=min(settings.chunk_seconds, stopping.LOOK_S),
        )
        what = f"{self._bundle.name} of run {self._run_id[:8]}"
        with (
            stopping.stopping(),
            in_pool(self._platform, self._bundle.pool, what),
            closing(computing) as results,
        ):
            for chunk in self._chunks(results, full):
                yield self._store(chunk)
                self._platform.settle_shown(asset.name for asset in self._assets)
                for summary in self.summaries.values():
                    summary.wall_s = time.monotonic() - started
            stopping.check()

    def _chunks(self, results: Iterable[ItemResult | None], full: int) -> Iterator[list[ItemResult]]:
        seconds = self._platform.settings.chunk_seconds
        chunk: list[ItemResult] = []
        last = time.monotonic()
        for result in results:
            if result is not None:
                chunk.append(result)
                observer().finished(result)
            if chunk and (len(chunk) >= full or time.monotonic() - last > seconds):
                yield chunk
                chunk, last = [], time.monotonic()
            if stopping.is_asked():
                break
        if chunk:
            yield chunk  # what is computed is kept, whatever ends the run

    def _store(self, chunk: list[ItemResult]) -> list[Computed]:
        computed = []
        for result in chunk:
            made = self._made.pop((result.asset, result.item))
            quarantined, deaths = with_quarantine(result, made.value.deaths)
            computed.append(
                Computed(
                    quarantined,
                    self._recipes[result.asset],
                    self._platform.code[result.asset],
                    made.value.fingerprint,
                    made.upstream,
                    made.item,
                    made.reads_hash,
                    deaths,
                )
            )
            summary = self.summaries[result.asset]
            summary.compute_s += result.seconds
            summary.size += made.item.size
        tables = {asset.name: asset.table for asset in self._assets}
        stored = write_results(self._platform.lake, self._platform.objects, computed, tables, self._run_id)
        for one in stored:
            summary = self.summaries[one.result.asset]
            summary.outcomes[one.result.outcome] += 1
            if not one.result.outcome.is_good:
                summary.bad.append(one.result)
        observer().stored(len(stored))
        kept = {id(one) for one in stored}
        for one in computed:
            self.summaries[one.result.asset].left += id(one) not in kept
        return stored

    # --- from the plan to tasks ---

    def _tasks(self) -> Iterator[Task]:
        """The plan's values as tasks, as far as they still fit what the lake holds."""
        names = {asset.name for asset in self._assets}
        groups = (
            [value for value in group if value.asset in names]
            for group in self._plan.values(self._bundle.name)
        )
        groups = (group for group in groups if group)
        size = self._assets[0].batch_size
        while window := list(islice(groups, WINDOW // size * size or size)):
            tasks = self._window(window)
            for group in batches([task.item for task in tasks], size):
                by_item = {task.item.key: task for task in tasks}
                yield Task(tuple(by_item[item.key] for item in group))

    def _window(self, groups: Sequence[Sequence[Value]]) -> list[ItemTask]:
        keys = [group[0].item for group in groups]
        kind = self._assets[0].item
        items = self._platform.items(kind, keys)
        texts = self._texts(keys)
        # Entries and rows as of one snapshot, so that fingerprints and values belong together.
        snapshot = self._platform.lake.snapshot()
        sources = sorted({name for asset in self._assets for name in asset.upstream})
        checkpoints = {name: self._checkpoint(name) for name in (*sources, *self.summaries)}
        entries = read_entries(self._platform.lake, checkpoints, keys, snapshot)
        rows = {name: self._rows(name, keys, entries, snapshot) for name in sources}
        tasks = []
        for group in groups:
            task = self._task(group, items.get(group[0].item), texts, entries, rows)
            if task is not None:
                tasks.append(task)
        return tasks

    def _task(
        self,
        group: Sequence[Value],
        item: Item | None,
        texts: Mapping[str, Mapping[str, str | None]],
        entries: Mapping[tuple[str, str], Entry],
        rows: Mapping[str, Mapping[str, list[Row]]],
    ) -> ItemTask | None:
        """What of an item's values still fits; the others are left to the next plan."""
        fingerprints: dict[str, str] = {}
        values: dict[str, Upstream] = {}
        by_asset = {value.asset: value for value in group}
        for asset in self._assets:
            value = by_asset.get(asset.name)
            if value is None:
                continue
            made = None
            if item is not None and not self._is_there(value, entries):
                reads = fingerprint(texts[item.key][n] for n in asset.reads) if asset.reads else None
                made = self._fitting(
                    asset, value, item, reads_hash=reads, entries=entries, planned=fingerprints
                )
            if made is None:
                self.summaries[asset.name].left += 1
                continue
            fingerprints[asset.name] = value.fingerprint
            self._made[asset.name, value.item] = made
            for name in asset.upstream:
                if name not in fingerprints and name not in values:
                    values[name] = self._upstream(name, entries[name, value.item], rows[name].get(value.item))
        if item is None or not fingerprints:
            return None
        return ItemTask(item, fingerprints, values)

    def _is_there(self, value: Value, entries: Mapping[tuple[str, str], Entry]) -> bool:
        """Whether another run has made the value since the plan, while this one waited or was slower."""
        entry = entries.get((value.asset, value.item))
        return (
            entry is not None
            and entry.outcome.is_good
            and entry.fingerprint == value.fingerprint
            and entry.computed_at > self._plan.made_at
        )

    def _fitting(
        self,
        asset: ItemAsset,
        value: Value,
        item: Item,
        *,
        reads_hash: str | None,
        entries: Mapping[tuple[str, str], Entry],
        planned: Mapping[str, str],
    ) -> _Made | None:
        """What the value is made from, or None if that is not what it was when the run was planned."""
        upstream = dict(zip(asset.upstream, value.upstream, strict=True))
        for name, wanted in upstream.items():
            entry = entries.get((name, item.key))
            found = planned.get(name)
            if found is None and entry is not None and entry.outcome.is_good:
                found = entry.fingerprint
            if found != wanted:
                return None
        recipe = self._recipes[asset.name]
        if value_fingerprint(recipe, item.content_hash, reads_hash, value.upstream) != value.fingerprint:
            return None
        return _Made(value, item, upstream, reads_hash)

    def _upstream(self, name: str, entry: Entry, rows: list[Row] | None) -> Upstream:
        many = self._platform.graph.item_asset(name).table.rows == "many"
        if entry.outcome is Outcome.OK:
            return Upstream(rows or [], many)
        return Upstream(None, many, entry.reason)

    def _texts(self, keys: Sequence[str]) -> dict[str, dict[str, str | None]]:
        """The canonical texts of the columns that the bundle's assets read, by item."""
        reads = sorted({name for asset in self._assets for name in asset.reads})
        if not reads:
            return {}
        listed = ", ".join(f'"{name}"' for name in reads)
        rows = self._platform.lake.rows(
            f'SELECT item, {listed} FROM "{text_table(self._assets[0].item.plural)}" '
            f"WHERE item IN (SELECT unnest({quoted(keys)}))"
        )
        return {item: dict(zip(reads, values, strict=True)) for item, *values in rows}

    def _rows(
        self, name: str, keys: Sequence[str], entries: Mapping[tuple[str, str], Entry], snapshot: int
    ) -> dict[str, list[Row]]:
        """The stored rows of an upstream asset, by item, as of the snapshot."""
        there = [k for k in keys if (name, k) in entries and entries[name, k].outcome is Outcome.OK]
        rows: dict[str, list[Row]] = {}
        if not there:
            return rows
        table = self._platform.graph.item_asset(name).table
        columns = [column.name for column in table.columns]
        listed = ", ".join(f'"{column}"' for column in columns)
        checkpoint = self._checkpoint(name)
        keyed = f" AND checkpoint = {quote(checkpoint)}" if checkpoint else ""
        query = (
            f'SELECT item, {listed} FROM "{table.stored_as}" AT (VERSION => {snapshot}) '
            f"WHERE item IN (SELECT unnest({quoted(there)})){keyed} ORDER BY rowid"
        )
        for key, *values in self._platform.lake.rows(query):
            rows.setdefault(key, []).append(dict(zip(columns, values, strict=True)))
        return rows
