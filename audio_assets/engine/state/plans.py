"""Plans: what the planner is asked, what it answers, and the formulas of its fingerprints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from audio_assets.engine.code.state import CodeState
from audio_assets.engine.declare.asset import Recipe, fingerprint
from audio_assets.engine.declare.graph import AssetGraph
from audio_assets.engine.state.states import DEFAULT, RunOptions, State, Why


@dataclass
class Amount:
    """How many values, and the size of their items together, in the unit of the kind's size column."""

    items: int = 0
    size: float = 0.0


@dataclass
class AssetPlan:
    """One asset's part of a plan.

    `states` counts its items by where they stand, `todo` those to compute by reason, `left` those that are not
    computed by where they stand, `waiting` those that cannot be by what they wait for, `stale` those left alone
    though stale by what has changed. `later` are those among `waiting` that can be computed once a training of
    the same plan has ended, and what hangs on it; `fingerprint` is that of a value of all items together.
    """

    asset: str
    states: Counter[State] = field(default_factory=Counter)
    todo: dict[Why, Amount] = field(default_factory=dict)
    left: Counter[State] = field(default_factory=Counter)
    waiting: Counter[str] = field(default_factory=Counter)
    stale: Counter[Why] = field(default_factory=Counter)
    later: int = 0
    fingerprint: str | None = None

    @property
    def count(self) -> int:
        """How many values are to be computed."""
        return sum(amount.items for amount in self.todo.values())

    @property
    def size(self) -> float:
        """The size of their items."""
        return sum(amount.size for amount in self.todo.values())


@dataclass
class Plan:
    """What is to be computed of some assets, as of lake snapshot `snapshot`; upstream before downstream."""

    snapshot: int
    assets: dict[str, AssetPlan]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to compute."""
        return not any(part.count for part in self.assets.values())

    @property
    def needed(self) -> list[str]:
        """The assets that have something to compute."""
        return [name for name, part in self.assets.items() if part.count]

    def __getitem__(self, name: str) -> AssetPlan:
        return self.assets[name]


@dataclass(frozen=True)
class Question:
    """What the planner is told: the assets and how they are computed, and the items meant (None: all).

    `recipes` leaves out assets whose trained model there is none of. `adopted` names the adopted checkpoint of
    trainings, `adoptable` those that are to be adopted if they are what would be trained now, `shown` the
    checkpoint whose values the views show, for assets that have values of several.
    """

    graph: AssetGraph
    recipes: Mapping[str, Recipe]
    code: Mapping[str, CodeState]
    selected: Sequence[str]
    items: Sequence[str] | None = None
    options: RunOptions = DEFAULT
    adopted: Mapping[str, str] = field(default_factory=dict)
    adoptable: frozenset[str] = frozenset()
    shown: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainingItem:
    """An item that a training learns from: the fingerprints of its values by asset, and the hash of it all."""

    item: str
    digest: str
    upstream: dict[str, str]


def value_fingerprint(
    recipe: Recipe, content_hash: str, reads_hash: str | None, upstream: Sequence[str]
) -> str:
    """The fingerprint of an item's value, as the planner computes it; `reads_hash` where the asset reads."""
    return fingerprint([recipe.digest, content_hash, *([reads_hash] if reads_hash else []), *upstream])


def item_digest(item: str, content_hash: str, reads_hash: str | None, upstream: Sequence[str | None]) -> str:
    """One item's part in a value of all items together; `reads_hash` where the asset reads."""
    return fingerprint([item, content_hash, *([reads_hash] if reads_hash else []), *upstream])


def whole_fingerprint(recipe: Recipe, data: str, upstream: Sequence[str | None]) -> str:
    """The fingerprint of a value of all items together; `data` is the hash of all items' digests, by item."""
    return fingerprint([recipe.digest, data, *upstream])
