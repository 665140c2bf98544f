"""A home is refused where locks do not hold."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from audio_assets.resources import locks
from audio_assets.resources.locks import LocksError, check_locks, file_system
from tests.resources.test_lake import make_lake


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs"])
def test_a_disk_of_another_machine_is_refused_in_one_sentence(tmp_path, monkeypatch, kind):
    far = tmp_path / "far away"
    far.mkdir()
    mounts = tmp_path / "mounts"
    escaped = str(far).replace(" ", "\\040")
    mounts.write_text(f"overlay / overlay rw 0 0\nserver:/export {escaped} {kind} rw,vers=4.2 0 0\n")
    monkeypatch.setattr(locks, "MOUNTS", mounts)
    assert (file_system(far / "home"), file_system(tmp_path)) == (kind, "overlay")
    with pytest.raises(
        LocksError, match=rf"is on {kind}, .*AUDIO_ASSETS_HOME.*AUDIO_ASSETS_PRESET"
    ) as caught:
        make_lake(far / "home").rows("SELECT 1")
    assert "\n" not in str(caught.value)
    assert not list(far.rglob("*.sqlite"))
    make_lake(tmp_path / "near").rows("SELECT 1")


def test_where_there_are_no_locks_at_all_it_is_refused(tmp_path, monkeypatch):
    def no_locks(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(LocksError, match="has no locks \\(No locks available\\)"):
        check_locks(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("lost", ["flock", "lockf"])
def test_locks_that_two_processes_get_at_once_are_refused(tmp_path, monkeypatch, lost):
    """As on a network disk whose locks each machine keeps to itself: what this process asks for is not held."""
    monkeypatch.setattr(fcntl, lost, lambda *_: None)
    with pytest.raises(LocksError, match=rf"gave two processes the same lock \({lost}\)"):
        check_locks(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_locks_hold_on_a_disk_of_this_machine(tmp_path: Path):
    check_locks(tmp_path)
    assert list(tmp_path.iterdir()) == []
