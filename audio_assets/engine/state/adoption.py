"""Adoption: which checkpoint of a training everything downstream of it uses.

A checkpoint made with the parameters in force is adopted when its training ends well, unless another is pinned, it
was made from fewer items than the adopted one, or the training's gate refuses it; what is not adopted is a
candidate until somebody adopts it. Adopting by hand pins. Values made by a checkpoint are kept beside those of the
one before; views show the last checkpoint whose values are complete.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb

from audio_assets.engine.declare.item_asset import ItemAsset
from audio_assets.engine.declare.tables import BOOLEAN, TEXT, TIMESTAMP, Column, Table
from audio_assets.engine.declare.training_asset import TrainingAsset
from audio_assets.engine.state.checkpoints import Checkpoint, checkpoints_of, checkpoints_of_trainings
from audio_assets.engine.state.ledger import LEDGER
from audio_assets.engine.state.rows import arrow_table, insert_rows
from audio_assets.resources.lake import Lake, quote

ADOPTIONS = Table(
    "adoptions",
    columns=(
        Column("asset", TEXT, doc="The training"),
        Column("checkpoint", TEXT, doc="See `checkpoints`"),
        Column("is_pinned", BOOLEAN, doc="Adopted by hand: no training takes its place by itself"),
        Column("adopted_at", TIMESTAMP, doc="When; the last one counts"),
    ),
    doc="Which checkpoint of each training was adopted when.",
    rows="many",
)

SHOWN = Table(
    "shown_checkpoints",
    columns=(
        Column("asset", TEXT, doc="An asset computed with a trained model"),
        Column("checkpoint", TEXT, doc="The checkpoint whose values its view shows"),
    ),
    doc="The last checkpoint whose values are complete, for each asset that is computed with one.",
    rows="many",
)


@dataclass(frozen=True)
class Adopted:
    """The checkpoint that is adopted now."""

    checkpoint: Checkpoint
    is_pinned: bool


def adopted_checkpoints(lake: Lake, trainings: Iterable[str]) -> dict[str, Adopted]:
    """The adopted checkpoint of each of `trainings` that has one."""
    wanted = set(trainings)
    if not wanted:
        return {}
    rows = lake.rows(
        f"SELECT asset, checkpoint, is_pinned FROM {ADOPTIONS.name} "
        "QUALIFY row_number() OVER (PARTITION BY asset ORDER BY adopted_at DESC) = 1"
    )
    found = {asset: (checkpoint, pinned) for asset, checkpoint, pinned in rows if asset in wanted}
    there = checkpoints_of(lake, [checkpoint for checkpoint, _ in found.values()])
    return {
        asset: Adopted(there[checkpoint], pinned)
        for asset, (checkpoint, pinned) in found.items()
        if checkpoint in there
    }


def shown_checkpoints(lake: Lake) -> dict[str, str]:
    """The checkpoint whose values are shown, by asset."""
    return dict(lake.rows(f"SELECT asset, checkpoint FROM {SHOWN.name}"))


def adopt(connection: duckdb.DuckDBPyConnection, checkpoint: Checkpoint, *, is_pinned: bool) -> None:
    """Adopt a checkpoint, within the caller's transaction."""
    row = {
        "asset": checkpoint.asset,
        "checkpoint": checkpoint.checkpoint,
        "is_pinned": is_pinned,
        "adopted_at": datetime.now(UTC),
    }
    insert_rows(connection, ADOPTIONS.name, arrow_table(ADOPTIONS.columns, [row]))


def settle_shown(lake: Lake, asset: ItemAsset, checkpoint: str) -> None:
    """Let an asset's view show the values of the adopted checkpoint, once they are complete.

    They are when every item that has a value of the checkpoint shown until now has been tried with the adopted
    one; where nothing is shown yet, at once.
    """
    shown = shown_checkpoints(lake).get(asset.name)
    if shown == checkpoint:
        return
    if shown is not None:
        entries = f"SELECT item FROM {LEDGER.name} WHERE asset = {quote(asset.name)} AND checkpoint = "
        ((left,),) = lake.rows(
            f"SELECT count(*) FROM ({entries}{quote(shown)} AND outcome IN ('ok', 'not_applicable')) "
            f'SEMI JOIN "{asset.item.plural}" USING (item) '
            f"ANTI JOIN ({entries}{quote(checkpoint)}) USING (item)"
        )
        if left:
            return
    _show(lake, asset.name, checkpoint)


def _show(lake: Lake, asset: str, checkpoint: str) -> None:

    def change(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute(f"DELETE FROM {SHOWN.name} WHERE asset = {quote(asset)}")
        row = {"asset": asset, "checkpoint": checkpoint}
        insert_rows(connection, SHOWN.name, arrow_table(SHOWN.columns, [row]))

    lake.write(change)


def candidate_because(
    training: TrainingAsset,
    metrics: Mapping[str, float],
    items: int,
    adopted: Adopted | None,
    *,
    is_in_force: bool,
) -> str | None:
    """Why a new checkpoint stays a candidate; None: it is adopted."""
    if not is_in_force:
        return "made with parameters other than those in force"
    if adopted is None:
        return None
    if adopted.is_pinned:
        return f"{adopted.checkpoint.checkpoint} is pinned"
    if items < adopted.checkpoint.items:
        return f"made from {items} items, the adopted one from {adopted.checkpoint.items}"
    gate = training.gate
    if gate is not None and not gate.lets_pass(metrics, adopted.checkpoint.metrics):
        found, wanted = metrics.get(gate.metric), adopted.checkpoint.metrics.get(gate.metric)
        return (
            f"the gate wants {gate.metric}"
            + ("" if wanted is None else f" of {wanted:.4g} within {gate.margin:g}")
            + f"; found {'none' if found is None else format(found, '.4g')}"
        )
    return None


def adoptable_checkpoints(
    lake: Lake, trainings: Iterable[TrainingAsset], adopted: Mapping[str, Adopted]
) -> frozenset[str]:
    """Checkpoints that are not adopted, but would be if they were what the parameters in force make now.

    A training that finds one of these need not train: it adopts it.
    """
    assets = {training.name: training for training in trainings}
    if not assets:
        return frozenset()
    return frozenset(
        one.checkpoint
        for one in checkpoints_of_trainings(lake, assets)
        if not is_adopted(one, adopted)
        and candidate_because(
            assets[one.asset], one.metrics, one.items, adopted.get(one.asset), is_in_force=True
        )
        is None
    )


def is_adopted(checkpoint: Checkpoint, adopted: Mapping[str, Adopted]) -> bool:
    """Whether it is the adopted one of its training."""
    found = adopted.get(checkpoint.asset)
    return found is not None and found.checkpoint.checkpoint == checkpoint.checkpoint
