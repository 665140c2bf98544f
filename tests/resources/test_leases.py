"""Leases: held while a process lives, free as soon as it does not, and those who wait are told who has them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from audio_assets.resources.leases import Lease, holder_of, is_held, slot
from tests.conftest import CHECKOUT

HOLD = """
import subprocess, sys
from pathlib import Path
from audio_assets.resources.leases import Lease
lease = Lease(Path(sys.argv[1]), "the other one")
assert lease.take()
child = subprocess.Popen(["sleep", "60"], close_fds=False)
print(child.pid, flush=True)
sys.stdin.read()
"""


class Enough(Exception):
    """Who waits has waited long enough."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "locks" / "gpu.0"


@pytest.fixture
def other(path: Path):
    """Another process that holds the lease, with a child of its own; as its own end, and its child's."""
    command = [sys.executable, "-c", HOLD, str(path)]
    process = subprocess.Popen(
        command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    child = int(process.stdout.readline())
    yield process
    process.kill()
    os.kill(child, signal.SIGKILL)  # it has the pipes too
    process.communicate()


def test_one_process_at_a_time_holds_it_and_the_file_says_which(path: Path, other):
    assert is_held(path)
    assert not Lease(path, "this one").take()
    holder = holder_of(path)
    assert (holder.process, holder.what) == (other.pid, "the other one")
    assert str(holder).startswith(f"the other one (process {other.pid}, since 2")


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_it_is_free_as_soon_as_its_process_has_ended_whatever_its_children_do(path: Path, other, end):
    other.send_signal(end)
    other.wait()
    assert not is_held(path)
    with Lease(path, "this one") as lease:
        assert lease.take() and is_held(path) and holder_of(path).process == os.getpid()
    assert not is_held(path)


def test_what_nobody_held_is_held_by_nobody_and_a_damaged_file_stops_nobody(path: Path):
    assert not is_held(path) and holder_of(path) is None
    path.parent.mkdir()
    path.write_bytes(b"\0\xff{")
    assert holder_of(path) is None
    assert Lease(path, "this one").take()


def test_who_waits_for_a_slot_is_told_of_whom_and_gets_it_when_it_is_free(path: Path, other):
    told: list[str] = []

    def say(text: str) -> None:
        told.append(text)
        other.kill()

    with slot(path.parent, "gpu", 1, "this one", waiting=say):
        assert holder_of(path).what == "this one"
    assert len(told) == 1 and told[0].startswith(
        f"waiting for pool gpu, held by the other one (process {other.pid}"
    )
    assert not is_held(path)


def test_a_pool_has_as_many_slots_as_it_has(path: Path, other):
    with slot(path.parent, "gpu", 2, "this one", waiting=pytest.fail):
        assert not is_held(path.parent / "gpu.2") and is_held(path.parent / "gpu.1")

        def enough() -> None:
            raise Enough

        with (
            pytest.raises(Enough),
            slot(path.parent, "gpu", 2, "a third", waiting=lambda _: None, check=enough),
        ):
            pytest.fail("there are two slots")
