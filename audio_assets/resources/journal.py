"""A training's tracking events on disk: appended before they are sent, and how far they have been sent.

Either file may be damaged by a lost power supply or a full disk. That costs what was damaged and nothing
more: a line that cannot be read is left out with a warning, and a state that cannot be read is as if it were
not there, so that all events are sent again (sending one twice leaves what sending it once leaves).
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from audio_assets.resources.files import write_file

JOURNAL = "tracking.jsonl"
STATE = "tracking.json"
LOCK = "tracking.lock"

log = logging.getLogger(__name__)

Event = dict[str, Any]


@dataclass
class Sent:
    """How many lines of the journal have been sent, and MLflow's ids for what they hold."""

    count: int = 0
    run_id: str | None = None
    model_id: str | None = None
    model_version: str | None = None


class Journal:
    """The journal in `folder`, which is made."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / JOURNAL
        self._folder = folder
        self._warned: set[int] = set()

    def alone(self) -> FileLock:
        """Held while journal and state are changed: threads and processes of a training share them."""
        return FileLock(self._folder / LOCK)

    def events(self) -> list[Event | None]:
        """What each line holds; None for one that is damaged. An unfinished last line was not added."""
        if not self.path.exists():
            return []
        lines = self.path.read_bytes().split(b"\n")[:-1]
        return [self._event(number, line) for number, line in enumerate(lines, 1)]

    def _event(self, number: int, line: bytes) -> Event | None:
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        if isinstance(event, dict) and "kind" in event:
            return event
        if number not in self._warned:
            self._warned.add(number)
            log.warning("Line %d of %s is damaged and left out.", number, self.path)
        return None

    def append(self, event: Event) -> None:
        """Add an event; it is on disk when this returns."""
        with self.alone():
            if self.path.exists():
                text = self.path.read_bytes()
                if text and not text.endswith(b"\n"):
                    os.truncate(self.path, text.rfind(b"\n") + 1)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(event) + "\n")
                file.flush()
                os.fsync(file.fileno())

    def rewrite(self, changed: Callable[[Event], Event]) -> None:
        """Put what `changed` makes of each event in its place; damaged lines stay as they are."""
        with self.alone():
            lines = self.path.read_bytes().split(b"\n")
            events = self.events()
            for number, event in enumerate(events):
                if event is not None and changed(event) != event:
                    lines[number] = json.dumps(changed(event)).encode()
            write_file(self.path, b"\n".join(lines))

    def sent(self) -> Sent:
        """How far the journal has been sent."""
        try:
            sent = Sent(**json.loads((self._folder / STATE).read_bytes()))
        except (FileNotFoundError, ValueError, TypeError):
            return Sent()
        return sent if sent.count <= len(self.events()) else Sent()  # else the journal lost its end

    def save(self, sent: Sent) -> None:
        """Keep how far the journal has been sent."""
        write_file(self._folder / STATE, json.dumps(vars(sent)).encode())
