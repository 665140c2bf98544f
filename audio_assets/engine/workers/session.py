"""What may be asked of workers, wherever they are: a function over many inputs, each of them isolated.

The function is named, not sent, so that a worker of any kind can import it; setups, inputs and what comes
back are plain data: whatever can be pickled. Of every input there come any number of `Part`, and then
exactly one of

- `Done`: the function returned;
- `Raised`: it raised, which is no reason for the worker to end;
- `Died`: the worker ended, was killed, or used more time or memory than it may. The parts that came before
  are kept, and the next input has a new worker.

An input may hold several things that are computed together, a batch. What is left of it after a death is
for the caller to say, and is computed as new inputs.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, Self

from audio_assets.errors import UserError

Emit = Callable[[object], None]
"""Given to a function: hands on a part of the input in hand, or says with a `Step` what begins."""

EVENTS_AHEAD = 100


class WorkerError(UserError, RuntimeError):
    """There can be no workers, or none that the function can be loaded in; the message holds the reason."""


@dataclass(frozen=True)
class Work:
    """What workers do.

    `function` is ``module:name``. Each worker calls it once with `setup` and an `Emit`; what it returns is
    called with one input after the other. `packages` are further packages of the project that it loads:
    a worker from before an edit in any of them, or in the function's own, is not used again.
    """

    function: str
    setup: Any = None
    packages: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Limits:
    """What may be used for an input, or for a step of it: seconds, and bytes of a worker and its children."""

    time_s: float = math.inf
    memory_bytes: float = math.inf


@dataclass(frozen=True)
class Step:
    """Emitted where a step of an input begins, which has limits of its own and is named if a worker dies."""

    name: str
    limits: Limits


@dataclass(frozen=True)
class Crew:
    """Who does the work: at most `count` workers, each within `limits`.

    `threads` is how many threads numerical libraries may use in each; None: as many as they like. If
    `devices` are given there is one worker for each, at most `count`, which sees that GPU alone, as do its
    successors. With `keep` workers may be used again by what the session does next.
    """

    count: int = 1
    limits: Limits = Limits()
    threads: int | None = 1
    devices: tuple[str, ...] = ()
    keep: bool = True


class Cause(StrEnum):
    """What made a worker end."""

    ITSELF = "itself"
    TIME = "time"
    MEMORY = "memory"


@dataclass(frozen=True)
class Part:
    """Something that the function emitted for an input."""

    input: Any
    value: Any


@dataclass(frozen=True)
class Done:
    """What the function returned for an input."""

    input: Any
    value: Any


@dataclass(frozen=True)
class Raised:
    """What the function raised for an input: in words, with the traceback, and of which classes it is."""

    input: Any
    reason: str
    detail: str
    classes: tuple[str, ...]

    def is_a(self, kind: type[BaseException]) -> bool:
        """Whether it was a `kind`."""
        return class_name(kind) in self.classes


@dataclass(frozen=True)
class Died:
    """An input's worker ended: in which step, if any had begun, why, and the last that it wrote.

    `parts` are the values of those that came before.
    """

    input: Any
    parts: tuple[Any, ...]
    step: str | None
    cause: Cause
    reason: str
    detail: str


Event = Part | Done | Raised | Died


def nothing_left(_: Died) -> Iterable[Any]:
    """Of an input whose worker died nothing more is tried."""
    return ()


class Session(Protocol):
    """Workers, for as long as it is open; they may stay warm from one `map` to the next, and end with it.

    A session that is used again after it was closed is open again.
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def map(
        self,
        work: Work,
        inputs: Iterable[Any],
        crew: Crew,
        *,
        left: Callable[[Died], Iterable[Any]] = nothing_left,
        ahead: int = EVENTS_AHEAD,
        tick_s: float | None = None,
    ) -> Generator[Event | None]:
        """Do the work for all inputs; what comes of them comes as it is ready, in any order.

        Inputs are taken one by one as workers are free, by other threads. Workers go on while events are
        not taken until `ahead` of them wait. None comes whenever nothing else has for `tick_s`. What `left`
        returns for a death is computed before other inputs. Closing the generator ends what was begun.

        Raises:
            WorkerError: no worker can be started, or the function cannot be loaded.
            Exception: whatever `inputs` or `left` raise.
        """
        ...

    @abstractmethod
    def close(self) -> None:
        """End all workers at once, and remove what they left in temporary files."""
        ...


def class_name(kind: type) -> str:
    """The name of a class that `Raised` knows it by."""
    return f"{kind.__module__}.{kind.__qualname__}"
