"""Roles of models and the backends that can play them.

A backend is a class with the class attributes `name`, `revision` (of weights or method) and
`licence`; making an instance loads the weights. Its module must be cheap to import: torch and friends
are imported in ``__init__``. The engine makes one instance per worker process and records name,
revision and licence with every row.

`audio-assets doctor` reads three more class attributes, where there are any: `weights` (what it needs
installed, see `backends.weights.Installable`), `packages` (modules it needs that are no dependency, each with
the command that installs it) and `reason` (why a backend does nothing).
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from audio_assets.errors import UserError


class BackendError(UserError, KeyError):
    """A role has no backend of the name that was asked for; the message lists those there are."""

    __str__ = Exception.__str__  # that of KeyError is the message's repr


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
            BackendError: no such choice; the message lists those there are.
        """
        if choice not in self.backends:
            raise BackendError(
                f"No backend {choice!r} for {self.name}; there are {', '.join(self.backends)}: set "
                f"AUDIO_ASSETS_{self.name.upper()}_BACKEND to one of them. Where it is not set, "
                "AUDIO_ASSETS_PROFILE chooses."
            )
        module, _, attribute = self.backends[choice].partition(":")
        backend: Any = getattr(importlib.import_module(module), attribute)
        return backend  # type: ignore[no-any-return]
