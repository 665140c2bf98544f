"""Running one bundle: plan, compute on workers, store chunk by chunk."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from audio_assets.engine.declare.graph import Bundle
from audio_assets.engine.declare.item_asset import ItemAsset
from audio_assets.engine.declare.outcomes import ItemResult, Outcome
from audio_assets.engine.declare.roles import EMBEDDED, Player
from audio_assets.engine.declare.tables import Item, Row
from audio_assets.engine.platform import Platform
from audio_assets.engine.run.batching import batches
from audio_assets.engine.run.progress import observer
from audio_assets.engine.state.checkpoints import Checkpoint
from audio_assets.engine.state.ledger import Entries, Writing, read_entries, with_quarantine, write_results
from audio_assets.engine.state.plan import Plan, RunOptions, State, make_plan, upstream_json
from audio_assets.engine.workers.local import LocalWorkers
from audio_assets.engine.workers.tasks import ItemTask, Limits, Task, Upstream, Workers, WorkerSetup
from audio_assets.resources.accelerator import visible_gpus
from audio_assets.resources.lake import quoted

UPSTREAM_WINDOW = 64  # items whose upstream rows are read with one query
GPU_POOL = "gpu"

MakeWorkers = Callable[[Platform, Sequence[ItemAsset], int, Mapping[str, Checkpoint]], Workers]
"""Makes the workers for assets, a number of items, and checkpoints by training asset."""


@dataclass
class Summary:
    """What became of one asset in a run."""

    asset: str
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    up_to_date: int = 0
    not_retried: int = 0
    blocked: int = 0
    compute_s: float = 0.0
    audio_s: float = 0.0
    wall_s: float = 0.0
    bad: list[ItemResult] = field(default_factory=list)

    @property
    def computed(self) -> int:
        """Items that were computed, whatever the outcome."""
        return sum(self.outcomes.values())

    @property
    def audio_hours_per_hour(self) -> float | None:
        """Throughput: hours of audio per hour of the run, or None if nothing was computed."""
        return self.audio_s / self.wall_s if self.computed and self.wall_s else None


class BundleRun:
    """One bundle's part of a run; iterate over it once, then read `summaries`.

    Iterating yields lists of results that are safe in the lake. Closing the iterator, or an exception
    in it, loses at most the chunk being computed. `make_workers` decides where items are computed.
    """

    def __init__(
        self,
        platform: Platform,
        bundle: Bundle,
        selected: Iterable[str],
        items: Mapping[str, Item],
        options: RunOptions,
        *,
        run_id: str,
        make_workers: MakeWorkers | None = None,
    ) -> None:
        names = set(selected)
        self._platform = platform
        self._assets = [asset for asset in bundle.assets if asset.name in names]
        self._items = items
        self._run_id = run_id
        self._make_workers = make_workers or local_workers
        needed = {u for asset in self._assets for u in asset.upstream} | names
        # Upstream is read as of this snapshot, so that fingerprints and values belong together even if
        # another run computes upstream again meanwhile.
        self._snapshot = platform.lake.snapshot()
        self._models = platform.models(names)
        self._recipes = platform.recipes_with(self._models)
        self._entries: Entries = read_entries(platform.lake, needed, list(items), self._snapshot)
        self.plan: Plan = make_plan(
            platform.graph,
            names,
            items,
            entries=self._entries,
            recipes=self._recipes,
            code=platform.code,
            options=options,
        )
        self.summaries = {asset.name: self._summary(asset.name) for asset in self._assets}

    def _summary(self, name: str) -> Summary:
        plan = self.plan[name]
        idle = Counter(
            state
            for key, state in plan.states.items()
            if key not in plan.fingerprints and key not in plan.blocked
        )
        return Summary(
            name,
            up_to_date=idle[State.OK] + idle[State.NOT_APPLICABLE] + idle[State.DRIFTED],
            not_retried=idle[State.FAILED] + idle[State.QUARANTINED],
            blocked=len(plan.blocked),
        )

    def up_to_date(self, name: str) -> dict[str, str]:
        """The fingerprints of an asset's values that were good and are not computed again."""
        plan, entries = self.plan[name], self._entries[name]
        idle = plan.states.keys() - plan.fingerprints.keys() - plan.blocked.keys()
        return {
            key: entries[key].fingerprint for key in idle if key in entries and entries[key].outcome.is_good
        }

    def __iter__(self) -> Generator[list[ItemResult]]:
        totals = {asset.name: len(self.plan[asset.name].fingerprints) for asset in self._assets}
        observer().planned(totals)
        wanted = {key for asset in self._assets for key in self.plan[asset.name].fingerprints}
        if not wanted:
            return
        started = time.monotonic()
        tasks = self._tasks([item for key, item in self._items.items() if key in wanted])
        with self._make_workers(self._platform, self._assets, len(wanted), self._models) as workers:
            for chunk in self._chunks(workers, tasks):
                yield self._store(chunk)
                for summary in self.summaries.values():
                    summary.wall_s = time.monotonic() - started

    def _chunks(self, workers: Workers, tasks: Iterable[Task]) -> Iterator[list[ItemResult]]:
        settings = self._platform.settings
        # A killed run loses a chunk at most: one half is written while the other is computed.
        full = max(1, settings.chunk_items // 2) * len(self._assets)
        chunk: list[ItemResult] = []
        last = time.monotonic()
        for result in workers.run_ticking(tasks, settings.chunk_seconds, ahead=full):
            if result is not None:
                chunk.append(result)
                observer().finished(result)
            if chunk and (len(chunk) >= full or time.monotonic() - last > settings.chunk_seconds):
                yield chunk
                chunk, last = [], time.monotonic()
        if chunk:
            yield chunk

    def _store(self, chunk: list[ItemResult]) -> list[ItemResult]:
        deaths: dict[tuple[str, str], int] = {}
        results = []
        for computed in chunk:
            entry = self._entries[computed.asset].get(computed.item)
            result, count = with_quarantine(computed, entry.deaths if entry else 0)
            deaths[result.asset, result.item] = count
            results.append(result)
        writing = Writing(
            assets={asset.name: asset for asset in self._assets},
            recipes=self._recipes,
            code=self._platform.code,
            items=self._items,
            fingerprints={name: plan.fingerprints for name, plan in self.plan.items()},
            upstream={(r.asset, r.item): upstream_json(self.plan[r.asset], r.item) for r in results},
            deaths=deaths,
            run_id=self._run_id,
        )
        write_results(self._platform.lake, results, writing)
        for result in results:
            summary = self.summaries[result.asset]
            summary.outcomes[result.outcome] += 1
            summary.compute_s += result.seconds
            summary.audio_s += self._items[result.item].duration_s
            if not result.outcome.is_good:
                summary.bad.append(result)
        return results

    def _tasks(self, items: Sequence[Item]) -> Iterator[Task]:
        size = self._assets[0].batch_size
        groups = list(batches(items, size))
        window = max(1, UPSTREAM_WINDOW // size)
        for start in range(0, len(groups), window):
            part = groups[start : start + window]
            upstream = self._read_upstream([item.key for group in part for item in group])
            for group in part:
                yield Task(tuple(self._item_task(item, upstream) for item in group))

    def _item_task(self, item: Item, upstream: Mapping[str, Mapping[str, Upstream]]) -> ItemTask:
        fingerprints = {
            asset.name: self.plan[asset.name].fingerprints[item.key]
            for asset in self._assets
            if item.key in self.plan[asset.name].fingerprints
        }
        values = {name: rows[item.key] for name, rows in upstream.items() if item.key in rows}
        return ItemTask(item, fingerprints, values)

    def _read_upstream(self, keys: Sequence[str]) -> dict[str, dict[str, Upstream]]:
        """Upstream values of `keys` that are not computed in this run, from the lake."""
        found: dict[str, dict[str, Upstream]] = {}
        for name in {u for asset in self._assets for u in asset.upstream}:
            planned = self.plan[name].fingerprints if name in self.plan else {}
            stored = {
                key: self._entries[name][key]
                for key in keys
                if key not in planned and key in self._entries[name]
            }
            table = self._platform.graph.by_name[name].table
            rows = self._read_rows(
                name, [key for key, entry in stored.items() if entry.outcome is Outcome.OK]
            )
            found[name] = {
                key: Upstream(rows.get(key, []), table.rows == "many")
                if entry.outcome is Outcome.OK
                else Upstream(None, table.rows == "many", entry.reason)
                for key, entry in stored.items()
                if entry.outcome.is_good
            }
        return found

    def _read_rows(self, name: str, keys: list[str]) -> dict[str, list[Row]]:
        rows: dict[str, list[Row]] = {}
        if not keys:
            return rows
        columns = [column.name for column in self._platform.graph.by_name[name].table.columns]
        listed = ", ".join(f'"{column}"' for column in columns)
        query = (
            f'SELECT item, {listed} FROM "{name}" AT (VERSION => {self._snapshot}) '
            f"WHERE item IN (SELECT unnest({quoted(keys)})) ORDER BY rowid"
        )
        for key, *values in self._platform.lake.rows(query):
            rows.setdefault(key, []).append(dict(zip(columns, values, strict=True)))
        return rows


def local_workers(
    platform: Platform,
    assets: Sequence[ItemAsset],
    items: int,
    models: Mapping[str, Checkpoint] | None = None,
) -> LocalWorkers:
    """Workers on this machine for `assets`, no more than there are items, nor GPUs for them to share."""
    settings = platform.settings
    limits = Limits(
        time_s={a.name: a.time_limit_s or settings.time_limit_s for a in assets},
        memory_bytes={a.name: (a.memory_limit_gib or settings.memory_limit_gib) * 2**30 for a in assets},
    )
    return LocalWorkers(
        min(settings.workers, items),
        worker_setup(platform, assets, models or {}),
        limits,
        # What computes on an accelerator would hold its memory.
        keep=all(asset.pool is None for asset in assets),
        devices=visible_gpus()
        if settings.device != "cpu" and _wants_gpu(assets, platform.graph.choices(settings))
        else (),
    )


def worker_setup(
    platform: Platform, assets: Sequence[ItemAsset], models: Mapping[str, Checkpoint]
) -> WorkerSetup:
    """What a worker loads to compute `assets`, wherever it is."""
    choices = platform.graph.choices(platform.settings)
    return WorkerSetup(
        assets=tuple(asset.reference for asset in assets),
        parameters=platform.settings.parameters,
        backends=choices,
        objects=platform.objects,
        code={asset.name: asset.code(choices).digest for asset in assets},
        models={
            name: checkpoint.local(platform.objects, platform.settings.home / "cache")
            for name, checkpoint in models.items()
        },
    )


def _wants_gpu(assets: Iterable[ItemAsset], choices: Mapping[str, Player]) -> bool:
    """Whether one of `assets` computes on a GPU if there is one; embedded backends need the cores instead."""
    return any(
        asset.pool == GPU_POOL
        and (not asset.roles or any(choices[role.name].choice != EMBEDDED for role in asset.roles))
        for asset in assets
    )
