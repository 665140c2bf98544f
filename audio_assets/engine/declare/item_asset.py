"""`item_asset`: a function of one item, or of a batch of items, becomes an asset.

The function's signature says what it needs:

- the first parameter is the item, as its kind opens it (a list of them with ``batch_size > 1``);
- further positional parameters are other item assets of the same kind, by name: a dict of the
  upstream's row, or a list of dicts where the upstream has many rows. With a default of ``None`` the
  upstream may be not applicable;
- keyword-only parameters named like a role receive that role's backend;
- a keyword-only parameter ``record`` receives the columns of the catalog that `reads` names;
- a keyword-only parameter ``model`` receives the folder of the adopted checkpoint of the training asset
  that `model` names; the checkpoint is part of the fingerprint;
- a keyword-only parameter ``objects`` receives the object storage, for the objects that rows name;
- all other keyword-only parameters have defaults, are part of the fingerprint and can be set.

It returns a mapping (one-row tables) or a list of mappings (many-row tables), raises `NotApplicable`,
or fails with any other exception.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from audio_assets.engine.declare.asset import Asset, DeclarationError, keyed, keyword_parameters, named
from audio_assets.engine.declare.roles import Role
from audio_assets.engine.declare.tables import CHECKPOINT, FINGERPRINT, ITEM, ItemKind, Table

RECORD = "record"
OBJECTS = "objects"
MODEL = "model"


@dataclass(frozen=True, kw_only=True, eq=False)
class ItemAsset(Asset):
    """An asset computed item by item; made by the `item_asset` decorator."""

    bundle: str
    takes_objects: bool = False
    batch_size: int = 1

    @property
    def table(self) -> Table:
        """The table it fills."""
        return self.tables[0]

    @property
    def item(self) -> ItemKind:
        """The kind of item it is computed on."""
        return self.items[0]

    @property
    def code_roots(self) -> list[Callable[..., Any]]:
        """Where its code begins, besides its backends."""
        return [self.fn, self.item.open]


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
    depend on besides the item's sound, e.g. the digest of the files beside it. `model` names the training
    asset whose adopted checkpoint they need. Raise `code_version` when an edit changes values; `status`
    calls rows ``drifted`` whose code changed under the same version.

    Raises:
        DeclarationError: the function's name or signature does not fit; the message says how.
    """

    def decorate(fn: Callable[..., Any]) -> ItemAsset:
        where = named(fn, table.name)
        if table.item is None:
            raise DeclarationError(f"{where}: table {table.name} is of no kind of item; name one.")
        parameters = inspect.signature(fn).parameters.values()
        positional = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        if not positional:
            raise DeclarationError(
                f"{where} takes no item; its first parameter must be the {table.item.name}."
            )
        given = {role.name for role in roles}
        given |= ({RECORD} if reads else set()) | ({MODEL} if model else set())
        takes_objects = any(p.name == OBJECTS for p in parameters)
        return ItemAsset(
            fn=fn,
            name=table.name,
            tables=keyed([table], [ITEM, FINGERPRINT, *([CHECKPOINT] if model else [])]),
            items=(table.item,),
            group=group,
            code_version=code_version,
            bundle=bundle or f"{table.item.name}_{group}",
            upstream=tuple(p.name for p in positional[1:]),
            optional_upstream=frozenset(p.name for p in positional[1:] if p.default is None),
            parameters=keyword_parameters(fn, given | ({OBJECTS} if takes_objects else set()), where),
            roles=tuple(roles),
            reads=tuple(reads),
            model=model,
            takes_objects=takes_objects,
            batch_size=batch_size,
            time_limit_s=time_limit_s,
            memory_limit_gib=memory_limit_gib,
            pool=pool,
            kinds=frozenset(kinds),
            owners=tuple(owners),
        )

    return decorate
