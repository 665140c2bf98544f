"""Where values stand, whether they are computed and why: what is the same for values per item and of all items."""

from __future__ import annotations

import duckdb

from audio_assets.engine.declare.asset import Asset
from audio_assets.engine.declare.item_asset import ItemAsset
from audio_assets.engine.declare.outcomes import Outcome
from audio_assets.engine.state.ledger import DEATHS_TO_QUARANTINE
from audio_assets.engine.state.plan_tables import (
    STATES,
    WHYS,
    PlanTables,
    boolean,
    outcome_number,
    state_number,
    why_number,
)
from audio_assets.engine.state.plans import Amount, AssetPlan, Question
from audio_assets.engine.state.states import State, Why


class PlanStates(PlanTables):
    """States and counts of the asset in hand, and the values there will be of those before it.

    SQL of a subclass says in `compared` what each value would be made from now.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, question: Question) -> None:
        super().__init__(connection, question)
        self._deferred: set[str] = set()
        self._later: dict[str, int] = {}
        self._whole: dict[str, str | None] = {}

    def _judged(self, asset: Asset) -> str:
        """SQL from `compared` to where each value stands, why it would be computed, and whether it is."""
        options = self._question.options
        keep_fp = "true" if asset.name in self._is_upstream else "compute"
        retried = f"deaths BETWEEN 1 AND {DEATHS_TO_QUARANTINE - 1}"
        other = boolean(not options.only_failed)
        if options.failed or options.only_failed or options.everything:
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
                        WHEN {state_number(State.MISSING)} THEN {other}
                        WHEN {state_number(State.STALE)} THEN {other} OR outcome = {outcome_number(Outcome.FAILED)}
                        WHEN {state_number(State.QUARANTINED)} THEN false
                        WHEN {state_number(State.FAILED)} THEN {retried}
                        WHEN {state_number(State.DRIFTED)} THEN {boolean(options.drifted or options.everything)}
                        ELSE {boolean(options.everything)} END AS compute
                FROM judged
            )
            SELECT id, size, waits, state, why, compute, coalesce(deaths, 0)::UTINYINT AS deaths,
                CASE WHEN {keep_fp} THEN expected END AS fp
            FROM decided"""

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
