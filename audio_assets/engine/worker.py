"""The worker process: computes tasks that come down a pipe, one after the other.

Started by `LocalWorkers` as ``python -m audio_assets.engine.worker FD``. Backends are made once and kept.
Messages to the run: ``("ready",)``, ``("broken", reason)``, ``("start", asset)``, an `ItemResult`, and
``("finished",)`` after each task.
"""

from __future__ import annotations

import faulthandler
import importlib
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any

from audio_assets.engine.item_asset import ItemAsset
from audio_assets.engine.outcomes import Blob, ItemResult, NotApplicable, Outcome
from audio_assets.engine.tables import OBJECT, Row
from audio_assets.engine.tasks import ItemTask, Task, Upstream, WorkerSetup
from audio_assets.resources.objects import Objects

Send = Callable[[Any], None]
DETAIL_CHARACTERS = 4000


class Computer:
    """Computes tasks in this process; `send` receives what happens."""

    def __init__(self, setup: WorkerSetup, send: Send) -> None:
        self._assets = [_find(*reference) for reference in setup.assets]
        self._setup = setup
        self._send = send
        self._backends: dict[str, Any] = {}

    def compute(self, task: Task) -> None:
        """Compute all assets of all items of `task`; each result is sent as it is ready."""
        opened: dict[str, Any] = {}
        values: dict[str, dict[str, Upstream | None]] = {
            t.item.key: dict(t.upstream) for t in task.items
        }
        for asset in self._assets:
            members = [t for t in task.items if asset.name in t.fingerprints]
            if not members:
                continue
            self._send(("start", asset.name))
            for result in self._compute_asset(asset, members, opened, values):
                values[result.item][asset.name] = _as_upstream(asset, result)
                self._send(result)
        self._send(("finished",))

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
                results.append(_ended(asset.name, task, error))
        if asset.batch_size == 1:
            return results + [self._compute_one(asset, *entry) for entry in ready]
        return results + (self._compute_batch(asset, ready) if ready else [])

    def _compute_one(
        self, asset: ItemAsset, task: ItemTask, value: Any, inputs: list[Any]
    ) -> ItemResult:
        started = time.perf_counter()
        try:
            returned = asset.fn(value, *inputs, **self._keywords(asset))
            rows = self._stored(asset, task, returned)
        except Exception as error:
            return _ended(asset.name, task, error, time.perf_counter() - started)
        seconds = time.perf_counter() - started
        return ItemResult(asset.name, task.item.key, Outcome.OK, rows, seconds=seconds)

    def _compute_batch(
        self, asset: ItemAsset, entries: list[tuple[ItemTask, Any, list[Any]]]
    ) -> list[ItemResult]:
        """Compute a batch; halve it when memory runs out."""
        started = time.perf_counter()
        columns = [list(column) for column in zip(*(inputs for _, _, inputs in entries))]
        try:
            returned = asset.fn([value for _, value, _ in entries], *columns, **self._keywords(asset))
        except Exception as error:
            if len(entries) > 1 and _is_out_of_memory(error):
                _free_accelerator_memory()
                half = len(entries) // 2
                first = self._compute_batch(asset, entries[:half])
                return first + self._compute_batch(asset, entries[half:])
            if len(entries) > 1:
                return [r for entry in entries for r in self._compute_batch(asset, [entry])]
            return [_ended(asset.name, entries[0][0], error, time.perf_counter() - started)]
        seconds = (time.perf_counter() - started) / len(entries)
        if len(returned) != len(entries):
            wrong = ValueError(
                f"{asset.name} returned {len(returned)} results for {len(entries)} items"
            )
            return [_ended(asset.name, task, wrong, seconds) for task, _, _ in entries]
        return [
            self._batch_result(asset, task, result, seconds)
            for (task, _, _), result in zip(entries, returned, strict=True)
        ]

    def _batch_result(
        self, asset: ItemAsset, task: ItemTask, result: Any, seconds: float
    ) -> ItemResult:
        try:
            if isinstance(result, Exception):
                raise result
            rows = self._stored(asset, task, result)
        except Exception as error:
            return _ended(asset.name, task, error, seconds)
        return ItemResult(asset.name, task.item.key, Outcome.OK, rows, seconds=seconds)

    def _keywords(self, asset: ItemAsset) -> dict[str, Any]:
        keywords = {**asset.parameters, **self._setup.parameters.get(asset.name, {})}
        for role in asset.roles:
            if role.name not in self._backends:
                self._backends[role.name] = role.backend(self._setup.backends[role.name])()
            keywords[role.name] = self._backends[role.name]
        return keywords

    def _stored(self, asset: ItemAsset, task: ItemTask, returned: Any) -> list[Row]:
        """The checked rows, with large values put into object storage first."""
        columns = [column.name for column in asset.table.columns if column.type is OBJECT]
        if columns:
            rows = [returned] if asset.table.rows == "one" else returned
            prefix = f"{asset.name}/{task.item.key}/{task.fingerprints[asset.name]}"
            rows = [
                {**row, **_put_blobs(self._setup.objects, prefix, index, row, columns)}
                for index, row in enumerate(rows)
            ]
            returned = rows[0] if asset.table.rows == "one" else rows
        return asset.table.check_rows(returned)


def _put_blobs(
    objects: Objects, prefix: str, index: int, row: Row, columns: Sequence[str]
) -> dict[str, str]:
    keys = {}
    for column in columns:
        value = row[column]
        if isinstance(value, Blob):
            keys[column] = f"{prefix}-{column}-{index}.{value.extension}"
            objects.put(keys[column], value.data)
    return keys


def _find(module: str, name: str) -> ItemAsset:
    asset = getattr(importlib.import_module(module), name)
    if not isinstance(asset, ItemAsset):
        raise TypeError(f"{module}.{name} is {type(asset).__name__}, wanted an item asset")
    return asset


class UpstreamFailed(Exception):
    """An upstream asset has no value for the item."""


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


def _ended(asset: str, task: ItemTask, error: Exception, seconds: float = 0.0) -> ItemResult:
    if isinstance(error, NotApplicable):
        return ItemResult(
            asset, task.item.key, Outcome.NOT_APPLICABLE, [], str(error), seconds=seconds
        )
    is_general = type(error).__module__ == "builtins"
    reason = f"{type(error).__name__}: {error}" if is_general or not str(error) else str(error)
    detail = "".join(traceback.format_exception(error))[-DETAIL_CHARACTERS:]
    return ItemResult(asset, task.item.key, Outcome.FAILED, [], reason, detail, seconds)


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"


def _free_accelerator_memory() -> None:
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def _end_with_parent() -> None:
    """Make sure that no worker outlives its run, even if the run is killed."""
    parent = os.getppid()
    if sys.platform == "linux":
        import ctypes
        import signal

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def main() -> None:
    """Serve the pipe until it closes."""
    _end_with_parent()
    faulthandler.enable()
    connection = Connection(int(sys.argv[1]))
    try:
        computer = Computer(connection.recv(), connection.send)
    except Exception:
        connection.send(("broken", traceback.format_exc()))
        return
    connection.send(("ready",))
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        computer.compute(task)


if __name__ == "__main__":
    main()
