"""`status`: where every value stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from audio_assets.command.app import app, keys_of, open_platform
from audio_assets.command.output import friendly, print_rows

if TYPE_CHECKING:
    from audio_assets.engine.platform import Platform


DRIFTED = (
    "its code or a library was edited under the same code_version; `audio-assets run --drifted` redoes it"
)


@app.command()
def status(
    asset: Annotated[str | None, typer.Argument(help="One asset only.")] = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="List failed and quarantined items with reasons.")
    ] = False,
    why: Annotated[
        str | None, typer.Option("--why", metavar="ITEM", help="Where one item stands, and why.")
    ] = None,
    form: Annotated[Literal["table", "json"], typer.Option("--format", help="How to print it.")] = "table",
) -> None:
    """Show per asset how many items are ok, failed, stale, drifted or missing.

    A training counts as one: stale if its data have changed, missing while there is no checkpoint.
    """
    from audio_assets.engine.state.states import State
    from audio_assets.orchestration.launch import bad_items, select_assets

    with friendly():
        platform = open_platform()
        names = select_assets(platform, asset)
        if failed:
            print_rows(("asset", "item", "outcome", "reason"), bad_items(platform, names), form)
            return
        if why is not None:
            print_rows(("asset", "state", "why", "reason"), _explained(platform, names, why), form)
            return
        plan = platform.plan(names)
        rows = [(name, *(part.states[state] for state in State)) for name, part in plan.assets.items()]
        short = {State.NOT_APPLICABLE: "n/a", State.QUARANTINED: "quarant."} if form == "table" else {}
        print_rows(("asset", *(short.get(state, state.value) for state in State)), rows, form)


def _explained(platform: Platform, names: list[str], item: str) -> list[tuple[str, str, str, str]]:
    """Where one item stands for each asset: its state, why it would be computed, and what the ledger says."""
    from audio_assets.engine.state.states import State
    from audio_assets.resources.lake import quote, quoted

    (key,) = keys_of(platform, [item]) or [item]
    per_item = [asset.name for asset in platform.graph.item_assets if asset.name in set(names)]
    plan = platform.plan(per_item, [key])
    reasons = dict(
        platform.lake.rows(
            f"SELECT asset, reason FROM ledger WHERE item = {quote(key)} AND reason IS NOT NULL "
            f"AND asset IN (SELECT unnest({quoted(per_item)}))"
        )
    )
    rows = []
    for name, part in plan.assets.items():
        for state in part.states:
            because = [why.value for why in part.todo] or [f"waits for {what}" for what in part.waiting]
            reason = DRIFTED if state is State.DRIFTED else reasons.get(name, "")
            rows.append((name, state.value, ", ".join(because), reason))
    return rows
