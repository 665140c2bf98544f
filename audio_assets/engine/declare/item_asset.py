"""`item_asset`: a function of one item, or of a batch of items, becomes an asset.

The function's signature says what it needs:

- the first parameter is the item, as its kind opens it (a list of them with ``batch_size > 1``);
- further positional parameters are other item assets of the same kind, by name: a dict of the
  upstream's row, or a list of dicts where the upstream has many rows. With a default of ``None`` the
  upstream may be not applicable;
- keyword-only parameters named like a role receive that role's backend;
- a keyword-only parameter ``record`` receives the columns of the catalog that `reads` names;
- a keyword-only parameter ``model`` receives the folder of the newest checkpoint of the training asset
  that `model` names; the checkpoint is part of the fingerprint;
- a keyword-only parameter ``objects`` receives the object storage, for the objects that rows name;
- all other keyword-only parameters have defaults, are part of the fingerprint and can be set.

It returns a mapping (one-row tables) or a list of mappings (many-row tables), raises `NotApplicable`,
or fails with any other exception.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from audio_assets.engine.code.state import CodeState, code_state
from audio_assets.engine.declare.roles import Player, Role
from audio_assets.engine.declare.tables import ItemKind, Table

RECORD = "record"
OBJECTS = "objects"
MODEL = "model"


@dataclass(frozen=True)
class ItemAsset:
    """An asset computed item by item; made by the `item_asset` decorator. Calling it calls `fn`."""

    fn: Callable[..., Any]
    table: Table
    group: str
    code_version: str
    bundle: str
    upstream: tuple[str, ...] = ()
    optional_upstream: frozenset[str] = frozenset()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    roles: tuple[Role, ...] = ()
    reads: tuple[str, ...] = ()
    takes_objects: bool = False
    model: str | None = None
    batch_size: int = 1
    time_limit_s: float | None = None
    memory_limit_gib: float | None = None
    pool: str | None = None
    kinds: frozenset[str] = frozenset()
    owners: tuple[str, ...] = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.fn(*args, **kwargs)

    @property
    def name(self) -> str:
        """The asset's name, which is its table's."""
        return self.table.name

    @property
    def item(self) -> ItemKind:
        """The kind of item it is computed on."""
        return self.table.item

    @property
    def reference(self) -> tuple[str, str]:
        """Module and name under which a worker finds the asset."""
        return self.fn.__module__, self.fn.__qualname__

    @property
    def description(self) -> str:
        """The table's text, else the function's docstring."""
        return self.table.doc or inspect.getdoc(self.fn) or ""

    def code(self, choices: Mapping[str, Player]) -> CodeState:
        """The code behind the asset: its function, its backends, and what opens its items."""
        backends = [choices[role.name].backend for role in self.roles]
        return code_state([self.fn, self.item.open, *backends])

    def recipe(self, parameters: Mapping[str, Any], choices: Mapping[str, Player]) -> Recipe:
        """How the asset is computed with these settings.

        Raises:
            ValueError: `parameters` names one that the asset does not have.
        """
        unknown = sorted(set(parameters) - set(self.parameters))
        if unknown:
            raise ValueError(
                f"AUDIO_ASSETS_PARAMETERS sets {', '.join(unknown)} of {self.name}, which has the "
                f"parameters {', '.join(sorted(self.parameters)) or 'none'}."
            )
        backends = [choices[role.name] for role in self.roles]
        return Recipe(
            asset=self.name,
            code_version=self.code_version,
            parameters_json=json.dumps({**self.parameters, **parameters}, sort_keys=True),
            backend="+".join(b.name for b in backends) or None,
            revision="+".join(b.revision for b in backends) or None,
            licence="+".join(b.licence for b in backends) or None,
            columns=tuple(sorted((c.name, c.sql_type) for c in self.table.columns)),
        )


@dataclass(frozen=True)
class Recipe:
    """All that decides an asset's values besides the item and its upstream values."""

    asset: str
    code_version: str
    parameters_json: str
    backend: str | None
    revision: str | None
    licence: str | None
    columns: tuple[tuple[str, str], ...]

    def made_by(self, model: str, checkpoint: str, licences: str) -> Recipe:
        """The recipe with a trained model for its backend."""
        return replace(self, backend=model, revision=checkpoint, licence=licences or None)

    @cached_property
    def identity(self) -> str:
        """The part of the fingerprint that is the same for all items."""
        return json.dumps(
            [self.asset, self.code_version, self.parameters_json, self.backend, self.revision, self.columns]
        )


def item_asset(
    *,
    table: Table,
    group: str,
    code_version: str,
    bundle: str | None = None,
    roles: Sequence[Role] = (),
    reads: Sequence[str] = (),
    model: str | None = None,
    batch_size: int = 1,
    time_limit_s: float | None = None,
    memory_limit_gib: float | None = None,
    pool: str | None = None,
    kinds: Sequence[str] = (),
    owners: Sequence[str] = (),
) -> Callable[[Callable[..., Any]], ItemAsset]:
    """Make a function an item asset; its name must be the table's.

    Assets with the same `bundle` are computed together: an item is opened once for all of them. The
    default bundle is the item kind and the group. `reads` names columns of the catalog that the values
    depend on besides the item's bytes, e.g. the digest of the files beside it. `model` names the training
    asset whose newest checkpoint they need. Raise `code_version` when an edit changes values; `status`
    calls rows ``drifted`` whose code changed under the same version.

    Raises:
        ValueError: the function's name or signature does not fit; the message says how.
    """

    def decorate(fn: Callable[..., Any]) -> ItemAsset:
        where = f"{fn.__module__}.{fn.__qualname__}"
        if fn.__name__ != table.name:
            raise ValueError(f"{where} fills table {table.name!r}; give both the same name.")
        if "." in fn.__qualname__:
            raise ValueError(f"{where} must stand at module level, so that workers can import it.")
        parameters = list(inspect.signature(fn).parameters.values())
        positional = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        if not positional:
            raise ValueError(f"{where} takes no item; its first parameter must be the {table.item.name}.")
        given = {role.name for role in roles}
        given |= ({RECORD} if reads else set()) | ({MODEL} if model else set())
        keyword = [p for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in given | {OBJECTS}]
        missing = [p.name for p in keyword if p.default is p.empty]
        if missing:
            raise ValueError(f"{where}: parameter {', '.join(missing)} needs a default or a role.")
        unused = given - {p.name for p in parameters}
        if unused:
            raise ValueError(
                f"{where} takes no keyword {', '.join(sorted(unused))}, which it is to be given."
            )
        try:
            json.dumps({p.name: p.default for p in keyword})
        except TypeError as error:
            raise ValueError(
                f"{where}: the defaults of its parameters must be JSON values: {error}."
            ) from error
        return ItemAsset(
            fn=fn,
            table=table,
            group=group,
            code_version=code_version,
            bundle=bundle or f"{table.item.name}_{group}",
            upstream=tuple(p.name for p in positional[1:]),
            optional_upstream=frozenset(p.name for p in positional[1:] if p.default is None),
            parameters={p.name: p.default for p in keyword},
            roles=tuple(roles),
            reads=tuple(reads),
            model=model,
            takes_objects=any(p.name == OBJECTS for p in parameters),
            batch_size=batch_size,
            time_limit_s=time_limit_s,
            memory_limit_gib=memory_limit_gib,
            pool=pool,
            kinds=frozenset(kinds),
            owners=tuple(owners),
        )

    return decorate
