"""`Asset`: the one declaration that assets of every extent share, and its `Recipe`.

An asset is computed per item (`item_asset`), over all items (`collection_asset`), or trained
(`training_asset`). The three differ in what their function is handed; what decides a value, what is upstream
of it and how it is planned is the same, and stands here.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from audio_assets.engine.code.state import CodeState, code_state
from audio_assets.engine.declare.roles import Player, Role
from audio_assets.engine.declare.tables import ItemKind, Table
from audio_assets.errors import UserError

EVERY_ITEM = "*"
"""Stands in the ledger in the place of an item where a value is of all items together."""


class DeclarationError(UserError, ValueError):
    """An asset's declaration does not fit its function, or the other assets; the message says how."""


class ParameterError(UserError, ValueError):
    """A parameter that an asset does not have, or a value of the wrong type; the message says what it has."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Asset:
    """What is declared of an asset. Calling it calls its function.

    `tables` are filled by it, the first of its name; `items` the kinds of item it is computed from; `model` the
    training whose adopted checkpoint it uses; `reads` columns of the catalog that its values depend on.
    """

    fn: Callable[..., Any]
    name: str
    tables: tuple[Table, ...]
    items: tuple[ItemKind, ...]
    upstream: tuple[str, ...] = ()
    optional_upstream: frozenset[str] = frozenset()
    reads: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    roles: tuple[Role, ...] = ()
    model: str | None = None
    group: str
    code_version: str
    time_limit_s: float | None = None
    memory_limit_gib: float | None = None
    pool: str | None = None
    kinds: frozenset[str] = frozenset()
    owners: tuple[str, ...] = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.fn(*args, **kwargs)

    @property
    def reference(self) -> tuple[str, str]:
        """Module and name of the function."""
        return self.fn.__module__, self.fn.__qualname__

    @property
    def description(self) -> str:
        """The first table's text, else the function's docstring."""
        return (self.tables[0].doc if self.tables else "") or inspect.getdoc(self.fn) or ""

    @property
    def code_roots(self) -> list[Callable[..., Any]]:
        """Where its code begins, besides its backends."""
        return [self.fn]

    def code(self, choices: Mapping[str, Player]) -> CodeState:
        """The code behind the asset: its function, its backends, and what opens its items."""
        backends = [choices[role.name].backend for role in self.roles]
        return code_state([*self.code_roots, *backends])

    def checked_parameters(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """All parameters, those of `given` in the place of the defaults.

        Raises:
            ParameterError: one that the asset does not have, or of another type than its default.
        """
        unknown = sorted(set(given) - set(self.parameters))
        if unknown:
            raise ParameterError(
                f"{self.name} has no parameter {', '.join(unknown)}; it has "
                f"{', '.join(sorted(self.parameters)) or 'none'}."
            )
        for name, value in given.items():
            default = self.parameters[name]
            if default is not None and not _is_like(value, default):
                raise ParameterError(
                    f"{self.name}: parameter {name} is {value!r}; wanted {_kind(default)}, like {default!r}."
                )
        return {**self.parameters, **given}

    def recipe(self, given: Mapping[str, Any], choices: Mapping[str, Player]) -> Recipe:
        """How the asset is computed with the parameters `given` and the backends of `choices`.

        Raises:
            ParameterError: see `checked_parameters`.
        """
        backends = [choices[role.name] for role in self.roles]
        columns = [(f"{t.name}.{c.name}", c.sql_type) for t in self.tables for c in t.columns]
        return Recipe(
            asset=self.name,
            code_version=self.code_version,
            parameters_json=json.dumps(self.checked_parameters(given), sort_keys=True),
            backend="+".join(b.name for b in backends) or None,
            revision="+".join(b.revision for b in backends) or None,
            licence="+".join(b.licence for b in backends) or None,
            columns=tuple(sorted(columns)),
        )


@dataclass(frozen=True)
class Recipe:
    """All that decides an asset's values besides items and upstream values.

    `checkpoint` is the trained model it computes with, if it needs one.
    """

    asset: str
    code_version: str
    parameters_json: str
    backend: str | None
    revision: str | None
    licence: str | None
    columns: tuple[tuple[str, str], ...]
    checkpoint: str = ""

    def with_model(self, model: str, checkpoint: str, licences: str) -> Recipe:
        """The recipe with a trained model among its backends."""
        return replace(
            self,
            backend="+".join(filter(None, [self.backend, model])),
            revision="+".join(filter(None, [self.revision, checkpoint])),
            licence="+".join(filter(None, [self.licence, *licences.split(", ")])) or None,
            checkpoint=checkpoint,
        )

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters' values."""
        values: dict[str, Any] = json.loads(self.parameters_json)
        return values

    @cached_property
    def digest(self) -> str:
        """The part of every fingerprint that is the same for all items."""
        columns = json.dumps(self.columns)
        return fingerprint(
            [self.asset, self.code_version, self.parameters_json, self.backend, self.revision, columns]
        )


def fingerprint(parts: Iterable[str | None]) -> str:
    """A hash of a list of texts, as 32 hexadecimal digits.

    Each text goes in with its length in bytes before it and None as a mark of its own, so that no two lists
    make the same input. The planner computes the same in SQL.

    >>> fingerprint(["ab", None]) == fingerprint(["a", "b"])
    False
    """
    whole = hashlib.sha256()
    for part in parts:
        if part is None:
            whole.update(b"-")
        else:
            data = part.encode()
            whole.update(b"%d:" % len(data) + data)
    return whole.hexdigest()[:32]


def keyword_parameters(fn: Callable[..., Any], given: Iterable[str], where: str) -> dict[str, Any]:
    """The keyword-only parameters of a function that it is not `given`, with their defaults.

    Raises:
        DeclarationError: one has no default or no JSON value, or the function does not take what it is given.
    """
    parameters = inspect.signature(fn).parameters.values()
    names = set(given)
    own = [p for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in names]
    missing = [p.name for p in own if p.default is p.empty]
    if missing:
        raise DeclarationError(f"{where}: parameter {', '.join(missing)} needs a default or a role.")
    unused = names - {p.name for p in parameters}
    if unused:
        raise DeclarationError(
            f"{where} takes no keyword {', '.join(sorted(unused))}, which it is to be given."
        )
    try:
        json.dumps({p.name: p.default for p in own})
    except TypeError as error:
        raise DeclarationError(
            f"{where}: the defaults of its parameters must be JSON values: {error}."
        ) from error
    return {p.name: p.default for p in own}


def named(fn: Callable[..., Any], name: str) -> str:
    """Where a function stands, after making sure that it can be found there and has the name it must have.

    Raises:
        DeclarationError: it has another name, or does not stand at module level.
    """
    where = f"{fn.__module__}.{fn.__qualname__}"
    if fn.__name__ != name:
        raise DeclarationError(f"{where} fills table {name!r}; give both the same name.")
    if "." in fn.__qualname__:
        raise DeclarationError(f"{where} must stand at module level, so that workers can import it.")
    return where


def keyed(tables: Sequence[Table], keys: Sequence[Any]) -> tuple[Table, ...]:
    """The tables with the columns that the engine fills."""
    return tuple(replace(table, keys=tuple(keys)) for table in tables)


def _is_like(value: Any, default: Any) -> bool:
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(value, bool) and isinstance(default, bool)
    if isinstance(default, float):
        return isinstance(value, int | float)
    if isinstance(default, list | tuple):
        return isinstance(value, list | tuple)
    return isinstance(value, type(default))


def _kind(default: Any) -> str:
    names = {bool: "true or false", float: "a number", int: "a whole number", str: "a text"}
    return names.get(type(default), f"a {type(default).__name__}")
