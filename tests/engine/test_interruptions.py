"""Runs that are killed, interrupted, or started twice at once: no row is lost, none is there twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import psutil
import pytest

from tests.engine.conftest import Bench, make_bench

CHECKOUT = Path(__file__).resolve().parents[2]
CHUNK = 8
COUNT = 50


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Notes that log each of their computations."""
    bench = make_bench(tmp_path)
    bench.add({f"n{index:02d}": f"log {tmp_path}/log {index}" for index in range(COUNT)})
    return bench


def start(bench: Bench, **options) -> subprocess.Popen:
    command = [sys.executable, "-m", "tests.engine.run_toys", str(bench.folder.parent), str(CHUNK)]
    return subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, **options)


def computations(bench: Bench) -> Counter:
    return Counter((bench.folder.parent / "log").read_text().split())


def stored(bench: Bench) -> list:
    return [item for (item,) in bench.query("SELECT item FROM lengths ORDER BY item")]


def assert_each_row_once(bench: Bench) -> None:
    keys = sorted(bench.platform.items(bench.platform.graph.kinds[0]))
    assert stored(bench) == keys
    ledger = bench.query("SELECT asset, item FROM ledger ORDER BY asset, item")
    assert ledger == [(asset, key) for asset in ("lengths", "words") for key in keys]
    assert bench.query("SELECT DISTINCT n FROM (SELECT count(*) AS n FROM words GROUP BY item)") == [(3,)]


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_ended_loses_a_chunk_at_most_and_the_next_goes_on_after_it(bench, blow):
    hold = bench.folder.parent / "log.hold"
    hold.touch()  # the run does not come beyond its 20th note
    run = start(bench, stderr=subprocess.PIPE, start_new_session=True)
    for expected in ("ready\n", f"{CHUNK}\n", f"{CHUNK}\n", f"{CHUNK}\n"):  # half a chunk, two assets
        assert run.stdout.readline() == expected
    workers = psutil.Process(run.pid).children(recursive=True)
    os.killpg(run.pid, blow)  # what Ctrl-C does to all of a terminal's group
    run.communicate(timeout=60)
    assert run.returncode != 0
    assert psutil.wait_procs(workers, timeout=10)[1] == []
    hold.unlink()
    before = stored(bench)
    assert 3 * CHUNK / 2 <= len(before) < COUNT
    assert bench.query("SELECT count(*) FROM ledger WHERE outcome <> 'ok'") == [(0,)]
    again = start(bench)
    again.communicate(timeout=120)
    assert again.returncode == 0
    assert_each_row_once(bench)
    count = computations(bench)
    assert set(count) == {str(index) for index in range(COUNT)}
    in_flight = 2  # one item per worker
    assert count.total() - COUNT <= CHUNK + in_flight


def test_two_runs_of_the_same_items_at_once_leave_each_row_once(bench):
    runs = [start(bench), start(bench)]
    for run in runs:
        assert run.stdout.readline() == "ready\n"
    for run in runs:
        run.communicate(timeout=120)
        assert run.returncode == 0
    assert_each_row_once(bench)
