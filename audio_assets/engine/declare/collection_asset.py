"""`collection_asset`: a function of all items together becomes an asset, e.g. a split or a statistic.

The function takes a `Collection`, from which it reads upstream tables, and returns the rows of its
tables. It is computed again when any upstream value has changed. Keyword-only parameters are roles, or have
defaults and are part of the fingerprint, as those of item assets are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from audio_assets.engine.declare.asset import (
    Asset,
    DeclarationError,
    keyed,
    keyword_parameters,
    named,
)
from audio_assets.engine.declare.roles import Role
from audio_assets.engine.declare.tables import FINGERPRINT, Item, ItemKind, Table, rows_at
from audio_assets.resources.lake import Lake

if TYPE_CHECKING:
    import polars as pl

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Collection:
    """All items of a kind, and their upstream values as of one lake snapshot.

    `checkpoints` has, of upstream tables with values by checkpoint, the one whose values are read.
    """

    name: str
    items: Mapping[str, Item]
    upstream: Sequence[str]
    snapshot: int
    lake: Lake
    checkpoints: Mapping[str, str] = field(default_factory=dict)

    def rows(self, table: str) -> pl.DataFrame:
        """The rows of an upstream table, those of items that are still in the catalog, in their order.

        Raises:
            DeclarationError: the table is not declared upstream, so a change of it would not be noticed.
        """
        if table not in self.upstream:
            raise DeclarationError(
                f"{self.name} reads {table}, which is not among its upstream assets "
                f"({', '.join(self.upstream) or 'none'}): name it there."
            )
        with self.lake.get_connection() as connection:
            rows = connection.execute(rows_at(table, self.snapshot, self.checkpoints.get(table))).pl()
        if "item" not in rows.columns:
            return rows
        return rows.filter(rows["item"].is_in(list(self.items))).sort("item", maintain_order=True)


@dataclass(frozen=True, kw_only=True, eq=False)
class CollectionAsset(Asset):
    """An asset computed from all items of a kind; made by the `collection_asset` decorator."""

    @property
    def item(self) -> ItemKind:
        """The kind of item it is computed from."""
        return self.items[0]


def collection_asset(
    *,
    item: ItemKind,
    upstream: Sequence[str],
    tables: Sequence[Table],
    group: str,
    code_version: str,
    optional: Sequence[str] = (),
    reads: Sequence[str] = (),
    roles: Sequence[Role] = (),
    time_limit_s: float | None = None,
    memory_limit_gib: float | None = None,
    kinds: Sequence[str] = (),
    owners: Sequence[str] = (),
) -> Callable[[Callable[..., Mapping[str, Rows]]], CollectionAsset]:
    """Make a function a collection asset; its name must be that of its first table.

    `upstream` names item assets, or collection assets, of the same kind of item: while one of them has no value at
    all, the asset waits, but for those named in `optional` too. `reads` names columns of the catalog that the
    rows depend on besides. The function returns the rows of each table by its name. A worker runs it, within the
    limits if there are any.

    Raises:
        DeclarationError: the function's name or signature does not fit; the message says how.
    """

    def decorate(fn: Callable[..., Mapping[str, Rows]]) -> CollectionAsset:
        where = named(fn, tables[0].name)
        several = [replace(table, rows="many") for table in tables]
        return CollectionAsset(
            fn=fn,
            name=tables[0].name,
            tables=keyed(several, [FINGERPRINT]),
            items=(item,),
            upstream=tuple(upstream),
            optional_upstream=frozenset(optional),
            group=group,
            code_version=code_version,
            reads=tuple(reads),
            roles=tuple(roles),
            time_limit_s=time_limit_s,
            memory_limit_gib=memory_limit_gib,
            parameters=keyword_parameters(fn, {role.name for role in roles}, where),
            kinds=frozenset(kinds),
            owners=tuple(owners),
        )

    return decorate
