"""What the planner reads, once for all assets: catalog and ledger, as of one snapshot, as tables of numbers.

Then the items whose every value is what it would be made from now are told by sums over their entries, so that
only the others have to be gone through asset by asset.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb
import pyarrow as pa

from audio_assets.engine.declare.asset import EVERY_ITEM, Asset
from audio_assets.engine.declare.item_asset import ItemAsset
from audio_assets.engine.declare.outcomes import Outcome
from audio_assets.engine.declare.training_asset import TrainingAsset
from audio_assets.engine.state.catalog import text_table
from audio_assets.engine.state.ledger import LEDGER
from audio_assets.engine.state.plans import Question
from audio_assets.engine.state.states import State, Why
from audio_assets.resources.lake import quote, quoted

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


class PlanTables:
    """Temporary tables of one answer in the making, on a connection that nobody else has.

    `plan_items` are the items by number, `plan_entries` their entries in numbers, `plan_open` the items that need a
    closer look, and `plan_close` the entries of these.
    """

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
        self._read_catalog()
        self._read_ledger()
        self._screen()

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
                f", {list_hash([sized(column('x', name)) for name in columns])} AS reads_{n}"
                for n, columns in reads.items()
            )
            size = column("t", kind.size.column) if kind.size else "0"
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
                        WHEN l.code_version <> r.code_version THEN {why_number(Why.CODE)}
                        WHEN l.parameters_json <> r.parameters_json THEN {why_number(Why.PARAMETERS)}
                        WHEN l.backend IS DISTINCT FROM r.backend OR l.revision IS DISTINCT FROM r.revision
                            THEN {why_number(Why.WEIGHTS)}
                        ELSE {why_number(Why.CODE)} END
                    WHEN r.kind = {WHOLE} THEN {why_number(Why.UPSTREAM)}
                    WHEN hash(l.content_hash) <> i.content THEN {why_number(Why.SOUND)}
                    WHEN NOT {same_reads} THEN {why_number(Why.READS)}
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
        fits = f"outcome <= {outcome_number(Outcome.NOT_APPLICABLE)} AND NOT is_other"
        per_kind = " ".join(
            f"WHEN {number} THEN {sum(isinstance(a, ItemAsset) and a.item is kind for a in self._assets)}"
            for number, kind in enumerate(self._kinds)
        )
        everything = boolean(self._question.options.everything)
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

    def _lake(self, table: str, alias: str) -> str:
        """A table of the lake as of the plan's snapshot."""
        return f'lake."{table}" AS {alias} AT (VERSION => {self._snapshot})'

    def _run(self, statement: str) -> None:
        self._connection.execute(statement)

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(query).fetchall()


def sized(text: str) -> str:
    """SQL of a part of a list that is hashed, as `fingerprint` has it."""
    return f"coalesce(strlen({text}) || ':' || {text}, '-')"


def column(table: str, name: str) -> str:
    """SQL of a column of a table."""
    return f'{table}."{name}"'


def list_hash(parts: Sequence[str]) -> str:
    """SQL of the hash of a list, as `fingerprint` has it."""
    return f"left(sha256({' || '.join(parts)}), 32)"


def literal(text: str | None) -> str:
    """SQL of a text, or of its absence."""
    return "NULL::VARCHAR" if text is None else quote(text)


def why_number(why: Why) -> int:
    """The number that stands for a reason."""
    return WHYS.index(why)


def state_number(state: State) -> int:
    """The number that stands for a state."""
    return STATES.index(state)


def outcome_number(outcome: Outcome) -> int:
    """The number that stands for an outcome."""
    return OUTCOMES.index(outcome)


def boolean(value: bool) -> str:
    """SQL of a truth value."""
    return "true" if value else "false"
