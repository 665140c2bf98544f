"""`run`, `retry` and `release`: computing what is missing or stale."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from audio_assets.command.app import Items, Selection, app, keys_of, open_platform
from audio_assets.command.output import err, friendly, out, print_bad
from audio_assets.errors import UserError

if TYPE_CHECKING:
    from audio_assets.engine.platform import Platform
    from audio_assets.engine.state.plans import Plan

Given = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="[ASSET.]NAME=VALUE",
        help="A parameter of a training, for a candidate checkpoint; with --save of any asset, from now on. "
        "Values as in JSON, or text.",
    ),
]


class SetError(UserError, ValueError):
    """A parameter cannot be set as it was given; the message says how it can."""


@app.command()
def run(  # noqa: PLR0917
    selection: Selection = None,
    items: Items = None,
    failed: Annotated[bool, typer.Option("--failed", help="Also what failed before.")] = False,
    drifted: Annotated[
        bool, typer.Option("--drifted", help="Also what older code of the same version computed.")
    ] = False,
    everything: Annotated[bool, typer.Option("--all", help="Everything again, up to date or not.")] = False,
    given: Given = None,
    save: Annotated[
        bool, typer.Option("--save", help="Keep what --set says in audio-assets.toml of the home.")
    ] = False,
) -> None:
    """Compute what is missing or stale. Exit code 1 if anything failed."""
    with friendly():
        code = compute(
            open_platform(),
            selection,
            items,
            given=given or [],
            save=save,
            failed=failed,
            drifted=drifted,
            everything=everything,
        )
    raise typer.Exit(code)


@app.command()
def retry(selection: Selection = None, items: Items = None) -> None:
    """Compute failed items again: short for `run --failed`."""
    with friendly():
        code = compute(open_platform(), selection, items, failed=True)
    raise typer.Exit(code)


@app.command()
def release(selection: Selection = None, items: Items = None) -> None:
    """Let quarantined items be computed again; the next run does it."""
    from audio_assets.engine.declare.outcomes import Outcome
    from audio_assets.engine.state.ledger import forget
    from audio_assets.orchestration.launch import select_assets

    with friendly():
        platform = open_platform()
        names = select_assets(platform, selection)
        count = forget(platform.lake, names, keys_of(platform, items), Outcome.QUARANTINED)
    out.print(f"{count} quarantined values released.")


def compute(
    platform: Platform,
    selection: str | None,
    items: list[str] | None,
    *,
    given: Sequence[str] = (),
    save: bool = False,
    failed: bool = False,
    drifted: bool = False,
    everything: bool = False,
) -> int:
    """Plan, say what is to be done, do it, and say what became of it; the exit code."""
    from audio_assets.command.plan import plan_line
    from audio_assets.command.progress import run_progress
    from audio_assets.engine.state.states import RunOptions
    from audio_assets.orchestration.launch import asked_by_name, bad_items, launch, select_assets

    names = select_assets(platform, selection)
    parameters = parse_given(platform, names, given)
    if save and parameters:
        platform = save_parameters(platform, parameters)
        parameters = {}
    refuse_values(platform, parameters)
    keys = keys_of(platform, items)

    def say(plan: Plan) -> None:
        if not plan.is_empty:
            out.print(plan_line(platform, plan), soft_wrap=True, markup=False)

    options = RunOptions(failed, drifted, everything, asked=asked_by_name(platform, selection))
    with run_progress(err) as tally:
        finished = launch(platform, names, options, keys, parameters=parameters, on_plan=say)
    if finished.run_ids:
        out.print(tally.table(names))
    print_left(finished.plan, is_all_done=not finished.run_ids)
    if not finished.run_ids:
        return 0
    bad = bad_items(platform, names, finished.run_ids)
    print_bad("Not computed", ("asset", "item", "outcome", "reason"), bad, "`audio-assets status --failed`")
    if bad:
        out.print("`audio-assets run --failed` tries these again; all other values are stored.")
    for error in finished.errors:
        err.print("[red]A step failed[/red], ", end="")
        err.print(error, markup=False)
    return 1 if bad or finished.errors else 0


def print_left(plan: Plan, *, is_all_done: bool) -> None:
    """Say what was left alone, why, and the command for it; all is up to date only where it is."""
    from audio_assets.engine.state.states import State

    lines = []
    for name, part in plan.assets.items():
        lines += [f"{name}: {count} not computed, waits for {what}" for what, count in part.waiting.items()]
        lines += [
            f"{name}: stale ({why.value}), and trained again only by name: `audio-assets run {name}`"
            for why in part.stale
        ]
    left = {state: sum(p.left[state] for p in plan.assets.values()) for state in State}
    if left[State.FAILED]:
        lines.append(f"{left[State.FAILED]} values failed before: `audio-assets retry` tries them again.")
    if left[State.QUARANTINED]:
        lines.append(
            f"{left[State.QUARANTINED]} values are quarantined: `audio-assets status --failed` says why, "
            "`audio-assets release` lets them be tried."
        )
    if left[State.DRIFTED]:
        lines.append(f"{left[State.DRIFTED]} values have drifted: `audio-assets run --drifted` redoes them.")
    if is_all_done:
        out.print("Nothing to do: everything asked for is up to date." if not lines else "Nothing to do.")
    for line in lines:
        out.print(line, soft_wrap=True, markup=False)
    if any(part.waiting for part in plan.assets.values()):
        out.print("Choose what they wait for as well ('*NAME' has all of it).")


def parse_given(platform: Platform, names: Sequence[str], given: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Parameters by asset, as ``--set`` gives them: ``asset.name=value``, or ``name=value`` for the one selected.

    Raises:
        SetError: it is no such text, or it does not say of which asset.
        ParameterError: the asset has no such parameter, or the value is of another type.
    """
    found: dict[str, dict[str, Any]] = {}
    for text in given:
        left, sign, right = text.partition("=")
        asset, dot, name = left.strip().rpartition(".")
        if not sign or not name:
            raise SetError(f"--set {text}: wanted NAME=VALUE, or ASSET.NAME=VALUE.")
        if not dot:
            if len(names) != 1:
                raise SetError(
                    f"--set {text}: {len(names)} assets are selected; say of which: --set ASSET.{text}"
                )
            asset = names[0]
        if asset not in platform.graph.by_name:
            raise SetError(f"--set {text}: there is no asset {asset}.")
        found.setdefault(asset, {})[name] = _value(right)
    for asset, values in found.items():
        platform.graph.by_name[asset].checked_parameters(
            {**platform.settings.parameters.get(asset, {}), **values}
        )
    return found


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def refuse_values(platform: Platform, parameters: dict[str, dict[str, Any]]) -> None:
    """Only trainings have candidates: other values made with other parameters would take the place of these.

    Raises:
        SetError: a parameter of another asset is set without being saved.
    """
    from audio_assets.engine.declare.training_asset import TrainingAsset

    wrong = [name for name in parameters if not isinstance(platform.graph.by_name[name], TrainingAsset)]
    if wrong:
        raise SetError(
            f"{', '.join(wrong)} has one value for each item, made with the parameters in force: add --save to "
            "change them for good (`audio-assets plan --set … --save` says what becomes stale)."
        )


def save_parameters(platform: Platform, parameters: dict[str, dict[str, Any]]) -> Platform:
    """Write parameters into the home's file; the platform as it is with them.

    Raises:
        SetError: the environment says otherwise, and would still stand above the file.
    """
    from audio_assets.assemble import current_platform
    from audio_assets.settings import get_settings
    from audio_assets.settings_file import write_parameters

    for asset, values in parameters.items():
        path = write_parameters(platform.settings.home, asset, values)
        out.print(f"{asset}: {values} written to {path}", soft_wrap=True, markup=False)
    get_settings.cache_clear()
    current_platform.cache_clear()
    saved = open_platform()
    for asset, values in parameters.items():
        in_force = saved.settings.parameters.get(asset, {})
        hidden = [name for name, value in values.items() if in_force.get(name) != value]
        if hidden:
            raise SetError(
                f"{asset}: {', '.join(hidden)} is set by AUDIO_ASSETS_PARAMETERS too, which stands above the file; "
                "take it out there."
            )
    return saved
