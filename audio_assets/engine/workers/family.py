"""A worker with the processes that it started: what they hold together."""

from __future__ import annotations

import math
import time
from contextlib import suppress

import psutil

FAMILY_AGE_S = 1.0


class Family:
    """A process and its children, found anew once a second: that takes a look at all processes."""

    def __init__(self, pid: int) -> None:
        self._members: list[psutil.Process] = []
        self._listed_at = -FAMILY_AGE_S
        with suppress(psutil.Error):
            self._members = [psutil.Process(pid)]

    def members(self) -> list[psutil.Process]:
        """Those there are now, the process itself first."""
        if self._members:
            with suppress(psutil.Error):
                self._members = [self._members[0], *self._members[0].children(recursive=True)]
        self._listed_at = time.monotonic()
        return self._members

    def memory_bytes(self) -> int:
        """What they hold; what forked children share with their parent counts for each."""
        old = time.monotonic() - self._listed_at > FAMILY_AGE_S
        return sum(_memory(member, "rss") for member in (self.members() if old else self._members))

    def exceeds(self, allowed: float) -> bool:
        """Whether they hold more than is allowed, what they share counted once."""
        if allowed == math.inf or self.memory_bytes() <= allowed:
            return False
        return sum(_memory(member, "pss") for member in self.members()) > allowed


def _memory(process: psutil.Process, kind: str) -> int:
    """Memory of a process: resident, or its share of it where the system tells; 0 if it has ended."""
    with suppress(psutil.Error):
        if kind == "pss" and psutil.LINUX:
            return int(process.memory_full_info().pss)
        return int(process.memory_info().rss)
    return 0
