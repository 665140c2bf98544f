"""`ingest` and `import`: what comes in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from audio_assets.command.app import app, open_platform
from audio_assets.command.output import err, friendly, out, print_bad
from audio_assets.command.run import compute


@app.command()
def ingest(
    paths: Annotated[list[Path], typer.Argument(help="Audio files or folders.")],
    kind: Annotated[
        Literal["track", "episode"] | None,
        typer.Option("--as", help="What all of it is; otherwise told from folders, tags and length."),
    ] = None,
    then: Annotated[
        str | None,
        typer.Option("--run", help="Then compute these assets, '*' for all: quicker than two commands."),
    ] = None,
) -> None:
    """Register audio in the catalog. Files are read, never moved or changed."""
    from audio_assets.command.progress import bar
    from audio_assets.ingest.register import register
    from audio_assets.orchestration.launch import load_ahead

    with friendly():
        platform = open_platform()
        with bar(err, "reading") as progress:

            def on_file(done: int, total: int) -> None:
                if done == 0 and then is not None:
                    load_ahead()  # workers read the files meanwhile
                progress(done, total)

            report = register(platform, paths, kind=kind, on_file=on_file)
        out.print(
            f"{report.added} new, {report.known} known, {report.moved} at another place, "
            f"{len(report.rejected)} rejected."
        )
        for number, what, condition in (
            (report.noted, "with faults in tags or files beside", "len(notes) > 0"),
            (report.truncated, "cut or damaged", "truncated"),
        ):
            if number:
                query = " UNION ALL ".join(
                    f"SELECT path, notes FROM {table} WHERE {condition}" for table in ("tracks", "episodes")
                )
                out.print(f"{number} {what}: `audio-assets sql '{query}'`", soft_wrap=True, markup=False)
        listed = "`audio-assets sql 'SELECT * FROM rejected_files'`"
        print_bad("Rejected files", ("path", "reason"), report.rejected, listed)
        code = 1 if report.rejected else 0
        if then is not None:
            code |= compute(platform, then, None)
        elif report.added:
            out.print("Compute their features with [bold]audio-assets run[/bold].")
    raise typer.Exit(code)


@app.command("import")
def import_(
    collection: Annotated[Literal["podcastfillers"], typer.Argument(help="What the file is from.")],
    file: Annotated[Path, typer.Argument(help="Its annotations, e.g. PodcastFillers.csv.")],
) -> None:
    """Give the annotations of a published collection to episodes that are in the catalog."""
    from audio_assets.ingest.annotations.podcastfillers import read_podcastfillers
    from audio_assets.ingest.register import import_events

    with friendly():
        platform = open_platform()
        events = read_podcastfillers(file)
        matches = import_events(platform, events)
    out.print(f"{collection}: events for {len(matches.items)} episodes imported.")
    if matches.unmatched:
        out.print(f"{len(matches.unmatched)} recordings it names are not in the catalog.")
    unclear = [(name, ", ".join(items)) for name, items in matches.ambiguous.items()]
    print_bad("Names that fit several episodes", ("name", "episodes"), unclear)
    print_bad("Lines refused", ("line",), [(reason,) for reason in events.refused])
    raise typer.Exit(1 if unclear or events.refused else 0)
