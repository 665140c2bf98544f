"""`backup` and `restore`: a copy of the home, made while runs write."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from audio_assets.command.app import app, open_platform
from audio_assets.command.output import friendly, out
from audio_assets.settings import get_settings


@app.command()
def backup(folder: Annotated[Path, typer.Argument(help="Where the backup is, or is to be.")]) -> None:
    """Back up the home: tables, objects, trainings, MLflow, Dagster, settings. Runs may go on meanwhile.

    A later backup in the same folder copies what is new. Audio and installed weights are no part of it.
    """
    from audio_assets.engine.run.backup import back_up

    with friendly():
        copied = back_up(open_platform(), folder.absolute())
    size = copied.new_bytes / 2**20
    out.print(
        f"{copied.files} files, {copied.new_files} of them new ({size:.1f} MiB), in {folder}.", markup=False
    )


@app.command()
def restore(folder: Annotated[Path, typer.Argument(help="Where the backup is.")]) -> None:
    """Make a new home of a backup, where AUDIO_ASSETS_HOME says, and read it through."""
    from functools import partial

    from audio_assets.assemble import build_platform
    from audio_assets.engine.run.backup import restore as restore_backup

    with friendly():
        settings = get_settings()
        made = restore_backup(folder.absolute(), settings, partial(build_platform, read_only=True))
        out.print(f"{settings.home} is as {folder} had it at {made.made_at}.", markup=False)
