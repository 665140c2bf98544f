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

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from audio_assets.engine.declare.asset import Asset
from audio_assets.engine.declare.item_asset import ItemAsset
from audio_assets.engine.declare.outcomes import Outcome
from audio_assets.engine.declare.training_asset import TrainingAsset
from audio_assets.engine.state.checkpoints import TRAINING_ITEMS
from audio_assets.engine.state.ledger import DEATHS_TO_QUARANTINE
from audio_assets.engine.state.plan_tables import (
    NOTHING,
    STATES,
    WHOLE,
    WHYS,
    PlanTables,
    boolean,
    list_hash,
    literal,
    outcome_number,
    sized,
    state_number,
    why_number,
)
from audio_assets.engine.state.plans import Amount, AssetPlan, Plan, Question, TrainingItem, whole_fingerprint
from audio_assets.engine.state.states import State, Why
from audio_assets.resources.lake import Lake, quote

MEMORY = "2GiB"
"""What DuckDB may hold while it plans."""


def make_plan(lake: Lake, question: Question, keep: Path | None = None) -> Plan:
    """Answer the question. With `keep` the values per item to compute are written into that folder.

    There is a Parquet file for each bundle, largest items first: asset, item, fingerprint, the upstream
    fingerprints in the asset's order, and the workers that died of it so far.
    """
    if not question.selected:
        return Plan(lake.snapshot(), {})
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


def read_training(lake: Lake, question: Question) -> tuple[AssetPlan, list[TrainingItem]]:
    """Where the one training that the question selects stands, and the items that are ready for it."""
    with lake.get_connection() as connection, _bounded(connection):
        planning = _Planning(connection, question)
        (part,) = planning.plan(None).assets.values()
        return part, planning.training_items(part.asset)


class _Planning(PlanTables):
    """One answer in the making: the assets are gone through, upstream first."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, question: Question) -> None:
        super().__init__(connection, question)
        self._deferred: set[str] = set()
        self._later: dict[str, int] = {}
        self._whole: dict[str, str | None] = {}

    def plan(self, keep: Path | None) -> Plan:
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
        parts = [sized(quote(recipe.digest if recipe else "")), sized("i.content_hash")]
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
                SELECT i.id, i.size, {waits} AS waits, {list_hash(parts)} AS expected FROM i{joins}
            ), compared AS (
                SELECT m.id, m.size, m.waits, CASE WHEN m.waits IS NULL THEN m.expected END AS expected,
                    e.* EXCLUDE (id, changed),
                    CASE e.changed WHEN {NOTHING} THEN {why_number(Why.UPSTREAM)} ELSE e.changed END AS changed
                FROM made AS m LEFT JOIN ({entries}) AS e ON e.id = m.id
            )
            {self._judged(asset)}
            """
        )
        return self._with_fine(self._take(asset))

    def _with_fine(self, part: AssetPlan) -> AssetPlan:
        """The part, with the items that need no closer look."""
        for outcome, state in ((Outcome.OK, State.OK), (Outcome.NOT_APPLICABLE, State.NOT_APPLICABLE)):
            count = self._fine.get((self._number[part.asset], outcome_number(outcome)), 0)
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
                    WHEN fp IS NULL THEN {state_number(State.MISSING)}
                    WHEN outcome = {outcome_number(Outcome.QUARANTINED)} THEN {state_number(State.QUARANTINED)}
                    WHEN expected IS NULL OR expected <> fp THEN {state_number(State.STALE)}
                    WHEN outcome = {outcome_number(Outcome.FAILED)} THEN {state_number(State.FAILED)}
                    WHEN NOT same_code THEN {state_number(State.DRIFTED)}
                    WHEN outcome = {outcome_number(Outcome.OK)} THEN {state_number(State.OK)}
                    ELSE {state_number(State.NOT_APPLICABLE)} END)::UTINYINT AS state
                FROM compared
            ), decided AS (
                SELECT *, (CASE state
                    WHEN {state_number(State.MISSING)} THEN {why_number(Why.NEW)}
                    WHEN {state_number(State.STALE)} THEN changed
                    WHEN {state_number(State.FAILED)} THEN {why_number(Why.RETRY)}
                    WHEN {state_number(State.DRIFTED)} THEN {why_number(Why.DRIFTED)}
                    ELSE {why_number(Why.ASKED)} END)::UTINYINT AS why,
                    expected IS NOT NULL AND NOT coalesce(is_tried AND fp = expected, false) AND CASE state
                        WHEN {state_number(State.MISSING)} THEN true
                        WHEN {state_number(State.STALE)} THEN true
                        WHEN {state_number(State.QUARANTINED)} THEN false
                        WHEN {state_number(State.FAILED)} THEN {retried}
                        WHEN {state_number(State.DRIFTED)} THEN {boolean(options.drifted or options.everything)}
                        ELSE {boolean(options.everything)} END AS compute
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
                f"compute OR state <> {state_number(State.NOT_APPLICABLE)} AS is_ok FROM plan_now WHERE fp IS NOT NULL "
                f"AND (compute OR state NOT IN ({state_number(State.FAILED)}, {state_number(State.QUARANTINED)}))"
            )
        return part

    def _counted(self, asset: Asset) -> AssetPlan:
        part = AssetPlan(asset.name)
        counted = self._rows(
            "SELECT state, why, compute, waits, count(*), sum(size) FROM plan_now GROUP BY ALL ORDER BY ALL"
        )
        for state_n, why_n, compute, waits, count, size in counted:
            state, why = STATES[state_n], WHYS[why_n]
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
            f"(SELECT id, fp, outcome = {outcome_number(Outcome.OK)} AS is_ok FROM plan_close "
            f"WHERE asset = {number} AND NOT is_other AND outcome <= {outcome_number(Outcome.NOT_APPLICABLE)})"
        )

    def _current_of_all(self, name: str) -> str:
        """The same of all items."""
        number = self._number[name]
        fine = (
            "SELECT e.id, format('{:016x}{:016x}', high, low) AS fp, "
            f"outcome = {outcome_number(Outcome.OK)} AS is_ok FROM (FROM plan_entries WHERE asset = {number}) AS e "
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
                SELECT i.rowid::UINTEGER AS id, {size!r}::DOUBLE AS size, {literal(waits)} AS waits,
                    {literal(expected)} AS expected, e.* EXCLUDE (id)
                FROM plan_items AS i
                LEFT JOIN (
                    SELECT * FROM plan_close WHERE asset = {self._number[asset.name]}
                    AND NOT ({boolean(is_training and self._waits_for_adoption(asset, expected))}
                        AND fp IS NOT DISTINCT FROM {literal(expected)})
                    QUALIFY row_number() OVER (
                        ORDER BY fp IS NOT DISTINCT FROM {literal(expected)} DESC, {latest}
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
        parts = [sized("i.item"), sized("i.content_hash")]
        if asset.reads:
            parts.append(sized(f"i.reads_{self._reads[asset.reads]}"))
        parts += [sized(f"u{n}.fp") for n in range(len(per_item))]
        found = "".join(f", u{n}.fp IS NOT NULL OR NULL AS found_{n}" for n in range(len(per_item)))
        listed = (
            ", ".join(f"u{n}.fp" for n in range(len(per_item))) if isinstance(asset, TrainingAsset) else ""
        )
        kinds = ", ".join(str(self._kinds.index(kind)) for kind in asset.items)
        return f"""
            CREATE OR REPLACE TEMP TABLE plan_data AS
            SELECT i.item, i.size, {list_hash(parts)} AS digest, [{listed}]::VARCHAR[] AS upstream{found}
            FROM (SELECT rowid AS id, * FROM plan_items WHERE kind IN ({kinds})) AS i{joins}
            WHERE {fitting}"""

    def _whole_value(self, name: str) -> str | None:
        """The fingerprint there will be of an upstream value of all items together; None: there is none."""
        if name in self._question.selected:
            return self._whole[name]
        good = f"outcome <= {outcome_number(Outcome.NOT_APPLICABLE)}"
        rows = self._rows(f"SELECT fp FROM plan_close WHERE asset = {self._number[name]} AND {good}")
        return str(rows[0][0]) if rows else None

    def _waits_for_adoption(self, asset: Asset, expected: str | None) -> bool:
        """Whether what would be trained now is there, and need only be adopted: its entries do not count then."""
        made = self._rows(
            f"SELECT checkpoint, is_other FROM plan_close WHERE asset = {self._number[asset.name]} "
            f"AND outcome = {outcome_number(Outcome.OK)} AND fp = {literal(expected)} ORDER BY computed_at DESC"
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
