"""Computing tasks in this process: what a worker does with the items it is sent."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from audio_assets.engine.declare.item_asset import MODEL, OBJECTS, RECORD, ItemAsset
from audio_assets.engine.declare.outcomes import ItemResult, NotApplicable, Outcome, ended
from audio_assets.engine.declare.roles import Role
from audio_assets.engine.declare.tables import InvalidRow, Item, Row
from audio_assets.engine.run.blobs import blob_bytes, remove_files, store_blobs
from audio_assets.engine.run.importing import CodeChanged, importable
from audio_assets.engine.run.tasks import ItemTask, Task, Upstream, WorkerSetup
from audio_assets.engine.workers.session import Emit, Limits, Step


class UpstreamFailed(Exception):
    """An upstream asset has no value for the item."""


class Computer:
    """Computes tasks; emits a `Step` as each asset begins, and each `ItemResult` as it is ready.

    Raises:
        CodeChanged: the code of an asset is not what the run has read.
    """

    def __init__(self, setup: WorkerSetup, emit: Emit) -> None:
        self._assets = [importable(*reference, ItemAsset) for reference in setup.assets]
        for asset in self._assets:
            if asset.code(setup.backends).digest != setup.code[asset.name]:
                raise CodeChanged(asset.name)
        self._setup = setup
        self._emit = emit
        self._backends: dict[str, Any] = {}

    def __call__(self, task: Task) -> None:
        """Compute all assets of all items of `task`."""
        opened: dict[str, Any] = {}
        values: dict[str, dict[str, Upstream | None]] = {t.item.key: dict(t.upstream) for t in task.items}
        for asset in self._assets:
            for done in (result for t in task.items for result in t.done if result.asset == asset.name):
                values[done.item][asset.name] = _as_upstream(asset, done)
            members = [t for t in task.items if asset.name in t.fingerprints]
            if not members:
                continue
            self._emit(Step(asset.name, self._limits(asset, len(members))))
            for result in self._compute_asset(asset, members, opened, values):
                self._hand_on(result)
                values[result.item][asset.name] = _as_upstream(asset, result)

    def _hand_on(self, result: ItemResult) -> None:
        try:
            self._emit(result)
        except Exception as error:  # e.g. no memory for a copy of its rows
            self._emit(ended(result.asset, result.item, error, result.seconds))

    def _limits(self, asset: ItemAsset, items: int) -> Limits:
        """For so many items together: as much time for each as it has alone, and the memory of one worker."""
        limits = self._setup.limits.get(asset.name, Limits())
        return replace(limits, time_s=items * limits.time_s)

    def _compute_asset(
        self,
        asset: ItemAsset,
        tasks: Sequence[ItemTask],
        opened: dict[str, Any],
        values: dict[str, dict[str, Upstream | None]],
    ) -> list[ItemResult]:
        results: list[ItemResult] = []
        ready: list[tuple[ItemTask, Any, list[Any]]] = []
        for task in tasks:
            try:
                inputs = _inputs(asset, values[task.item.key])
                ready.append((task, _open(asset, task, opened), inputs))
            except Exception as error:
                results.append(ended(asset.name, task.item.key, error))
        if asset.batch_size == 1:
            return results + [self._compute_one(asset, *entry) for entry in ready]
        return results + (self._compute_batch(asset, ready) if ready else [])

    def _compute_one(self, asset: ItemAsset, task: ItemTask, value: Any, inputs: list[Any]) -> ItemResult:
        started = time.perf_counter()
        try:
            returned = asset.fn(value, *inputs, **self._keywords(asset, [task.item]))
            rows, stored = self._stored(asset, task, returned)
        except Exception as error:
            return ended(asset.name, task.item.key, error, time.perf_counter() - started)
        seconds = time.perf_counter() - started
        return ItemResult(asset.name, task.item.key, Outcome.OK, rows, seconds=seconds, bytes=stored)

    def _compute_batch(
        self, asset: ItemAsset, entries: list[tuple[ItemTask, Any, list[Any]]]
    ) -> list[ItemResult]:
        """Compute a batch; halve it when memory runs out, take it apart when anything else goes wrong."""
        started = time.perf_counter()
        columns = [list(column) for column in zip(*(inputs for _, _, inputs in entries), strict=True)]
        try:
            keywords = self._keywords(asset, [task.item for task, _, _ in entries])
            returned = asset.fn([value for _, value, _ in entries], *columns, **keywords)
            if not isinstance(returned, Sequence) or len(returned) != len(entries):
                raise InvalidRow(f"{asset.name} returned {_size(returned)} for {len(entries)} items")
        except Exception as error:
            if len(entries) == 1:
                return [ended(asset.name, entries[0][0].item.key, error, time.perf_counter() - started)]
            size = len(entries) // 2 if _is_out_of_memory(error) else 1
        else:
            seconds = (time.perf_counter() - started) / len(entries)
            return [
                self._batch_result(asset, task, result, seconds)
                for (task, _, _), result in zip(entries, returned, strict=True)
            ]
        # Only here, after the except clause, does the error no longer hold the memory of the failed try.
        _free_memory()
        parts = [entries[start : start + size] for start in range(0, len(entries), size)]
        return [result for part in parts for result in self._compute_batch(asset, part)]

    def _batch_result(self, asset: ItemAsset, task: ItemTask, result: Any, seconds: float) -> ItemResult:
        try:
            if isinstance(result, Exception):
                raise result
            rows, stored = self._stored(asset, task, result)
        except Exception as error:
            return ended(asset.name, task.item.key, error, seconds)
        return ItemResult(asset.name, task.item.key, Outcome.OK, rows, seconds=seconds, bytes=stored)

    def _keywords(self, asset: ItemAsset, items: Sequence[Item]) -> dict[str, Any]:
        keywords = {**asset.parameters, **self._setup.parameters.get(asset.name, {})}
        if asset.model:
            keywords[MODEL] = self._setup.models[asset.model]
        if asset.takes_objects:
            keywords[OBJECTS] = self._setup.objects
        if asset.reads:
            records = [{name: item.record[name] for name in asset.reads} for item in items]
            keywords[RECORD] = records[0] if asset.batch_size == 1 else records
        for role in asset.roles:
            keywords[role.name] = self._backend(role)
        return keywords

    def _backend(self, role: Role) -> Any:
        """The role's backend, made once; one that cannot be made is not tried for the next item."""
        if role.name not in self._backends:
            try:
                self._backends[role.name] = self._setup.backends[role.name].make()
            except Exception as error:
                if _is_out_of_memory(error):
                    raise
                self._backends[role.name] = error
        backend = self._backends[role.name]
        if isinstance(backend, Exception):
            raise backend.with_traceback(None)
        return backend

    def _stored(self, asset: ItemAsset, task: ItemTask, returned: Any) -> tuple[list[Row], int]:
        """The checked rows, with the keys under which their blobs are stored now, and the blobs' bytes."""
        prefix = f"{asset.name}/{task.item.key}/{task.fingerprints[asset.name]}"
        try:
            rows = asset.table.check_rows(returned)
            size = sum(blob_bytes(row) for row in rows)
            return [store_blobs(self._setup.objects, prefix, n, row) for n, row in enumerate(rows)], size
        finally:
            remove_files(returned)


def _size(returned: object) -> str:
    kind = type(returned).__name__
    return f"a {kind} of {len(returned)}" if isinstance(returned, Sequence) else f"a {kind}"


def _open(asset: ItemAsset, task: ItemTask, opened: dict[str, Any]) -> Any:
    """The opened item, the same for all assets; an item that cannot be opened is not tried again."""
    key = task.item.key
    if key not in opened:
        try:
            opened[key] = asset.item.open(task.item)
        except Exception as error:
            opened[key] = error
    if isinstance(opened[key], Exception):
        raise opened[key]
    return opened[key]


def _as_upstream(asset: ItemAsset, result: ItemResult) -> Upstream | None:
    if not result.outcome.is_good:
        return None
    rows = result.rows if result.outcome is Outcome.OK else None
    return Upstream(rows, asset.table.rows == "many", result.reason)


def _inputs(asset: ItemAsset, values: dict[str, Upstream | None]) -> list[Any]:
    inputs: list[Any] = []
    for name in asset.upstream:
        upstream = values.get(name)
        if upstream is None:
            raise UpstreamFailed(f"upstream {name} failed")
        if upstream.rows is None and name not in asset.optional_upstream:
            raise NotApplicable(f"{name}: {upstream.reason}")
        inputs.append(upstream.value)
    return inputs


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"


def _free_memory() -> None:
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
