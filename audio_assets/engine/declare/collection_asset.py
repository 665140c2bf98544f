"""`collection_asset`: a function of all items together becomes an asset, e.g. a split or a statistic.

The function takes a `Collection`, from which it reads upstream tables, and returns the rows of its
tables. It is computed again when any upstream value has changed. Keyword-only parameters with defaults
are part of the fingerprint, as those of item assets are.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from audio_assets.engine.code.state import CodeState, code_state
from audio_assets.engine.declare.item_asset import Recipe
from audio_assets.engine.declare.tables import Item, ItemKind, ResultTable
from audio_assets.resources.lake import Lake

if TYPE_CHECKING:
    import polars as pl

EVERY_ITEM = "*"
"""Stands in the ledger in the place of an item."""

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Collection:
    """All items of a kind, and their upstream values as of one lake snapshot."""

    name: str
    items: Mapping[str, Item]
    upstream: Sequence[str]
    snapshot: int
    lake: Lake

    def rows(self, table: str) -> pl.DataFrame:
        """The rows of an upstream table, those of items that are still in the catalog, in their order.

        Raises:
            ValueError: the table is not declared upstream, so a change of it would not be noticed.
        """
        if table not in self.upstream:
            raise ValueError(f"{self.name} reads {table}, which is not among its upstream assets.")
        with self.lake.get_connection() as connection:
            rows = connection.execute(f'SELECT * FROM "{table}" AT (VERSION => {self.snapshot})').pl()
        if "item" not in rows.columns:
            return rows
        return rows.filter(rows["item"].is_in(list(self.items))).sort("item", maintain_order=True)


@dataclass(frozen=True)
class CollectionAsset:
    """An asset computed from all items of a kind; made by the `collection_asset` decorator."""

    fn: Callable[..., Mapping[str, Rows]]
    item: ItemKind
    upstream: tuple[str, ...]
    tables: tuple[ResultTable, ...]
    group: str
    code_version: str
    reads: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, *args: Any, **kwargs: Any) -> Mapping[str, Rows]:
        return self.fn(*args, **kwargs)

    @property
    def name(self) -> str:
        """The asset's name, which is its first table's."""
        return self.tables[0].name

    @property
    def reference(self) -> tuple[str, str]:
        """Module and name of the function."""
        return self.fn.__module__, self.fn.__qualname__

    @property
    def description(self) -> str:
        """The first table's text, else the function's docstring."""
        return self.tables[0].doc or inspect.getdoc(self.fn) or ""

    @cached_property
    def code(self) -> CodeState:
        """The code behind the asset."""
        return code_state([self.fn])

    def recipe(self, parameters: Mapping[str, Any]) -> Recipe:
        """How it is computed with these settings.

        Raises:
            ValueError: `parameters` names one that the asset does not have.
        """
        unknown = sorted(set(parameters) - set(self.parameters))
        if unknown:
            raise ValueError(
                f"AUDIO_ASSETS_PARAMETERS sets {', '.join(unknown)} of {self.name}, which has the "
                f"parameters {', '.join(sorted(self.parameters)) or 'none'}."
            )
        columns = [(f"{t.name}.{c.name}", c.sql_type) for t in self.tables for c in t.columns]
        return Recipe(
            asset=self.name,
            code_version=self.code_version,
            parameters_json=json.dumps({**self.parameters, **parameters}, sort_keys=True),
            backend=None,
            revision=None,
            licence=None,
            columns=tuple(sorted(columns)),
        )


def collection_asset(
    *,
    item: ItemKind,
    upstream: Sequence[str],
    tables: Sequence[ResultTable],
    group: str,
    code_version: str,
    reads: Sequence[str] = (),
) -> Callable[[Callable[..., Mapping[str, Rows]]], CollectionAsset]:
    """Make a function a collection asset; its name must be that of its first table.

    `upstream` names item assets, or collection assets, of the same kind of item; `reads` columns of the
    catalog that the rows depend on besides. The function returns the rows of each table by its name.

    Raises:
        ValueError: the function's name or signature does not fit; the message says how.
    """

    def decorate(fn: Callable[..., Mapping[str, Rows]]) -> CollectionAsset:
        where = f"{fn.__module__}.{fn.__qualname__}"
        if fn.__name__ != tables[0].name:
            raise ValueError(f"{where} fills table {tables[0].name!r}; give both the same name.")
        keyword = [p for p in inspect.signature(fn).parameters.values() if p.kind is p.KEYWORD_ONLY]
        missing = [p.name for p in keyword if p.default is p.empty]
        if missing:
            raise ValueError(f"{where}: parameter {', '.join(missing)} needs a default.")
        return CollectionAsset(
            fn=fn,
            item=item,
            upstream=tuple(upstream),
            tables=tuple(tables),
            group=group,
            code_version=code_version,
            reads=tuple(reads),
            parameters={p.name: p.default for p in keyword},
        )

    return decorate
