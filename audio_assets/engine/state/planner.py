"""Planning: which values need computing, and why; a question to the lake that DuckDB answers.

The fingerprint of a value is a hash of its asset's recipe (name, code version, parameters, backends and their
revisions, columns), its item's sound, the columns of the catalog it reads and the fingerprints of its upstream
values; see `value_fingerprint`. A value of all items together has the same of every item, in the order of their
keys. A value whose fingerprint stands in the ledger with a good outcome is never computed again unasked.

Catalog and ledger are read once for all assets, as of one snapshot, into tables of numbers. Items whose every value
is what it would be made from now are told by sums over their entries; for the others the assets are gone
through, upstream first. Items never come to Python: the answer is counts, and files with a row for each value
to compute.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from audio_assets.engine.code.state import CodeState
from audio_assets.engine.declare.asset import EVERY_ITEM, Asset, Recipe, fingerprint
from audio_assets.engine.declare.graph import AssetGraph
from audio_assets.engine.declare.item_asset import ItemAsset
from audio_assets.engine.declare.outcomes import Outcome
from audio_assets.engine.declare.training_asset import TrainingAsset
from audio_assets.engine.state.catalog import text_table
from audio_assets.engine.state.checkpoints import TRAINING_ITEMS
from audio_assets.engine.state.ledger import DEATHS_TO_QUARANTINE, LEDGER
from audio_assets.engine.state.states import DEFAULT, RunOptions, State, Why
from audio_assets.resources.lake import Lake, quote, quoted

MEMORY = "2GiB"
OUTCOMES = tuple(Outcome)
STATES = tuple(State)
WHYS = tuple(Why)
TOLD = pa.schema(
    [
        *((name, pa.string()) for name in ("asset", "checkpoint", "shown", "recipe", "code_version")),
        *((name, pa.string()) for name in ("code_hash", "parameters_json", "backend", "revision")),
        *((name, pa.uint8()) for name in ("number", "kind", "reads")),
        ("is_training", pa.bool_()),
    ]
)
WHOLE = 255
"""The number in the place of a kind for values of all items together."""

NOTHING = 255
"""The number in the place of what has changed where nothing has, but perhaps an upstream value."""


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


def make_plan(lake: Lake, question: Question, keep: Path | None = None) -> Plan:
    """Answer the question. With `keep` the values per item to compute are written into that folder.

    There is a Parquet file for each bundle, largest items first: asset, item, fingerprint, the upstream
    fingerprints in the asset's order, and the workers that died of it so far.
    """
    with lake.get_connection() as connection, _bounded(connection):
        return _Planning(connection, question).plan(keep)


@contextmanager
def _bounded(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Let DuckDB hold no more than `MEMORY` within the block; the rest goes to its temporary folder."""
    connection.execute(f"SET memory_limit = {quote(MEMORY)}")
    try:
        yield
    finally:
        connection.execute("RESET memory_limit")


@dataclass(frozen=True)
class TrainingItem:
    """An item that a training learns from: the fingerprints of its values by asset, and the hash of it all."""

    item: str
    digest: str
    upstream: dict[str, str]


def read_training(lake: Lake, question: Question) -> tuple[AssetPlan, list[TrainingItem]]:
    """Where the one training that the question selects stands, and the items that are ready for it."""
    with lake.get_connection() as connection, _bounded(connection):
        planning = _Planning(connection, question)
        (part,) = planning.plan(None).assets.values()
        return part, planning.training_items(part.asset)


class _Planning:
    """One answer in the making: temporary tables of a connection that nobody else has."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, question: Question) -> None:
        self._connection = connection
        self._question = question
        self._snapshot = int(self._rows("SELECT id FROM lake.current_snapshot()")[0][0])
        wanted = set(question.selected)
        self._selected = [asset for asset in question.graph.assets if asset.name in wanted]
        needed = wanted | {u for asset in self._selected for u in asset.upstream}
        self._assets = [asset for asset in question.graph.assets if asset.name in needed]
        self._number = {asset.name: n for n, asset in enumerate(self._assets)}
        self._kinds = list({kind.name: kind for a in self._assets for kind in a.items}.values())
        self._is_upstream = {u for asset in self._selected for u in asset.upstream}
        self._reads = {
            reads: n for n, reads in enumerate(dict.fromkeys(a.reads for a in self._assets if a.reads))
        }
        wholes = [n for n, a in enumerate(self._assets) if not isinstance(a, ItemAsset)]
        self._wholes = f"{wholes}::UTINYINT[]"
        self._open = 0
        self._fine: dict[tuple[int, int], int] = {}
        self._deferred: set[str] = set()
        self._later: dict[str, int] = {}
        self._whole: dict[str, str | None] = {}

    def plan(self, keep: Path | None) -> Plan:
        self._read_catalog()
        self._read_ledger()
        self._screen()
        self._run(
            "CREATE OR REPLACE TEMP TABLE plan_todo "
            "(asset UTINYINT, id UINTEGER, size DOUBLE, fp VARCHAR, upstream VARCHAR[], deaths UTINYINT)"
        )
        parts = {}
        for asset in self._selected:
            if isinstance(asset, ItemAsset):
                parts[asset.name] = self._plan_items(asset)
            else:
                parts[asset.name] = self._plan_whole(asset)
        plan = Plan(self._snapshot, parts)
        if keep is not None:
            self._keep(keep)
        return plan

    # --- what is read, once ---

    def _read_catalog(self) -> None:
        """Items by number, with a hash of each set of columns that assets read."""
        items = self._question.items
        if items is not None:
            self._connection.register("plan_wanted", pa.table({"item": pa.array(items, pa.string())}))
        parts = [
            f"SELECT {WHOLE}::UTINYINT AS kind, {quote(EVERY_ITEM)} AS item, '' AS content_hash, "
            "0::UBIGINT AS content, 0::DOUBLE AS size"
        ]
        for number, kind in enumerate(self._kinds):
            reads = {n: r for r, n in self._reads.items() if any(kind in a.items for a in self._reading(r))}
            hashes = "".join(
                f", {_list_hash([_sized(_name('x', column)) for column in columns])} AS reads_{n}"
                for n, columns in reads.items()
            )
            size = _name("t", kind.size.column) if kind.size else "0"
            parts.append(
                f"SELECT {number}::UTINYINT AS kind, t.item, t.content_hash, hash(t.content_hash) AS content, "
                f"coalesce({size}, 0)::DOUBLE AS size{hashes} FROM {self._lake(kind.plural, 't')}"
                + (f" JOIN {self._lake(text_table(kind.plural), 'x')} USING (item)" if reads else "")
                + (" SEMI JOIN plan_wanted USING (item)" if items is not None else "")
            )
        self._run("CREATE OR REPLACE TEMP TABLE plan_items AS " + " UNION ALL BY NAME ".join(parts))

    def _reading(self, reads: tuple[str, ...]) -> list[Asset]:
        return [asset for asset in self._assets if asset.reads == reads]

    def _read_ledger(self) -> None:
        """Of every entry what planning needs, in numbers."""
        self._connection.register(
            "plan_recipes", pa.Table.from_pylist([*map(self._told, self._assets)], TOLD)
        )
        reads = "".join(f" WHEN {n} THEN i.reads_{n}" for n in self._reads.values())
        same_reads = f"l.reads_hash IS NOT DISTINCT FROM (CASE r.reads{reads} END)" if reads else "true"
        has_trainings = any(isinstance(asset, TrainingAsset) for asset in self._assets)
        more = ""
        if has_trainings:
            more = "".join(
                f", CASE WHEN r.is_training THEN l.{name} END AS {name}"
                for name in ("computed_at", "checkpoint")
            )
        self._run(
            f"""
            CREATE OR REPLACE TEMP TABLE plan_entries AS
            SELECT
                r.number AS asset,
                i.rowid::UINTEGER AS id,
                l.fingerprint_high AS high,
                l.fingerprint_low AS low,
                l.upstream_sum,
                (list_position({quoted(o.value for o in OUTCOMES)}, l.outcome) - 1)::UTINYINT AS outcome,
                least(l.deaths, 255)::UTINYINT AS deaths,
                l.code_hash = r.code_hash AS same_code,
                (CASE
                    WHEN l.recipe <> r.recipe THEN CASE
                        WHEN l.code_version <> r.code_version THEN {_number(Why.CODE)}
                        WHEN l.parameters_json <> r.parameters_json THEN {_number(Why.PARAMETERS)}
                        WHEN l.backend IS DISTINCT FROM r.backend OR l.revision IS DISTINCT FROM r.revision
                            THEN {_number(Why.WEIGHTS)}
                        ELSE {_number(Why.CODE)} END
                    WHEN r.kind = {WHOLE} THEN {_number(Why.UPSTREAM)}
                    WHEN hash(l.content_hash) <> i.content THEN {_number(Why.SOUND)}
                    WHEN NOT {same_reads} THEN {_number(Why.READS)}
                    ELSE {NOTHING}
                END)::UTINYINT AS changed,
                list_contains({quoted(sorted(self._question.options.tried))}, l.run_id) AS is_tried,
                l.checkpoint <> r.checkpoint AS is_other{more}
            FROM {self._lake(LEDGER.name, "l")}
            JOIN plan_recipes AS r ON l.asset = r.asset
            JOIN plan_items AS i ON l.item = i.item
            -- not as a condition that joins, or DuckDB would first join recipes with items
            WHERE i.kind::INTEGER - r.kind = 0
            AND (l.checkpoint = r.checkpoint OR l.checkpoint = r.shown OR r.is_training)
            """
        )

    def _screen(self) -> None:
        """Tell the items that need a closer look: those not all of whose values are there and up to date.

        An item does not if it has a good entry of every asset, each with nothing changed but perhaps upstream,
        and the fingerprints its entries were made from, added up, are those of its entries. (Sums of 64 bits
        of hashes agree by chance once in 10^19.)
        """
        fans = [sum(asset.name in a.upstream for a in self._selected) for asset in self._assets]
        weights = "".join(f" WHEN {n} THEN {fan}" for n, fan in enumerate(fans) if fan)
        owed = f"high::HUGEINT * (CASE asset{weights} ELSE 0 END)" if weights else "0::HUGEINT"
        chosen = [n for n, a in enumerate(self._assets) if a.name in self._question.selected]
        is_chosen = f"list_contains({chosen}::UTINYINT[], asset)"
        fits = f"outcome <= {_outcome(Outcome.NOT_APPLICABLE)} AND NOT is_other"
        per_kind = " ".join(
            f"WHEN {number} THEN {sum(isinstance(a, ItemAsset) and a.item is kind for a in self._assets)}"
            for number, kind in enumerate(self._kinds)
        )
        everything = _sql(self._question.options.everything)
        self._run(
            f"""
            CREATE OR REPLACE TEMP TABLE plan_open AS
            WITH summed AS (
                SELECT id, count(*) AS n,
                    bool_and({fits} AND (NOT {is_chosen} OR (same_code AND changed = {NOTHING}))) AS fits,
                    (sum(CASE WHEN {is_chosen} THEN upstream_sum::HUGEINT ELSE 0 END) - sum({owed}))
                        % 18446744073709551616::HUGEINT = 0 AS adds_up
                FROM plan_entries GROUP BY id
            )
            SELECT i.rowid::UINTEGER AS id FROM plan_items AS i LEFT JOIN summed AS s ON s.id = i.rowid
            WHERE i.kind <> {WHOLE} AND ({everything}
                OR NOT coalesce(s.fits AND s.adds_up AND s.n = (CASE i.kind {per_kind} END), false))
            """
        )
        self._open = int(self._rows("SELECT count(*) FROM plan_open")[0][0])
        fine = f"SELECT asset, outcome, count(*) FROM plan_entries AS e {self._of_others} GROUP BY ALL"
        self._fine = {(asset, outcome): count for asset, outcome, count in self._rows(fine)}
        self._run(
            "CREATE OR REPLACE TEMP TABLE plan_close AS SELECT e.*, "
            "format('{:016x}{:016x}', high, low) AS fp FROM plan_entries AS e "
            f"LEFT JOIN plan_open AS o USING (id) WHERE o.id IS NOT NULL OR list_contains({self._wholes}, asset)"
        )

    @property
    def _of_others(self) -> str:
        """SQL behind entries as ``e``: those of items that need no closer look."""
        return "ANTI JOIN plan_open AS o ON o.id = e.id" if self._open else ""

    def _told(self, asset: Asset) -> dict[str, Any]:
        recipe = self._question.recipes.get(asset.name)
        is_training = isinstance(asset, TrainingAsset)
        keyed = recipe.checkpoint if recipe and isinstance(asset, ItemAsset) else ""
        return {
            "asset": asset.name,
            "number": self._number[asset.name],
            "kind": self._kinds.index(asset.item) if isinstance(asset, ItemAsset) else WHOLE,
            "checkpoint": self._question.adopted.get(asset.name, "") if is_training else keyed,
            "shown": self._question.shown.get(asset.name, keyed),
            "recipe": recipe.digest if recipe else "",
            "code_version": asset.code_version,
            "code_hash": self._question.code[asset.name].digest,
            "parameters_json": recipe.parameters_json if recipe else "",
            "backend": recipe.backend if recipe else None,
            "revision": recipe.revision if recipe else None,
            "reads": self._reads.get(asset.reads, WHOLE),
            "is_training": is_training,
        }

    # --- values per item ---

    def _plan_items(self, asset: ItemAsset) -> AssetPlan:
        """Compare each item's entry with what its value would be made from now."""
        if not self._open:
            return self._with_fine(AssetPlan(asset.name))
        recipe = self._question.recipes.get(asset.name)
        sources = [(f"u{n}", name) for n, name in enumerate(asset.upstream)]
        joins = "".join(f" LEFT JOIN {self._current(name)} AS {u} ON {u}.id = i.id" for u, name in sources)
        absent = [f"CASE WHEN {u}.fp IS NULL THEN {quote(name)} END" for u, name in sources]
        if asset.model and (recipe is None or asset.model in self._deferred):
            absent.append(quote(asset.model))
        waits = f"nullif(concat_ws(', ', {', '.join(absent)}), '')" if absent else "NULL"
        parts = [_sized(quote(recipe.digest if recipe else "")), _sized("i.content_hash")]
        if asset.reads:
            parts.append(f"'32:' || i.reads_{self._reads[asset.reads]}")
        parts += [f"'32:' || {u}.fp" for u, _ in sources]
        entries = f"SELECT * FROM plan_close WHERE asset = {self._number[asset.name]}"
        if asset.model:
            entries += " QUALIFY row_number() OVER (PARTITION BY id ORDER BY is_other) = 1"
        self._run(
            f"""
            CREATE OR REPLACE TEMP TABLE plan_now AS
            WITH i AS (
                SELECT o.id, i.* FROM plan_items AS i JOIN plan_open AS o ON o.id = i.rowid
                WHERE i.kind = {self._kinds.index(asset.item)}
            ), made AS (
                SELECT i.id, i.size, {waits} AS waits, {_list_hash(parts)} AS expected FROM i{joins}
            ), compared AS (
                SELECT m.id, m.size, m.waits, CASE WHEN m.waits IS NULL THEN m.expected END AS expected,
                    e.* EXCLUDE (id, changed),
                    CASE e.changed WHEN {NOTHING} THEN {_number(Why.UPSTREAM)} ELSE e.changed END AS changed
                FROM made AS m LEFT JOIN ({entries}) AS e ON e.id = m.id
            )
            {self._judged(asset)}
            """
        )
        return self._with_fine(self._take(asset))

    def _with_fine(self, part: AssetPlan) -> AssetPlan:
        """The part, with the items that need no closer look."""
        for outcome, state in ((Outcome.OK, State.OK), (Outcome.NOT_APPLICABLE, State.NOT_APPLICABLE)):
            count = self._fine.get((self._number[part.asset], _outcome(outcome)), 0)
            if count:
                part.states[state] += count
                part.left[state] += count
        return part

    def _judged(self, asset: Asset) -> str:
        """SQL from `compared` to where each value stands, why it would be computed, and whether it is."""
        options = self._question.options
        keep_fp = "true" if asset.name in self._is_upstream else "compute"
        retried = f"deaths BETWEEN 1 AND {DEATHS_TO_QUARANTINE - 1}"
        if options.failed or options.everything:
            retried = "true"
        return f"""
            , judged AS (
                SELECT *, (CASE
                    WHEN fp IS NULL THEN {_state(State.MISSING)}
                    WHEN outcome = {_outcome(Outcome.QUARANTINED)} THEN {_state(State.QUARANTINED)}
                    WHEN expected IS NULL OR expected <> fp THEN {_state(State.STALE)}
                    WHEN outcome = {_outcome(Outcome.FAILED)} THEN {_state(State.FAILED)}
                    WHEN NOT same_code THEN {_state(State.DRIFTED)}
                    WHEN outcome = {_outcome(Outcome.OK)} THEN {_state(State.OK)}
                    ELSE {_state(State.NOT_APPLICABLE)} END)::UTINYINT AS state
                FROM compared
            ), decided AS (
                SELECT *, (CASE state
                    WHEN {_state(State.MISSING)} THEN {_number(Why.NEW)}
                    WHEN {_state(State.STALE)} THEN changed
                    WHEN {_state(State.FAILED)} THEN {_number(Why.RETRY)}
                    WHEN {_state(State.DRIFTED)} THEN {_number(Why.DRIFTED)}
                    ELSE {_number(Why.ASKED)} END)::UTINYINT AS why,
                    expected IS NOT NULL AND NOT coalesce(is_tried AND fp = expected, false) AND CASE state
                        WHEN {_state(State.MISSING)} THEN true
                        WHEN {_state(State.STALE)} THEN true
                        WHEN {_state(State.QUARANTINED)} THEN false
                        WHEN {_state(State.FAILED)} THEN {retried}
                        WHEN {_state(State.DRIFTED)} THEN {_sql(options.drifted or options.everything)}
                        ELSE {_sql(options.everything)} END AS compute
                FROM judged
            )
            SELECT id, size, waits, state, why, compute, coalesce(deaths, 0)::UTINYINT AS deaths,
                CASE WHEN {keep_fp} THEN expected END AS fp
            FROM decided"""

    def _take(self, asset: ItemAsset) -> AssetPlan:
        """Counts of `plan_now`; what is to be computed goes to the plan, what will be there to those downstream."""
        part = self._counted(asset)
        number = self._number[asset.name]
        sources = [(f"u{n}", name) for n, name in enumerate(asset.upstream)]
        if part.count:
            joins = "".join(f" JOIN {self._current(name)} AS {u} ON {u}.id = n.id" for u, name in sources)
            listed = ", ".join(f"{u}.fp" for u, _ in sources)
            self._run(
                f"INSERT INTO plan_todo SELECT {number}, n.id, n.size, n.fp, [{listed}]::VARCHAR[], n.deaths "
                f"FROM plan_now AS n{joins} WHERE n.compute"
            )
        if asset.name in self._is_upstream:
            self._run(
                f"CREATE OR REPLACE TEMP TABLE plan_current_{number} AS SELECT id, fp, "
                f"compute OR state <> {_state(State.NOT_APPLICABLE)} AS is_ok FROM plan_now WHERE fp IS NOT NULL "
                f"AND (compute OR state NOT IN ({_state(State.FAILED)}, {_state(State.QUARANTINED)}))"
            )
        return part

    def _counted(self, asset: Asset) -> AssetPlan:
        part = AssetPlan(asset.name)
        counted = self._rows(
            "SELECT state, why, compute, waits, count(*), sum(size) FROM plan_now GROUP BY ALL ORDER BY ALL"
        )
        for state_number, why_number, compute, waits, count, size in counted:
            state, why = STATES[state_number], WHYS[why_number]
            part.states[state] += count
            if compute:
                amount = part.todo.setdefault(why, Amount())
                amount.items += count
                amount.size += size
                continue
            part.left[state] += count
            if waits is not None:
                part.waiting[waits] += count
            elif state is State.STALE:
                part.stale[why] += count
        part.later = self._later[asset.name] = self._count_later(asset, part)
        return part

    def _count_later(self, asset: Asset, part: AssetPlan) -> int:
        """How many of those that wait do so for nothing but a training that is planned, or what hangs on one."""
        hangs_on = {name for name in asset.upstream if self._later.get(name)}
        trained = {asset.model} & self._deferred
        count = sum(n for waits, n in part.waiting.items() if {*waits.split(", ")} <= hangs_on | trained)
        # An upstream asset may also have no value of an item for good.
        return min([count, *(self._later[name] for name in hangs_on if isinstance(asset, ItemAsset))])

    def _current(self, name: str) -> str:
        """Of the items looked at closely the values there will be: id, fingerprint, whether it has rows."""
        number = self._number[name]
        if name in self._question.selected:
            return f"plan_current_{number}"
        return (
            f"(SELECT id, fp, outcome = {_outcome(Outcome.OK)} AS is_ok FROM plan_close "
            f"WHERE asset = {number} AND NOT is_other AND outcome <= {_outcome(Outcome.NOT_APPLICABLE)})"
        )

    def _current_of_all(self, name: str) -> str:
        """The same of all items."""
        number = self._number[name]
        fine = (
            "SELECT e.id, format('{:016x}{:016x}', high, low) AS fp, "
            f"outcome = {_outcome(Outcome.OK)} AS is_ok FROM (FROM plan_entries WHERE asset = {number}) AS e "
            f"{self._of_others}"
        )
        return (
            f"({fine} UNION ALL SELECT id, fp, is_ok FROM {self._current(name)})"
            if self._open
            else f"({fine})"
        )

    # --- values of all items together ---

    def _plan_whole(self, asset: Asset) -> AssetPlan:
        """The same for a collection or a training, whose only value stands for all items."""
        is_training = isinstance(asset, TrainingAsset)
        per_item = [n for n in asset.upstream if isinstance(self._question.graph.by_name[n], ItemAsset)]
        whole = [name for name in asset.upstream if name not in per_item]
        fitting = self._fitting(asset, per_item) if is_training else "true"
        self._run(self._data_sql(asset, per_item, fitting))
        counts = "".join(f", count(found_{n})" for n in range(len(per_item)))
        count, data, size, *found = self._rows(
            "SELECT count(*), left(sha256(coalesce(string_agg(digest, '' ORDER BY item), '')), 32), "
            f"coalesce(sum(size), 0){counts} FROM plan_data"
        )[0]
        there = dict(zip(per_item, found, strict=True))
        values = {name: self._whole_value(name) for name in whole}
        absent = [n for n in per_item if not there[n] and n not in asset.optional_upstream]
        absent += [n for n in whole if values[n] is None and n not in asset.optional_upstream]
        recipe = self._question.recipes.get(asset.name)
        if asset.model and (recipe is None or asset.model in self._deferred):
            absent.append(asset.model)
        waits = ", ".join(absent) or (None if count else " and ".join(kind.plural for kind in asset.items))
        if isinstance(asset, TrainingAsset) and count < asset.min_items:
            plurals = " and ".join(kind.plural for kind in asset.items)
            waits = (
                f"at least {asset.min_items} {plurals} with a value for all of "
                f"{', '.join(n for n in asset.upstream if n not in asset.optional_upstream)}; there are {count}"
            )
        latest = "is_tried DESC, same_code DESC, is_other, computed_at DESC" if is_training else "is_other"
        expected = None
        if waits is None and recipe is not None:
            expected = whole_fingerprint(recipe, data, [values[name] for name in whole])
        self._run(
            f"""
            CREATE OR REPLACE TEMP TABLE plan_now AS
            WITH compared AS (
                SELECT i.rowid::UINTEGER AS id, {size!r}::DOUBLE AS size, {_literal(waits)} AS waits,
                    {_literal(expected)} AS expected, e.* EXCLUDE (id)
                FROM plan_items AS i
                LEFT JOIN (
                    SELECT * FROM plan_close WHERE asset = {self._number[asset.name]}
                    AND NOT ({_sql(is_training and self._waits_for_adoption(asset, expected))}
                        AND fp IS NOT DISTINCT FROM {_literal(expected)})
                    QUALIFY row_number() OVER (
                        ORDER BY fp IS NOT DISTINCT FROM {_literal(expected)} DESC, {latest}
                    ) = 1
                ) AS e ON true
                WHERE i.kind = {WHOLE}
            )
            {self._judged(asset)}
            """
        )
        if isinstance(asset, TrainingAsset) and not self._trains_again(asset):
            self._run("UPDATE plan_now SET compute = false")
        part = self._counted(asset)
        part.fingerprint = expected
        if part.count and is_training:
            self._deferred.add(asset.name)
        bad = part.left[State.FAILED] + part.left[State.QUARANTINED]
        self._whole[asset.name] = None if bad else expected
        return part

    def training_items(self, name: str) -> list[TrainingItem]:
        """The items of `plan_data`, which must be that of the training `name`, in their order."""
        asset = self._question.graph.by_name[name]
        names = [n for n in asset.upstream if isinstance(self._question.graph.by_name[n], ItemAsset)]
        whole = {n: v for n in asset.upstream if n not in names and (v := self._whole_value(n)) is not None}
        return [
            TrainingItem(
                item, digest, {n: v for n, v in zip(names, values, strict=True) if v is not None} | whole
            )
            for item, digest, values in self._rows(
                "SELECT item, digest, upstream FROM plan_data ORDER BY item"
            )
        ]

    def _fitting(self, asset: Asset, per_item: Sequence[str]) -> str:
        """SQL that is true for items that have all they must have for a training to learn from them."""
        conditions = ["true"]
        for n, name in enumerate(per_item):
            if name not in asset.optional_upstream:
                kind = self._kinds.index(self._question.graph.by_name[name].items[0])
                conditions.append(f"(i.kind <> {kind} OR coalesce(u{n}.is_ok, false))")
        return " AND ".join(conditions)

    def _data_sql(self, asset: Asset, per_item: Sequence[str], fitting: str) -> str:
        joins = "".join(
            f" LEFT JOIN {self._current_of_all(name)} AS u{n} ON u{n}.id = i.id"
            for n, name in enumerate(per_item)
        )
        parts = [_sized("i.item"), _sized("i.content_hash")]
        if asset.reads:
            parts.append(_sized(f"i.reads_{self._reads[asset.reads]}"))
        parts += [_sized(f"u{n}.fp") for n in range(len(per_item))]
        found = "".join(f", u{n}.fp IS NOT NULL OR NULL AS found_{n}" for n in range(len(per_item)))
        listed = (
            ", ".join(f"u{n}.fp" for n in range(len(per_item))) if isinstance(asset, TrainingAsset) else ""
        )
        kinds = ", ".join(str(self._kinds.index(kind)) for kind in asset.items)
        return f"""
            CREATE OR REPLACE TEMP TABLE plan_data AS
            SELECT i.item, i.size, {_list_hash(parts)} AS digest, [{listed}]::VARCHAR[] AS upstream{found}
            FROM (SELECT rowid AS id, * FROM plan_items WHERE kind IN ({kinds})) AS i{joins}
            WHERE {fitting}"""

    def _whole_value(self, name: str) -> str | None:
        """The fingerprint there will be of an upstream value of all items together; None: there is none."""
        if name in self._question.selected:
            return self._whole[name]
        good = f"outcome <= {_outcome(Outcome.NOT_APPLICABLE)}"
        rows = self._rows(f"SELECT fp FROM plan_close WHERE asset = {self._number[name]} AND {good}")
        return str(rows[0][0]) if rows else None

    def _waits_for_adoption(self, asset: Asset, expected: str | None) -> bool:
        """Whether what would be trained now is there, and need only be adopted: its entries do not count then."""
        made = self._rows(
            f"SELECT checkpoint, is_other FROM plan_close WHERE asset = {self._number[asset.name]} "
            f"AND outcome = {_outcome(Outcome.OK)} AND fp = {_literal(expected)} ORDER BY computed_at DESC"
        )
        if not made or not all(is_other for _, is_other in made):
            return False
        return made[0][0] in self._question.adoptable

    def _trains_again(self, asset: TrainingAsset) -> bool:
        """Whether a training that would be computed is; data alone are not always reason enough."""
        options = self._question.options
        state, why = self._rows("SELECT state, why FROM plan_now")[0]
        if STATES[state] is not State.STALE or WHYS[why] is not Why.UPSTREAM:
            return True
        if asset.name in options.asked or options.everything:
            return True
        adopted = self._question.adopted.get(asset.name)
        if asset.retrain.share is None or adopted is None:
            return False
        return self._changed_share(adopted) >= asset.retrain.share

    def _changed_share(self, checkpoint: str) -> float:
        """The share of items that are new, gone or of other values than the checkpoint was trained on."""
        rows = self._rows(
            "SELECT count(*) FILTER (WHERE now.digest IS DISTINCT FROM old.digest) "
            "/ greatest(count(now.item), count(old.item), 1) FROM plan_data AS now FULL JOIN "
            f"(SELECT item, digest FROM {self._lake(TRAINING_ITEMS.name, 't')} "
            f"WHERE checkpoint = {quote(checkpoint)}) AS old "
            "USING (item)"
        )
        return float(rows[0][0])

    # --- what is kept ---

    def _keep(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        names = pa.table(
            {
                "number": pa.array(self._number.values(), pa.uint8()),
                "asset": pa.array(self._number.keys(), pa.string()),
            }
        )
        self._connection.register("plan_names", names)
        there = {number for (number,) in self._rows("SELECT DISTINCT asset FROM plan_todo")}
        for bundle in self._question.graph.bundles:
            numbers = [self._number[a.name] for a in bundle.assets if self._number.get(a.name) in there]
            if numbers:
                self._run(
                    "COPY (SELECT a.asset, i.item, t.fp AS fingerprint, t.upstream, t.deaths "
                    "FROM plan_todo AS t JOIN plan_items AS i ON i.rowid = t.id "
                    "JOIN plan_names AS a ON a.number = t.asset "
                    f"WHERE t.asset IN ({', '.join(map(str, numbers))}) ORDER BY t.size DESC, t.id, t.asset) "
                    f"TO {quote(str(folder / f'{bundle.name}.parquet'))} (FORMAT parquet)"
                )

    def _lake(self, table: str, alias: str) -> str:
        """A table of the lake as of the plan's snapshot."""
        return f'lake."{table}" AS {alias} AT (VERSION => {self._snapshot})'

    def _run(self, statement: str) -> None:
        self._connection.execute(statement)

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(query).fetchall()


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


def _sized(text: str) -> str:
    """SQL of a part of a list that is hashed, as `fingerprint` has it."""
    return f"coalesce(strlen({text}) || ':' || {text}, '-')"


def _name(table: str, column: str) -> str:
    return f'{table}."{column}"'


def _list_hash(parts: Sequence[str]) -> str:
    return f"left(sha256({' || '.join(parts)}), 32)"


def _literal(text: str | None) -> str:
    return "NULL::VARCHAR" if text is None else quote(text)


def _number(why: Why) -> int:
    return WHYS.index(why)


def _state(state: State) -> int:
    return STATES.index(state)


def _outcome(outcome: Outcome) -> int:
    return OUTCOMES.index(outcome)


def _sql(value: bool) -> str:
    return "true" if value else "false"
