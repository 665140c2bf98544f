"""`repair`: what is lost is marked as missing, so that the next run makes it again."""

from __future__ import annotations

from typing import Annotated

import typer

from audio_assets.command.app import ENDING, app
from audio_assets.command.output import friendly, out, print_rows


@app.command()
def repair(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Let what is lost be made again: finds it (as `doctor --deep` does), says what it will do, and asks."""
    from audio_assets.assemble import current_platform
    from audio_assets.engine.run import repair as repairing
    from audio_assets.engine.run.damage import find_damage

    with friendly():
        platform = current_platform()
        ENDING.callback(platform.session.close)
        damage = find_damage(platform)
        unfinished = repairing.begun_repair(platform.settings.home)
        if not damage.lost and not unfinished:
            out.print("Nothing is lost: all that the lake names is there.")
            return
        print_rows(
            ("what", "of", "name", "found"), [tuple(vars(lost).values()) for lost in damage.lost], "table"
        )
        for line in repairing.steps(platform, damage):
            out.print(line, markup=False)
        if unfinished:
            out.print("A repair that was begun is gone on with.")
        if not yes and not typer.confirm("Mark this as missing?"):
            raise typer.Exit(1)
        repairing.repair(platform, damage)
    out.print("Done: `audio-assets run` makes again what can be made.")
