"""`doctor`: what this machine has."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from audio_assets.command.app import app
from audio_assets.command.output import friendly, out, print_rows
from audio_assets.settings import get_settings


@app.command()
def doctor(
    deep: Annotated[
        bool, typer.Option("--deep", help="Also read all tables and objects, and list what is lost.")
    ] = False,
) -> None:
    """Check accelerators, codecs, weights and catalogs, and say what is missing for what."""
    from audio_assets.command.doctor import Level, examine, lost_values

    marks = {Level.GOOD: "[green]✓[/green]", Level.ABSENT: "[yellow]–[/yellow]", Level.BAD: "[red]✗[/red]"}
    with friendly():
        settings = get_settings()
        findings = list(examine(settings))
    table = Table("", "what", "found", "what it would enable, or what to do", box=None)
    table.columns[-1].overflow = "fold"  # addresses and paths are copied
    for finding in findings:
        parts = (finding.what, finding.found, finding.advice)
        table.add_row(marks[finding.level], *map(escape, parts))
    out.print(table)
    if deep:
        with friendly():
            lost = lost_values(settings)
        if lost:
            print_rows(("what", "of", "name", "found"), lost, "table")
            out.print("`audio-assets repair` lets what is lost be made again.")
            raise typer.Exit(1)
        out.print("All that the lake names is there.")
    raise typer.Exit(1 if any(finding.level is Level.BAD for finding in findings) else 0)
