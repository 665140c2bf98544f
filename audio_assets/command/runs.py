"""`runs`: the runs that were started from the command line, those that outlive their terminal among them."""

from __future__ import annotations

import sys
import time
from typing import Annotated, Literal

import typer

from audio_assets.command.app import app
from audio_assets.command.output import friendly, out, print_rows

END_WAIT_S = 20.0

runs = typer.Typer(help="List, follow and stop runs.", invoke_without_command=True)
app.add_typer(runs, name="runs")

Id = Annotated[
    str | None, typer.Argument(metavar="[ID]", help="A run, by a beginning of its id; default: the last one.")
]


@runs.callback()
def listed(
    context: typer.Context,
    form: Annotated[Literal["table", "json"], typer.Option("--format", help="How to print it.")] = "table",
) -> None:
    """List the runs that were started from the command line, the newest first."""
    from audio_assets.resources.launches import launches
    from audio_assets.settings import get_settings

    if context.invoked_subcommand is not None:
        return
    with friendly():
        found = launches(get_settings().home)
        rows = [(launch.id, launch.state, _time(launch.started), launch.command) for launch in found]
        print_rows(("id", "state", "started", "command"), rows, form)


@runs.command()
def follow(id: Id = None) -> None:
    """Show what a detached run has printed and prints, until it ends; ends with its exit code."""
    from audio_assets.resources.launches import LaunchError, find_launch
    from audio_assets.settings import get_settings

    with friendly():
        home = get_settings().home
        launch = find_launch(home, id)
        if not launch.log.exists():
            raise LaunchError(f"{launch.id} prints to its own terminal; only a detached run has a log.")
        for text in launch.follow():
            sys.stdout.write(text)
            sys.stdout.flush()
        ended = find_launch(home, launch.id)
    raise typer.Exit(1 if ended.code is None else ended.code)


@runs.command()
def stop(id: Id = None) -> None:
    """End a run, as Ctrl-C does: what it has computed is kept, and the next run goes on from there."""
    from audio_assets.resources.launches import find_launch
    from audio_assets.settings import get_settings

    with friendly():
        launch = find_launch(get_settings().home, id)
        if not launch.is_running:
            out.print(f"{launch.id} is not running ({launch.state}).", markup=False)
            return
        if not launch.stop(END_WAIT_S):
            out.print(
                f"{launch.id} has not ended within {END_WAIT_S:g} s; ask again, or kill it.", markup=False
            )
            raise typer.Exit(1)
        out.print(f"{launch.id} has ended; `{launch.command}` goes on where it was.", markup=False)


def _time(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
