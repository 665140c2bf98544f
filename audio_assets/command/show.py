"""`demo`: a corpus with known truth."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from audio_assets.command.app import app, open_platform
from audio_assets.command.output import err, friendly, out


@app.command()
def demo(
    size: Annotated[Literal["tiny", "demo"], typer.Option(help="Size of the corpus.")] = "demo",
) -> None:
    """Make a corpus with known truth, compute everything on it, compare with the truth."""
    from audio_assets.command.demo import show

    with friendly():
        code = show(size, open_platform(), out, err)
    raise typer.Exit(code)
