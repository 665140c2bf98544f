"""Roles of models and the backends that can play them.

A backend is a class with the class attributes `name`, `revision` (of weights or method) and
`licence`; making an instance loads the weights. Its module must be cheap to import: torch and friends
are imported in ``__init__``. The engine makes one instance per worker process and records name,
revision and licence with every row.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Backend(Protocol):
    """What the engine asks of a backend's class."""

    name: str
    revision: str
    licence: str


@dataclass(frozen=True)
class Role:
    """A part that a model plays, e.g. separation, and the backends that can play it.

    `backends` maps a choice, such as ``embedded`` or ``published``, to ``"module:Class"``.
    """

    name: str
    backends: Mapping[str, str]

    def backend(self, choice: str) -> type[Backend]:
        """The backend's class for `choice`.

        Raises:
            KeyError: no such choice; the message lists those there are.
        """
        if choice not in self.backends:
            raise KeyError(f"No backend {choice!r} for {self.name}; there are {', '.join(self.backends)}.")
        module, _, attribute = self.backends[choice].partition(":")
        backend: Any = getattr(importlib.import_module(module), attribute)
        return backend  # type: ignore[no-any-return]
