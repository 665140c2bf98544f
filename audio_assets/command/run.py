"""`run`, `retry` and `release`: computing what is missing or stale."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from audio_assets.command.app import Items, Selection, app, keys_of, open_platform
from audio_assets.command.given import Given, check_candidates, parse_given, save_parameters
from audio_assets.command.output import err, friendly, out, print_bad

if TYPE_CHECKING:
    from audio_assets.engine.platform import Platform
    from audio_assets.engine.state.checkpoints import Checkpoint
    from audio_assets.engine.state.plans import Plan


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
    detach: Annotated[
        bool,
        typer.Option("--detach", help="Go on without this terminal; `audio-assets runs` shows and stops it."),
    ] = False,
    launch: Annotated[str | None, typer.Option("--launch", hidden=True)] = None,
) -> None:
    """Compute what is missing or stale. Exit code 1 if anything failed."""
    from audio_assets.resources.launches import detached, launched

    with friendly():
        platform = open_platform()
        if detach:
            started = detached(platform.settings.home, [a for a in sys.argv[1:] if a != "--detach"])
            out.print(
                f"Run {started.id} has begun: `audio-assets runs follow {started.id}` shows what it prints, "
                f"`audio-assets runs stop {started.id}` ends it.",
                markup=False,
            )
            return
        with launched(platform.settings.home, sys.argv[1:], launch) as codes:
            code = compute(
                platform,
                selection,
                items,
                given=given or [],
                save=save,
                failed=failed,
                drifted=drifted,
                everything=everything,
            )
            codes.append(code)
    raise typer.Exit(code)


@app.command()
def retry(selection: Selection = None, items: Items = None) -> None:
    """Compute again what failed, and nothing else; `run --failed` computes what is missing or stale besides."""
    with friendly():
        code = compute(open_platform(), selection, items, only_failed=True)
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
    only_failed: bool = False,
) -> int:
    """Plan, say what is to be done, do it, and say what became of it; the exit code."""
    from audio_assets.command.plan import plan_line
    from audio_assets.command.progress import run_progress
    from audio_assets.engine.run.stopping import Stopped, stopping_at_once
    from audio_assets.engine.state.states import RunOptions
    from audio_assets.orchestration.launch import asked_by_name, bad_items, launch, select_assets

    names = select_assets(platform, selection)
    keys = keys_of(platform, items)
    parameters = parse_given(platform, names, given)
    if save and parameters:
        platform = save_parameters(platform, parameters)
        parameters = {}
    check_candidates(platform, names, keys, parameters)

    def say(plan: Plan) -> None:
        if not plan.is_empty:
            out.print(plan_line(platform, plan), soft_wrap=True, markup=False)
        for name, values in parameters.items():
            out.print(f"To train: a candidate of {name} with {values}.", soft_wrap=True, markup=False)

    options = RunOptions(failed, drifted, everything, only_failed, asked=asked_by_name(platform, selection))
    with run_progress(err) as tally:
        try:
            with stopping_at_once():
                finished = launch(platform, names, options, keys, parameters=parameters, on_plan=say)
        except Stopped as stopped:
            err.print(
                f"Stopped by {stopped.signal.name}: {tally.safe} values of this run are stored, and trainings keep "
                "their last state. The same command goes on where it was.",
                markup=False,
            )
            return stopped.exit_code
    if finished.run_ids:
        out.print(tally.table(names))
    bad = bad_items(platform, names, finished.run_ids)
    print_bad("Not computed", ("asset", "item", "outcome", "reason"), bad, "`audio-assets status --failed`")
    for checkpoint in finished.checkpoints:
        print_checkpoint(checkpoint)
    if only_failed and not finished.run_ids:
        out.print("Nothing has failed.")
        return 0
    print_left(finished.plan, is_all_done=not (finished.run_ids or finished.errors))
    if not (finished.plan.is_empty or finished.errors):
        count = sum(part.count for part in finished.plan.assets.values())
        out.print(f"{count} values were left: what they are made from changed meanwhile. Run it again.")
    for error in finished.errors:
        err.print("[red]A step failed[/red], ", end="")
        err.print(error, markup=False)
    return 1 if bad or finished.errors else 0


def print_checkpoint(checkpoint: Checkpoint) -> None:
    """Say of a checkpoint that a run ended with whether it is adopted, and if not, why and how it would be."""
    name, because = checkpoint.checkpoint, checkpoint.candidate_because
    if because is None:
        out.print(f"{checkpoint.asset}: {name} is adopted.", soft_wrap=True, markup=False)
    else:
        out.print(
            f"{checkpoint.asset}: {name} is a candidate ({because}): `audio-assets adopt {name[:8]}` adopts it.",
            soft_wrap=True,
            markup=False,
        )


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
    if lines and any(part.waiting for part in plan.assets.values()):
        lines.append("Choose what they wait for as well ('*NAME' has all of it).")
    left = {state: sum(p.left[state] for p in plan.assets.values()) for state in State}
    if left[State.FAILED]:
        lines.append(f"{left[State.FAILED]} values failed: `audio-assets retry` tries them again.")
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
