"""`export` and `report`: what goes out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from audio_assets.command.app import Some, app, keys_of, open_platform
from audio_assets.command.output import friendly, out, print_bad


@app.command()
def export(
    kind: Annotated[
        Literal["info", "beats", "stems", "crops", "stable-audio", "parquet"],
        typer.Argument(help="What to write; see docs/exports.md."),
    ],
    items: Some = None,
    to: Annotated[Path, typer.Option("--to", help="Folder to write to.")] = Path("export"),
) -> None:
    """Write what is known of tracks as files for other programs. Exit code 1 if a track was refused."""
    from audio_assets.export import EXPORTS

    with friendly():
        platform = open_platform()
        keys = keys_of(platform, items)
        written = EXPORTS[kind](platform, keys, to)
    out.print(
        f"{len(written.written)} files written to {to}, {len(written.unchanged)} were up to date.",
        markup=False,
    )
    print_bad("Nothing to export", ("item", "reason"), written.nothing)
    print_bad("Refused", ("item", "reason"), written.refused)
    raise typer.Exit(1 if written.refused else 0)


@app.command()
def report(
    items: Some = None,
    to: Annotated[Path, typer.Option("--to", help="Folder to write to.")] = Path("report"),
) -> None:
    """Write a listening report: a page for each item, and an index. Opens from disk, asks for nothing."""
    from audio_assets.report import write_report

    with friendly():
        platform = open_platform()
        keys = keys_of(platform, items)
        written = write_report(platform, keys, to)
    out.print(f"{len(written.pages)} pages; open {written.index}", soft_wrap=True, markup=False)
    print_bad("Without sound", ("item", "reason"), written.silent)
