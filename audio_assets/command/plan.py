"""`plan`: what a run would compute, why, how much, and how long it would take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from audio_assets.command.app import Items, Selection, app, keys_of, open_platform
from audio_assets.command.given import Given, parse_given
from audio_assets.command.output import friendly, out, print_rows
from audio_assets.command.run import print_left

if TYPE_CHECKING:
    from audio_assets.engine.platform import Platform
    from audio_assets.engine.state.plans import AssetPlan, Plan
    from audio_assets.engine.state.rates import Estimate


@app.command()
def plan(  # noqa: PLR0917
    selection: Selection = None,
    items: Items = None,
    failed: Annotated[bool, typer.Option("--failed", help="Also what failed before.")] = False,
    drifted: Annotated[bool, typer.Option("--drifted", help="Also what older code computed.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Everything again.")] = False,
    given: Given = None,
    save: Annotated[
        bool, typer.Option("--save", help="Plan with what --set says in force; nothing is written.")
    ] = False,
    form: Annotated[Literal["table", "json"], typer.Option("--format", help="How to print it.")] = "table",
) -> None:
    """Show what `run` would compute: why, how much, how long by what it took so far. Nothing is computed."""
    from audio_assets.engine.state.rates import estimate, measured_rates
    from audio_assets.engine.state.states import RunOptions
    from audio_assets.orchestration.launch import asked_by_name, per_item, select_assets

    with friendly():
        platform = open_platform()
        names = select_assets(platform, selection)
        parameters = parse_given(platform, names, given or [])
        keys = keys_of(platform, items)
        if keys is not None:
            names = per_item(platform, names)
        options = RunOptions(failed, drifted, everything, asked=asked_by_name(platform, selection))
        found = platform.plan(names, keys, options, parameters=parameters)
        rates = measured_rates(platform, found.needed)
        rows = [
            row
            for name in found.needed
            for row in _rows(platform, found[name], estimate(found[name], rates.get(name)), form)
        ]
    if rows or form == "json":
        print_rows(("asset", "why", "items", "size", "time", "objects"), rows, form)
    if rows and form == "table":
        out.print(plan_line(platform, found), soft_wrap=True, markup=False)
    if form == "table":
        print_left(found, is_all_done=found.is_empty)


def _rows(platform: Platform, part: AssetPlan, expected: Estimate | None, form: str) -> list[tuple[Any, ...]]:
    """A row for each reason; time and objects are shared out by the number of items."""
    size = platform.graph.by_name[part.asset].items[0].size
    rows: list[tuple[Any, ...]] = []
    for why, amount in part.todo.items():
        share = amount.items / part.count
        seconds = expected.seconds * share if expected else None
        stored = expected.bytes * share if expected else None
        much = amount.size / size.per_unit if size else None
        if form == "json":
            rows.append((part.asset, why.value, amount.items, much, seconds, stored))
        else:
            rows.append(
                (
                    part.asset,
                    why.value,
                    str(amount.items),
                    f"{much:.3g} {size.unit}" if size and much else "",
                    "not measured yet" if seconds is None else duration(seconds),
                    "" if not stored else in_bytes(stored),
                )
            )
    return rows


def plan_line(platform: Platform, plan: Plan) -> str:
    """A plan in one line: how many values, of how much, how long and how large by what it took so far."""
    from audio_assets.engine.state.rates import estimate, measured_rates

    needed = plan.needed
    count = sum(plan[name].count for name in needed)
    rates = measured_rates(platform, needed)
    found = {name: estimate(plan[name], rates.get(name)) for name in needed}
    known = [one for one in found.values() if one is not None]
    seconds = sum(one.seconds for one in known) / platform.settings.workers
    stored = sum(one.bytes for one in known)
    largest: dict[str, float] = {}
    for name in needed:
        size = platform.graph.by_name[name].items[0].size
        if size is not None:
            largest[size.unit] = max(largest.get(size.unit, 0.0), plan[name].size / size.per_unit)
    later = sum(part.later for part in plan.assets.values())
    parts = [f"{count} values of {len(needed)} assets"]
    parts += [f"up to {much:.3g} {unit}" for unit, much in largest.items() if much]
    if known:
        parts.append(f"about {duration(seconds)} on {platform.settings.workers} workers")
    unknown = len(needed) - len(known)
    if unknown:
        parts.append(f"{unknown} assets not measured yet")
    if stored:
        parts.append(f"about {in_bytes(stored)} of objects")
    if later:
        parts.append(f"then {later} values by the models trained")
    return "To compute: " + ", ".join(parts) + "."


def duration(seconds: float) -> str:
    """A time as people say it.

    >>> duration(0.4), duration(95), duration(7300), duration(200_000)
    ('1 s', '2 min', '2.0 h', '2.3 days')
    """
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.1f} days"


def in_bytes(count: float) -> str:
    """A size as people say it.

    >>> in_bytes(900), in_bytes(7_300_000), in_bytes(146e9)
    ('1 kB', '7.3 MB', '146.0 GB')
    """
    for unit, step in (("GB", 1e9), ("MB", 1e6)):
        if count >= step:
            return f"{count / step:.1f} {unit}"
    return f"{max(1, round(count / 1e3))} kB"
