"""All assets together: their order, their bundles, their recipes."""

from __future__ import annotations

import importlib
import pkgutil
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from types import ModuleType

from audio_assets.engine.code.state import CodeState
from audio_assets.engine.declare.asset import Asset, DeclarationError, ParameterError, Recipe
from audio_assets.engine.declare.collection_asset import CollectionAsset
from audio_assets.engine.declare.item_asset import ItemAsset
from audio_assets.engine.declare.roles import Player, Role
from audio_assets.engine.declare.tables import ItemKind, Table
from audio_assets.engine.declare.training_asset import TrainingAsset
from audio_assets.errors import UserError
from audio_assets.settings import Settings


class GraphError(DeclarationError):
    """The assets do not fit together; the message names them."""


@dataclass(frozen=True)
class Bundle:
    """Item assets computed together, in order: an item is opened once for all of them."""

    name: str
    assets: tuple[ItemAsset, ...]

    @property
    def item(self) -> ItemKind:
        """The kind of item they are computed on."""
        return self.assets[0].item

    @property
    def pool(self) -> str | None:
        """The pool that limits how many compute at once on a machine."""
        return next((asset.pool for asset in self.assets if asset.pool), None)


@dataclass(frozen=True)
class AssetGraph:
    """The assets of the platform, upstream (and trained models) before what needs them."""

    assets: tuple[Asset, ...]

    @classmethod
    def of(cls, assets: Iterable[Asset]) -> AssetGraph:
        """Order `assets` and check that they fit together.

        Raises:
            GraphError: two of one name, an unknown upstream or model, one of another kind of item, a circle, a
                mixed bundle.
        """
        by_name: dict[str, Asset] = {}
        tables: dict[str, Asset] = {}
        for asset in assets:
            for name in {asset.name, *(table.name for table in asset.tables)}:
                other = tables.setdefault(name, asset)
                if other.reference != asset.reference:
                    raise GraphError(
                        f"{'.'.join(other.reference)} and {'.'.join(asset.reference)} are both named "
                        f"{name}; rename one."
                    )
            by_name[asset.name] = asset
        for asset in by_name.values():
            _check_upstream(asset, by_name)
        needs = {a.name: [*a.upstream, *([a.model] if a.model else [])] for a in by_name.values()}
        try:
            TopologicalSorter(needs).prepare()
        except CycleError as error:
            raise GraphError(f"Assets depend on each other: {' → '.join(error.args[1])}.") from error
        graph = cls(tuple(by_name[name] for name in _in_order(needs)))
        graph._check_bundles()
        return graph

    @cached_property
    def by_name(self) -> Mapping[str, Asset]:
        """The assets by name."""
        return {asset.name: asset for asset in self.assets}

    @cached_property
    def item_assets(self) -> tuple[ItemAsset, ...]:
        """Those computed per item."""
        return tuple(asset for asset in self.assets if isinstance(asset, ItemAsset))

    @cached_property
    def collections(self) -> tuple[CollectionAsset, ...]:
        """Those computed over all items."""
        return tuple(asset for asset in self.assets if isinstance(asset, CollectionAsset))

    @cached_property
    def trainings(self) -> tuple[TrainingAsset, ...]:
        """Those trained."""
        return tuple(asset for asset in self.assets if isinstance(asset, TrainingAsset))

    @cached_property
    def kinds(self) -> tuple[ItemKind, ...]:
        """The kinds of items that assets are computed on."""
        return tuple({kind.name: kind for asset in self.assets for kind in asset.items}.values())

    @cached_property
    def tables(self) -> Mapping[str, Table]:
        """The tables that assets fill, by name."""
        return {table.name: table for asset in self.assets for table in asset.tables}

    def item_asset(self, name: str) -> ItemAsset:
        """The item asset of a name."""
        asset = self.by_name[name]
        assert isinstance(asset, ItemAsset), name
        return asset

    def upstream_of(self, names: Iterable[str]) -> list[str]:
        """All assets upstream of `names`, however far, models aside; `names` themselves are not among them."""
        waiting = [u for name in names for u in self.by_name[name].upstream]
        found: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += self.by_name[name].upstream
        return [asset.name for asset in self.assets if asset.name in found]

    @cached_property
    def bundles(self) -> tuple[Bundle, ...]:
        """The bundles of item assets, upstream before downstream."""
        members: dict[str, list[ItemAsset]] = {}
        for asset in self.item_assets:
            members.setdefault(asset.bundle, []).append(asset)
        needs = {
            name: {self.item_asset(u).bundle for a in assets for u in a.upstream} - {name}
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
            if len({asset.model for asset in bundle.assets}) > 1:
                raise GraphError(
                    f"Bundle {bundle.name} mixes trained models ({names}); give some a bundle of their own."
                )

    def recipes(self, settings: Settings) -> dict[str, Recipe]:
        """How each asset is computed under `settings`; trained models are not looked up.

        Raises:
            ParameterError: the settings name an asset or a parameter that there is not.
        """
        unknown = sorted(set(settings.parameters) - set(self.by_name))
        if unknown:
            raise ParameterError(
                f"Parameters are set for {', '.join(unknown)}, which is no asset. "
                f"There are {', '.join(sorted(self.by_name))}."
            )
        choices = self.choices(settings)
        return {a.name: a.recipe(settings.parameters.get(a.name, {}), choices) for a in self.assets}

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


def _in_order(needs: Mapping[str, Sequence[str]]) -> Iterable[str]:
    """The names in the order given, but for what others need, which comes before them."""
    found: dict[str, None] = {}

    def add(name: str) -> None:
        if name not in found:
            for needed in needs[name]:
                add(needed)
            found[name] = None

    for name in needs:
        add(name)
    return found


def _check_upstream(asset: Asset, by_name: Mapping[str, Asset]) -> None:
    where = ".".join(asset.reference)
    for name in asset.upstream:
        upstream = by_name.get(name)
        if upstream is None:
            raise GraphError(
                f"{where} asks for {name!r}, which is no asset. There are {', '.join(sorted(by_name))}."
            )
        if isinstance(upstream, TrainingAsset) or (
            isinstance(asset, ItemAsset) and not isinstance(upstream, ItemAsset)
        ):
            raise GraphError(
                f"{where} asks for {name!r}, which has no value per item"
                + ("; a trained model is named by `model`." if isinstance(upstream, TrainingAsset) else ".")
            )
        if not set(upstream.items) & set(asset.items):
            raise GraphError(
                f"{asset.name} is computed per {_kinds(asset)}, its upstream {name} per {_kinds(upstream)}."
            )
    for name in asset.optional_upstream - set(asset.upstream):
        raise GraphError(f"{where} calls {name!r} optional, which is not upstream of it.")
    if asset.model is not None and not isinstance(by_name.get(asset.model), TrainingAsset):
        trainings = sorted(a.name for a in by_name.values() if isinstance(a, TrainingAsset))
        raise GraphError(
            f"{where} needs the model of {asset.model!r}, which is no training. "
            f"There are {', '.join(trainings) or 'none'}."
        )


def _kinds(asset: Asset) -> str:
    return " and ".join(kind.name for kind in asset.items)


class ModuleError(UserError, ImportError):
    """A module with assets cannot be imported; the message says why, and what to do."""


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except UserError:
        raise  # a declaration that does not fit says so itself
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise ModuleError(
                f"{_place(name, error)}: there is no module {error.name}. Install it."
            ) from error
        raise ModuleError(
            f"There is no module {name}, which AUDIO_ASSETS_MODULES or `modules` in audio-assets.toml names: "
            f"put {name.replace('.', '/')}.py into a folder of PYTHONPATH (`export PYTHONPATH=$PWD` for this one)."
        ) from error
    except Exception as error:
        raise ModuleError(f"{_place(name, error)}: {type(error).__name__}: {error}") from error


def _place(name: str, error: Exception) -> str:
    """Where in the module's own code, or what it imports, an import failed."""
    if isinstance(error, SyntaxError):
        return f"{name} cannot be imported ({error.filename}, line {error.lineno})"
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{name} cannot be imported ({last.filename}, line {last.lineno})"


def find_assets(modules: Sequence[str]) -> list[Asset]:
    """The assets that `modules` (packages with all they hold) define, in the order written.

    Raises:
        ModuleError: one cannot be imported.
    """
    found: dict[tuple[str, str], Asset] = {}
    for name in modules:
        module = _imported(name)
        names = [name]
        if hasattr(module, "__path__"):
            walked = pkgutil.walk_packages(module.__path__, prefix=f"{name}.")
            names += sorted(info.name for info in walked)
        for part in names:
            for value in vars(_imported(part)).values():
                if isinstance(value, Asset):
                    found.setdefault(value.reference, value)
    return list(found.values())
