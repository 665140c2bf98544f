"""Being asked to stop: a signal is heeded where nothing is lost by it, a second one at once.

Within `stopping`, SIGINT, SIGTERM and SIGHUP are noted, and what computes looks after every result, and at
least once a second. It stores what is computed and then raises `Stopped`. A signal that was ignored when this
process began, as SIGHUP is under nohup, stays ignored.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

LOOK_S = 1.0
"""How long at most until a signal is heeded where results are waited for."""

SIGNALS = tuple(
    number
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    if signal.getsignal(number) is not signal.SIG_IGN
)

_noted: list[signal.Signals] = []


class Stopped(BaseException):
    """The process was asked to end by a signal; not an error, so that nothing takes it for one."""

    def __init__(self, number: signal.Signals) -> None:
        super().__init__(f"stopped by {number.name}")
        self.signal = number

    @property
    def exit_code(self) -> int:
        """What a shell expects of a process that ended by the signal."""
        return 128 + self.signal


def check() -> None:
    """Raise if this process was asked to stop.

    Raises:
        Stopped: it was.
    """
    if _noted:
        raise Stopped(_noted[0])


def is_asked() -> bool:
    """Whether this process was asked to stop."""
    return bool(_noted)


@contextmanager
def stopping() -> Iterator[None]:
    """Note signals within the block, for `check`; a second one raises `Stopped` wherever it comes."""
    with _handling(_note):
        yield


@contextmanager
def stopping_at_once() -> Iterator[None]:
    """Let signals raise `Stopped` within the block, wherever they come."""
    with _handling(_raise):
        yield


@contextmanager
def _handling(handler: signal._HANDLER) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)


def _note(number: int, frame: FrameType | None) -> None:
    if _noted:
        _raise(number, frame)
    _noted.append(signal.Signals(number))


def _raise(number: int, _: FrameType | None) -> None:
    raise Stopped(signal.Signals(number))
