"""Eight processes write to one lake and one reads it, for a minute: no error, no row lost or doubled.

Each writer adds items of ten rows, or replaces one of its items, in one transaction. The reader looks at
whole items all the time. In the end every item that a writer reported must be there, with ten rows.
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path
from typing import Any

import pyarrow as pa

from audio_assets.resources.lake import Lake

ROWS = 10


@dataclass(frozen=True)
class Measured:
    """What came of it; `wrong` are items with other than ten rows that the reader ever saw."""

    commits: int
    slowest_commit_s: float
    reads: int
    slowest_read_s: float
    errors: tuple[str, ...]
    wrong: tuple[str, ...]
    lost: tuple[str, ...]


def measure(new: Lake, writers: int, seconds: float) -> Measured:
    """Let processes write to and read from a new lake."""
    new.write(lambda c: c.execute("CREATE TABLE load (item VARCHAR, n BIGINT, value DOUBLE, text VARCHAR)"))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([Lake.__module__])
    results = context.Queue()
    start, end = context.Barrier(writers + 2), context.Event()
    arguments = (new, start, end, results)
    processes = [context.Process(target=_write, args=(n, *arguments)) for n in range(writers)]
    processes.append(context.Process(target=_read, args=arguments))
    for process in processes:
        process.start()
    start.wait()
    time.sleep(seconds)
    end.set()
    reports = [results.get(timeout=120) for _ in processes]
    for process in processes:
        process.join()
    written = [report for report in reports if report["kind"] == "writer"]
    (read,) = [report for report in reports if report["kind"] == "reader"]
    stored = {item for (item,) in new.rows("SELECT DISTINCT item FROM load")}
    reported = {item for report in written for item in report["items"]}
    wrong = new.rows(f"SELECT item FROM load GROUP BY item HAVING count(*) <> {ROWS}")
    new.close()
    return Measured(
        commits=sum(report["commits"] for report in written),
        slowest_commit_s=max(report["slowest_s"] for report in written),
        reads=read["reads"],
        slowest_read_s=read["slowest_s"],
        errors=tuple(report["error"] for report in reports if report["error"]),
        wrong=tuple(sorted({*read["wrong"], *(item for (item,) in wrong)})),
        lost=tuple(sorted(stored ^ reported)),
    )


def _write(number: int, lake: Lake, start: Barrier, end: Event, results: multiprocessing.Queue) -> None:
    lake.rows("SELECT 1")
    start.wait()
    items: list[str] = []
    commits, slowest_s, error = 0, 0.0, ""
    try:
        while not end.is_set():
            replaced = items[commits // 3 % len(items)] if commits % 3 == 2 else None
            item = replaced or f"writer {number} item {commits}"
            started = time.monotonic()
            lake.write(lambda connection, item=item: _replace(connection, item))
            slowest_s = max(slowest_s, time.monotonic() - started)
            commits += 1
            if replaced is None:
                items.append(item)
    except Exception as problem:
        error = repr(problem)
    report = {"kind": "writer", "items": items, "commits": commits, "slowest_s": slowest_s, "error": error}
    results.put(report)


def _replace(connection: Any, item: str) -> None:
    rows = pa.table(
        {"item": [item] * ROWS, "n": range(ROWS), "value": [0.5] * ROWS, "text": ["some text"] * ROWS}
    )
    connection.execute("DELETE FROM load WHERE item = ?", [item])
    connection.register("given", rows)
    connection.execute("INSERT INTO load SELECT * FROM given")
    connection.unregister("given")


def _read(lake: Lake, start: Barrier, end: Event, results: multiprocessing.Queue) -> None:
    lake = replace(lake, read_only=True)
    lake.rows("SELECT 1")
    start.wait()
    reads, slowest_s, error, wrong = 0, 0.0, "", set()
    try:
        while not end.is_set():
            started = time.monotonic()
            found = lake.rows(f"SELECT item FROM load GROUP BY item HAVING count(*) <> {ROWS}")
            wrong |= {item for (item,) in found}
            slowest_s = max(slowest_s, time.monotonic() - started)
            reads += 1
    except Exception as problem:
        error = repr(problem)
    results.put({"kind": "reader", "reads": reads, "slowest_s": slowest_s, "error": error, "wrong": wrong})


def main() -> None:
    """Print the table; the argument is the number of seconds."""
    seconds = float(sys.argv[1]) if sys.argv[1:] else 60.0
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(catalog=f"sqlite:{Path(folder)}/catalog.sqlite", data=f"{Path(folder)}/data")
        found = measure(lake, writers=8, seconds=seconds)
    print("| writers | readers | seconds | commits/s | slowest | reads/s | slowest | errors | wrong | lost |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    print(
        f"| 8 | 1 | {seconds:g} | {found.commits / seconds:.1f} | {found.slowest_commit_s:.2f} s "
        f"| {found.reads / seconds:.1f} | {found.slowest_read_s:.2f} s "
        f"| {len(found.errors)} | {len(found.wrong)} | {len(found.lost)} |"
    )
    for error in found.errors:
        print(error, file=sys.stderr)


if __name__ == "__main__":
    main()
