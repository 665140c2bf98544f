"""Planning values of all items together: collections and trainings, of which a value stands for all items."""

from __future__ import annotations

from collections.abc import Sequence

from audio_assets.engine.declare.asset import Asset
from audio_assets.engine.declare.item_asset import ItemAsset
from audio_assets.engine.declare.outcomes import Outcome
from audio_assets.engine.declare.training_asset import TrainingAsset
from audio_assets.engine.state.checkpoints import TRAINING_ITEMS
from audio_assets.engine.state.plan_states import PlanStates
from audio_assets.engine.state.plan_tables import (
    STATES,
    WHOLE,
    WHYS,
    boolean,
    list_hash,
    literal,
    outcome_number,
    sized,
)
from audio_assets.engine.state.plans import AssetPlan, TrainingItem, whole_fingerprint
from audio_assets.engine.state.states import State, Why
from audio_assets.resources.lake import quote


class WholePlans(PlanStates):
    """Plans of collections and trainings, upstream first."""

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
