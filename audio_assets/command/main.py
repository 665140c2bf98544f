"""The `audio-assets` command: a thin layer over the functions that the assets and the UI use too."""

from __future__ import annotations

from audio_assets.command import (  # each adds its verbs, in the order of the help
    adopt,
    backup,
    examine,
    export,
    library,
    pages,
    plan,
    predict,
    repair,
    run,
    runs,
    show,
    sql,
    status,
)
from audio_assets.command.app import app
from audio_assets.resources.pandas_lookup import hide_pandas

VERBS = (library, plan, run, runs, status, sql, predict, adopt, export, examine, repair, backup, pages, show)


def main() -> None:
    """Entry point of the `audio-assets` command."""
    hide_pandas()
    app()
