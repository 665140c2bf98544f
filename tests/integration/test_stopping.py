"""Runs that are killed, asked to stop, waited for or left alone by their terminal: none hangs, nothing is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from audio_assets.resources.leases import Lease
from tests.conftest import CHECKOUT, Command, write_tone

ITEMS = 12
ASSET = """
import time
from audio_assets.assets.catalog import TRACK
from audio_assets.engine import FLOAT, Column, Table, item_asset

SLOW = Table("slow", TRACK, [Column("peak", FLOAT, doc="Largest sample")])

@item_asset(table=SLOW, group="mine", code_version="1", pool="gpu")
def slow(track):
    time.sleep(1.0)
    return {"peak": float(abs(track.samples).max())}
"""


@pytest.fixture
def slow(command: Command, tmp_path: Path) -> Command:
    """A home of tracks of which each takes a second, by a step that uses the pool `gpu`."""
    (command.home / "my_features.py").write_text(ASSET)
    command.settings |= {"modules": '["my_features"]', "workers": "1", "chunk_items": "4"}
    for number in range(ITEMS):
        write_tone(tmp_path / "audio" / f"{number}.wav", 100 + number, seconds=0.2)
    command("ingest", str(tmp_path / "audio"), "--as", "track")
    return command


Start = Callable[..., subprocess.Popen]


@pytest.fixture
def start(slow: Command) -> Iterator[Start]:
    """Starts the command as a shell does; what is left of it ends with the test."""
    started: list[subprocess.Popen] = []

    def begin(*arguments: str, shell: Sequence[str] = ()) -> subprocess.Popen:
        process = subprocess.Popen(
            [*shell, sys.executable, "-m", "audio_assets", *arguments],
            env=slow.environment(), cwd=CHECKOUT, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def await_values(slow: Command, count: int, process: subprocess.Popen | None = None) -> int:
    """Wait until so many values are stored; how many are."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        assert process is None or process.poll() is None, process.communicate()
        stored = slow.sql("SELECT count(*) AS n FROM ledger WHERE asset = 'slow'")[0]["n"]
        if stored >= count:
            return int(stored)
        time.sleep(0.2)
    raise TimeoutError(f"{count} values are not there")


def all_there(slow: Command) -> bool:
    (row,) = slow.sql("SELECT count(*) AS n, count(DISTINCT item) AS items FROM slow")
    return row == {"n": ITEMS, "items": ITEMS}


def ended_runs(slow: Command) -> list[str]:
    """How Dagster says that its runs ended, oldest first."""
    code = (
        "import dagster as dg\n"
        "with dg.DagsterInstance.get() as instance:\n"
        "    print(*(run.status.value for run in reversed(instance.get_runs())))"
    )
    environment = {**slow.environment(), "DAGSTER_HOME": str(slow.home / "state" / "dagster")}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_a_run_that_was_killed_in_a_pool_holds_up_no_other_and_is_ended_by_the_next(slow, start):
    killed = start("run", "slow")
    stored = await_values(slow, 2, killed)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    slow("run", "slow")
    assert "was found dead" in slow.errors
    assert all_there(slow) and stored < ITEMS
    assert ended_runs(slow) == ["FAILURE", "SUCCESS"]
    assert [row["state"] for row in listed(slow)] == ["done", "killed"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda n: n.name)
def test_a_signal_ends_a_run_in_seconds_and_what_was_computed_is_kept(slow, start, number):
    process = start("run", "slow")
    await_values(slow, 2, process)
    process.send_signal(number)
    _, said = process.communicate(timeout=10)
    assert process.returncode == 128 + number
    stored = await_values(slow, 2)
    assert f"Stopped by {number.name}: {stored} values of this run are stored" in said
    assert "Traceback" not in said
    slow("run", "slow")
    assert all_there(slow)
    assert slow.sql("SELECT max(n) AS n FROM (SELECT count(*) AS n FROM ledger GROUP BY item)") == [{"n": 1}]


def test_a_signal_that_was_ignored_at_the_start_stays_ignored(slow, start):
    process = start("run", "slow", shell=["nohup"])
    await_values(slow, 2, process)
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=60)
    assert process.returncode == 0 and all_there(slow)


def said_line(process: subprocess.Popen, part: str) -> str:
    """The line of standard error with `part`, which is waited for."""
    before = []
    while part not in (line := process.stderr.readline()):
        assert line, before
        before.append(line)
    return line


def test_a_run_that_waits_for_a_pool_says_for_whom_and_a_signal_ends_its_waiting(slow, start):
    with Lease(slow.home / "state" / "locks" / "gpu.0", "somebody") as lease:
        assert lease.take()
        waiting = [start("run", "slow") for _ in range(2)]
        for process in waiting:
            line = said_line(process, "aiting for pool gpu")
            assert f"held by somebody (process {os.getpid()}, since" in line
        waiting[0].send_signal(signal.SIGTERM)
        waiting[0].communicate(timeout=10)
        assert waiting[0].returncode == 128 + signal.SIGTERM
    waiting[1].communicate(timeout=90)
    assert waiting[1].returncode == 0 and all_there(slow)


def listed(slow: Command) -> list[dict[str, str]]:
    return json.loads(slow("runs", "--format", "json"))


def test_a_detached_run_is_listed_followed_and_stopped(slow):
    assert "has begun" in slow("run", "slow", "--detach")
    await_values(slow, 1)
    (run,) = listed(slow)
    assert (run["state"], run["command"]) == ("running", "audio-assets run slow")
    assert "has ended" in slow("runs", "stop")
    (run,) = listed(slow)
    assert run["state"] == f"exit code {128 + signal.SIGTERM}"
    assert "Stopped by SIGTERM" in slow("runs", "follow", run["id"][:4], code=128 + signal.SIGTERM)
    assert "is not running" in slow("runs", "stop", run["id"])
    slow("runs", "follow", "nobody", code=2)
    assert run["id"] in slow.errors

    slow("run", "slow", "--detach")
    assert "slow" in slow("runs", "follow")
    assert all_there(slow) and listed(slow)[0]["state"] == "done"
