"""Roles of models and the backends that can play them.

A backend is a class with the class attributes `name`, `revision` (of weights or method) and `licence`;
making an instance loads the weights. Its module must be cheap to import: torch and friends are imported in
``__init__``. The engine makes one instance per worker process and records name, revision and licence with
every row.

What a backend needs of this home and machine it asks for by the names of its constructor's parameters,
those of `BackendSettings`; one that needs nothing has no parameters. A `revision` that depends on what is
installed is a function that asks in the same way, so that it is known without making an instance:

    class Heard:
        name, licence = "heard", "MIT"

        @staticmethod
        def revision(weights: Path) -> str:
            return hashlib.sha256((weights / "heard.onnx").read_bytes()).hexdigest()

        def __init__(self, weights: Path, device: str) -> None: ...

`audio-assets doctor` reads three more class attributes, where there are any: `weights` (what it needs
installed, see `Installable`), `packages` (modules it needs that are no dependency, each with the command that
installs it) and `reason` (why a backend does nothing).
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol, Self, runtime_checkable

from audio_assets.errors import UserError
from audio_assets.settings import Settings

EMBEDDED, LEARNED = "embedded", "learned"


class BackendError(UserError, KeyError):
    """A role cannot be played as it is asked for; the message says what there is."""

    __str__ = Exception.__str__  # that of KeyError is the message's repr


@runtime_checkable
class Backend(Protocol):
    """What the engine asks of a backend's class."""

    name: str
    revision: str | Callable[..., str]
    licence: str


class Installable(Protocol):
    """What a backend's class says of each of its weights."""

    @property
    def source(self) -> str:
        """Where they come from: a repository, an address, a package, or the user."""

    @property
    def is_downloaded(self) -> bool:
        """Whether first use downloads them."""

    def place(self, weights: Path) -> Path:
        """Where they are looked for first, with the weights folder `weights`."""

    def is_installed(self, weights: Path) -> bool:
        """Whether they are here, all of them; nothing is loaded, and no network asked."""


@dataclass(frozen=True)
class BackendSettings:
    """What backends may ask for, by the names of their constructors' parameters.

    `weights` is the folder of installed weights, `cache` a folder for what can be had again, `device` where
    to compute (``auto``, ``cpu``, ``cuda``), and `contact` what services on the web are told of who asks.
    """

    weights: Path
    cache: Path
    device: str = "auto"
    contact: str = ""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Those of this platform."""
        return cls(settings.weights, settings.home / "cache", settings.device, settings.contact)

    def call(self, function: Callable[..., Any]) -> Any:
        """`function`, given what it asks for.

        Raises:
            BackendError: it has a parameter that is not here, and no default for it.
        """
        parameters = inspect.signature(function).parameters.values()
        known = {field.name: getattr(self, field.name) for field in fields(self)}
        unknown = [
            parameter.name
            for parameter in parameters
            if parameter.name not in known
            and parameter.default is parameter.empty
            and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        ]
        if unknown:
            raise BackendError(
                f"{function.__module__}.{function.__qualname__} asks for {', '.join(unknown)}; a backend is "
                f"given {', '.join(known)}. Name its parameters so, or give them defaults."
            )
        return function(**{p.name: known[p.name] for p in parameters if p.name in known})


@dataclass(frozen=True)
class Role:
    """A part that a model plays, e.g. separation, and the backends that can play it.

    `backends` maps a choice to ``"module:Class"``. The profiles choose ``embedded`` (a method without
    weights), ``learned`` (weights that come inside a package) and ``published`` (the field's weights);
    others are chosen by ``<ROLE>_BACKEND``. A role without a learned backend plays its embedded one under
    that profile.
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

    def player(self, settings: Settings) -> Player:
        """Who plays the role under these settings: the one chosen for it, else the profile's."""
        choice = settings.backends.get(self.name.lower())
        if choice is None:
            choice = settings.profile
            if choice == LEARNED and LEARNED not in self.backends:
                choice = EMBEDDED
        return Player(self, choice, BackendSettings.of(settings))


@dataclass(frozen=True)
class Player:
    """The backend that plays a role, and what it is given. Its class is looked for when it is asked for."""

    role: Role
    choice: str
    given: BackendSettings

    @property
    def backend(self) -> type[Backend]:
        """The backend's class; raises as `Role.backend`."""
        return self.role.backend(self.choice)

    @property
    def name(self) -> str:
        """The backend's name."""
        return self.backend.name

    @property
    def revision(self) -> str:
        """The revision of its weights or method, as they are installed here."""
        revision = self.backend.revision
        return revision if isinstance(revision, str) else str(self.given.call(revision))

    @property
    def licence(self) -> str:
        """The licence of its weights or method."""
        return self.backend.licence

    def make(self) -> Any:
        """An instance, with its weights loaded."""
        return self.given.call(self.backend)
