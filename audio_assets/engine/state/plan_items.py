"""Planning values per item: each is compared with what it would be made from now."""

from __future__ import annotations

from audio_assets.engine.declare.item_asset import ItemAsset
from audio_assets.engine.declare.outcomes import Outcome
from audio_assets.engine.state.plan_states import PlanStates
from audio_assets.engine.state.plan_tables import (
    NOTHING,
    list_hash,
    outcome_number,
    sized,
    state_number,
    why_number,
)
from audio_assets.engine.state.plans import AssetPlan
from audio_assets.engine.state.states import State, Why
from audio_assets.resources.lake import quote


class ItemPlans(PlanStates):
    """Plans of item assets, upstream first; what is to be computed is in `plan_todo`."""

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
