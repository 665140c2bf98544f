"""All item assets together: their order, their bundles, their recipes."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import TypeVar

from audio_assets.engine.code.state import CodeState
from audio_assets.engine.declare.collection_asset import CollectionAsset
from audio_assets.engine.declare.item_asset import ItemAsset, Recipe
from audio_assets.engine.declare.roles import Player, Role
from audio_assets.engine.declare.tables import ItemKind
from audio_assets.engine.declare.training_asset import TrainingAsset
from audio_assets.errors import UserError
from audio_assets.settings import Settings

Found = TypeVar("Found", ItemAsset, CollectionAsset, TrainingAsset)


class GraphError(UserError, ValueError):
    """The item assets do not fit together; the message names them."""


@dataclass(frozen=True)
class Bundle:
    """Assets computed together, in order: an item is opened once for all of them."""

    name: str
    assets: tuple[ItemAsset, ...]

    @property
    def item(self) -> ItemKind:
        """The kind of item they are computed on."""
        return self.assets[0].item

    @property
    def pool(self) -> str | None:
        """The Dagster pool that limits how many run at once."""
        return next((asset.pool for asset in self.assets if asset.pool), None)


@dataclass(frozen=True)
class AssetGraph:
    """The item assets of the platform, upstream before downstream."""

    assets: tuple[ItemAsset, ...]

    @classmethod
    def of(cls, assets: Iterable[ItemAsset]) -> AssetGraph:
        """Order `assets` and check that they fit together.

        Raises:
            GraphError: two of one name, an unknown upstream, a circle, a mixed bundle.
        """
        by_name: dict[str, ItemAsset] = {}
        for asset in assets:
            other = by_name.setdefault(asset.name, asset)
            if other.reference != asset.reference:
                raise GraphError(
                    f"{'.'.join(other.reference)} and {'.'.join(asset.reference)} are both named "
                    f"{asset.name}; rename one."
                )
        for asset in by_name.values():
            for name in asset.upstream:
                if name not in by_name:
                    raise GraphError(
                        f"{'.'.join(asset.reference)} asks for {name!r}, which is no item asset. "
                        f"There are {', '.join(sorted(by_name))}."
                    )
                if by_name[name].item is not asset.item:
                    raise GraphError(
                        f"{asset.name} is computed per {asset.item.name}, its upstream {name} per "
                        f"{by_name[name].item.name}."
                    )
        try:
            order = list(TopologicalSorter({a.name: a.upstream for a in by_name.values()}).static_order())
        except CycleError as error:
            raise GraphError(f"Item assets depend on each other: {' → '.join(error.args[1])}.") from error
        graph = cls(tuple(by_name[name] for name in order))
        graph._check_bundles()
        return graph

    @cached_property
    def by_name(self) -> Mapping[str, ItemAsset]:
        """The assets by name."""
        return {asset.name: asset for asset in self.assets}

    @cached_property
    def kinds(self) -> tuple[ItemKind, ...]:
        """The kinds of items that assets are computed on."""
        return tuple({asset.item.name: asset.item for asset in self.assets}.values())

    @cached_property
    def bundles(self) -> tuple[Bundle, ...]:
        """The bundles, upstream before downstream."""
        members: dict[str, list[ItemAsset]] = {}
        for asset in self.assets:
            members.setdefault(asset.bundle, []).append(asset)
        needs = {
            name: {self.by_name[u].bundle for a in assets for u in a.upstream} - {name}
            for name, assets in members.items()
        }
        order = TopologicalSorter(needs).static_order()
        return tuple(Bundle(name, tuple(members[name])) for name in order)

    def _check_bundles(self) -> None:
        try:
            bundles = self.bundles
        except CycleError as error:
            raise GraphError(
                f"Bundles depend on each other ({' → '.join(error.args[1])}); give some of their assets "
                "a bundle of their own."
            ) from error
        for bundle in bundles:
            names = ", ".join(asset.name for asset in bundle.assets)
            if len({(asset.item.name, asset.batch_size) for asset in bundle.assets}) > 1:
                raise GraphError(
                    f"Bundle {bundle.name} mixes item kinds or batch sizes ({names}); give some a bundle of "
                    "their own."
                )
            if len({asset.pool for asset in bundle.assets} - {None}) > 1:
                raise GraphError(
                    f"Bundle {bundle.name} mixes pools ({names}); give some a bundle of their own."
                )

    def recipes(self, settings: Settings, others: Iterable[str] = ()) -> dict[str, Recipe]:
        """How each asset is computed under `settings`, which may have parameters for `others` too.

        Raises:
            GraphError: the settings name an asset or a parameter that there is not.
        """
        known = {*self.by_name, *others}
        unknown = sorted(set(settings.parameters) - known)
        if unknown:
            raise GraphError(
                f"AUDIO_ASSETS_PARAMETERS names {', '.join(unknown)}, which is no asset. "
                f"There are {', '.join(sorted(known))}."
            )
        choices = self.choices(settings)
        try:
            return {
                asset.name: asset.recipe(settings.parameters.get(asset.name, {}), choices)
                for asset in self.assets
            }
        except ValueError as error:
            raise GraphError(str(error)) from error

    def code(self, settings: Settings) -> CodeStates:
        """The code behind each asset and all its upstream assets under `settings`."""
        return CodeStates(self, self.choices(settings))

    @cached_property
    def roles(self) -> Mapping[str, Role]:
        """The roles that assets need played, by name."""
        return {role.name: role for asset in self.assets for role in asset.roles}

    def choices(self, settings: Settings) -> dict[str, Player]:
        """Who plays each role."""
        return {name: role.player(settings) for name, role in self.roles.items()}


class CodeStates(dict[str, CodeState]):
    """The code behind assets by name, read when first asked for: most runs ask for few assets."""

    def __init__(self, graph: AssetGraph, choices: Mapping[str, Player]) -> None:
        super().__init__()
        self._graph = graph
        self._choices = choices

    def __missing__(self, name: str) -> CodeState:
        asset = self._graph.by_name[name]
        self[name] = state = asset.code(self._choices).after(self[source] for source in asset.upstream)
        return state


def order_collections(
    collections: Iterable[CollectionAsset], graph: AssetGraph
) -> tuple[CollectionAsset, ...]:
    """Collection assets, upstream before downstream.

    Raises:
        GraphError: two of one name, an unknown upstream, one of another kind of item, a circle.
    """
    by_name: dict[str, CollectionAsset] = {}
    for asset in collections:
        if asset.name in graph.by_name or by_name.setdefault(asset.name, asset) is not asset:
            raise GraphError(f"{'.'.join(asset.reference)} has a name that is taken: {asset.name}.")
    for asset in by_name.values():
        for name in asset.upstream:
            upstream = graph.by_name.get(name) or by_name.get(name)
            if upstream is None or upstream.item is not asset.item:
                raise GraphError(
                    f"{'.'.join(asset.reference)} asks for {name!r}, which is "
                    + ("no asset." if upstream is None else f"computed per {upstream.item.name}.")
                )
    needs = {a.name: [name for name in a.upstream if name in by_name] for a in by_name.values()}
    try:
        return tuple(by_name[name] for name in TopologicalSorter(needs).static_order())
    except CycleError as error:
        raise GraphError(f"Collection assets depend on each other: {' → '.join(error.args[1])}.") from error


def find_assets(modules: Sequence[str], kind: type[Found]) -> list[Found]:
    """The assets of `kind` that `modules` (packages with all they hold) define, in the order written."""
    found: dict[tuple[str, str], Found] = {}
    for name in modules:
        module = importlib.import_module(name)
        names = [name]
        if hasattr(module, "__path__"):
            walked = pkgutil.walk_packages(module.__path__, prefix=f"{name}.")
            names += sorted(info.name for info in walked)
        for part in names:
            for value in vars(importlib.import_module(part)).values():
                if isinstance(value, kind):
                    found.setdefault(value.reference, value)
    return list(found.values())
