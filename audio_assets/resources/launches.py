"""Launches: the runs that the command has started in a home, of which each has a folder.

<home>/launches/<id>/command.json   what was typed
<home>/launches/<id>/lease          held by the process that runs it, as long as it lives
<home>/launches/<id>/end.json       how it ended: the exit code; absent if it was killed
<home>/launches/<id>/log            what it printed, if it was detached from its terminal
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audio_assets.errors import UserError
from audio_assets.resources.files import write_file
from audio_assets.resources.leases import Lease, holder_of, is_held

FOLDER = "launches"
OPTION = "--launch"
KEPT = 100
"""So many are remembered."""


class LaunchError(UserError, LookupError):
    """There is no such launch, or it is not as it would have to be; the message says what there is."""


@dataclass(frozen=True)
class Launch:
    """A run that the command started: what was typed, when, and how it stands.

    `code` is its exit code; None while it goes on, and if it was killed.
    """

    folder: Path
    command: str
    started: float
    ended: float | None
    code: int | None

    @property
    def id(self) -> str:
        """Its name."""
        return self.folder.name

    @property
    def log(self) -> Path:
        """What it printed, if it was detached."""
        return self.folder / "log"

    @property
    def is_running(self) -> bool:
        """Whether its process lives."""
        return is_held(self.folder / "lease")

    @property
    def state(self) -> str:
        """How it stands, in a word or two."""
        if self.is_running:
            return "running"
        if self.code is None:
            return "killed"
        return "done" if self.code == 0 else f"exit code {self.code}"

    def stop(self, wait_s: float) -> bool:
        """Ask its process to end, as Ctrl-C does; whether it has ended within so many seconds."""
        holder = holder_of(self.folder / "lease")
        if holder is not None and self.is_running:
            with suppress(ProcessLookupError):
                os.kill(holder.process, signal.SIGTERM)
        deadline = time.monotonic() + wait_s
        while self.is_running:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        return True

    def follow(self) -> Iterator[str]:
        """What it has printed and prints until it ends."""
        with self.log.open(encoding="utf-8", errors="replace") as log:
            while True:
                goes_on = self.is_running  # asked first: what it wrote last is read, too
                if text := log.read():
                    yield text
                elif not goes_on:
                    return
                else:
                    time.sleep(0.2)


@contextmanager
def launched(home: Path, arguments: Sequence[str], id: str | None = None) -> Iterator[list[int]]:
    """Make this process known as a launch within the block; put its exit code into the list."""
    folder = home / FOLDER / (id or _new_id())
    command = shlex.join(["audio-assets", *_typed(arguments)])
    started = time.time()
    codes: list[int] = []
    with Lease(folder / "lease", f"`{command}`") as lease:
        lease.take()
        write_file(folder / "command.json", json.dumps({"command": command, "started": started}).encode())
        _forget_old(home)
        try:
            yield codes
        finally:
            end = {"code": codes[0] if codes else 1, "ended": time.time()}
            with suppress(OSError):  # a full disk must not hide what happened
                write_file(folder / "end.json", json.dumps(end).encode())


def detached(home: Path, arguments: Sequence[str]) -> Launch:
    """Start the command in a process of its own, which outlives the terminal; its output goes into its log.

    `arguments` are what `audio-assets` is given; the process takes the launch's id by the option ``--launch``.
    It has begun when this returns.

    Raises:
        LaunchError: it could not begin.
    """
    id = _new_id()
    folder = home / FOLDER / id
    folder.mkdir(parents=True)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "audio_assets", *arguments, OPTION, id],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    while not (folder / "command.json").exists() and process.poll() is None:
        time.sleep(0.05)
    found = _read(folder)
    if found is None:
        raise LaunchError(f"The run could not begin: {(folder / 'log').read_text(errors='replace').strip()}")
    return found


def launches(home: Path) -> list[Launch]:
    """All that are remembered, the newest first."""
    found = [_read(path.parent) for path in (home / FOLDER).glob("*/command.json")]
    return sorted(filter(None, found), key=lambda launch: launch.started, reverse=True)


def find_launch(home: Path, beginning: str | None) -> Launch:
    """The launch whose id begins so; without one the newest.

    Raises:
        LaunchError: there is none, or several.
    """
    there = launches(home)
    fitting = [launch for launch in there if launch.id.startswith(beginning or "")]
    if not fitting or (beginning and len(fitting) > 1):
        listed = ", ".join(launch.id for launch in there[:5]) or "none yet"
        raise LaunchError(
            f"{beginning or 'A launch'!r} fits {'several launches' if fitting else 'no launch'}; "
            f"there are {listed}. `audio-assets runs` lists them."
        )
    return fitting[0]


def _read(folder: Path) -> Launch | None:
    begun, end = _json(folder / "command.json"), _json(folder / "end.json")
    try:
        return Launch(
            folder, str(begun["command"]), float(begun["started"]), end.get("ended"), end.get("code")
        )
    except (KeyError, TypeError, ValueError):  # damaged is as good as not there
        return None


def _json(path: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        found = json.loads(path.read_bytes())
        return found if isinstance(found, dict) else {}
    return {}


def _forget_old(home: Path) -> None:
    for launch in launches(home)[KEPT:]:
        if not launch.is_running:
            shutil.rmtree(launch.folder, ignore_errors=True)


def _typed(arguments: Sequence[str]) -> list[str]:
    """The arguments without the option by which a detached process knows its launch."""
    found = list(arguments)
    if OPTION in found:
        place = found.index(OPTION)
        del found[place : place + 2]
    return found


def _new_id() -> str:
    return uuid.uuid4().hex[:8]
