"""The `audio-assets` command: a thin layer over the functions that the assets and the UI use too."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.markup import escape
from rich.table import Table

from audio_assets.command.output import err, friendly, out, print_bad, print_rows
from audio_assets.resources.pandas_lookup import hide_pandas
from audio_assets.settings import get_settings, unknown_backends, unknown_variables

if TYPE_CHECKING:
    from audio_assets.engine.platform import Platform

app = typer.Typer(
    help="Audio in, features, embeddings, labels and models out; every value knows what it came from.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Selection = Annotated[
    str | None,
    typer.Argument(
        help="Assets in Dagster's selection syntax, e.g. tempo, *rhythm (with all upstream), group:features."
    ),
]
Items = Annotated[
    list[str] | None,
    typer.Option(
        "--items",
        help="Only these items: keys, or unique beginnings of keys, with commas between them "
        "(--items A,B) or given again (--items A --items B).",
    ),
]
Some = Annotated[
    list[str] | None,
    typer.Argument(metavar="[ITEM]…", help="Items: keys, or unique beginnings of keys. None: all."),
]


ENDING = ExitStack()
"""What is closed when a command has ended, however it ends."""


@app.callback()
def _before_commands(context: typer.Context) -> None:
    context.call_on_close(ENDING.close)
    _warn_of(unknown_variables(os.environ))


def _warn_of(unknown: Mapping[str, str | None]) -> None:
    for name, meant in unknown.items():
        hint = f"; {meant} is one" if meant else ", or of another version"
        err.print(f"{name} is set, but is no setting{hint}: it is ignored.", markup=False, soft_wrap=True)


def open_platform() -> Platform:
    """The platform of this environment, its tables and its Dagster folder made and up to date.

    Its workers serve all that the command does, and end with it.
    """
    from audio_assets.assemble import current_platform
    from audio_assets.orchestration.instance import prepare_dagster_home

    platform = current_platform()
    ENDING.callback(platform.session.close)
    _warn_of(unknown_backends(os.environ, platform.graph.roles))  # only now is known which roles there are
    platform.prepare()
    prepare_dagster_home(platform.settings)  # so that `dagster` commands find it; loads no Dagster
    return platform


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

    with friendly():
        platform = open_platform()
        with bar(err, "reading") as progress:
            report = register(platform, paths, kind=kind, on_file=progress)
        out.print(
            f"{report.added} new, {report.known} known, {report.moved} at another place, "
            f"{len(report.rejected)} rejected."
        )
        listed = "`audio-assets sql 'SELECT * FROM rejected_files'`"
        print_bad("Rejected files", ("path", "reason"), report.rejected, listed)
        code = 1 if report.rejected else 0
        if then is not None:
            code |= _run(platform, then, None)
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


@app.command()
def run(
    selection: Selection = None,
    items: Items = None,
    failed: Annotated[bool, typer.Option("--failed", help="Also what failed before.")] = False,
    drifted: Annotated[
        bool, typer.Option("--drifted", help="Also what older code of the same version computed.")
    ] = False,
    everything: Annotated[bool, typer.Option("--all", help="Everything again, up to date or not.")] = False,
) -> None:
    """Compute what is missing or stale. Exit code 1 if anything failed."""
    with friendly():
        code = _run(open_platform(), selection, items, failed=failed, drifted=drifted, everything=everything)
    raise typer.Exit(code)


def _run(platform: Platform, selection: str | None, items: list[str] | None, **options: bool) -> int:
    from audio_assets.command.progress import run_progress
    from audio_assets.engine.state.plan import RunOptions
    from audio_assets.orchestration.launch import bad_items, launch, select_assets, select_items

    names = select_assets(platform, selection)
    keys = select_items(platform, _separated(items)) if items else None
    with run_progress(err) as tally:
        finished = launch(platform, names, RunOptions(**options), keys)
    if finished.run_ids:
        out.print(tally.table(names))
    elif not finished.waiting:
        out.print("Nothing to do: everything asked for is up to date.")
    for name, (count, reason) in finished.waiting.items():
        out.print(f"{name}: {count} not computed, {reason}", markup=False)
    if finished.waiting:
        out.print("Choose what they wait for as well ('*NAME' has all of it).")
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


def _separated(items: list[str]) -> list[str]:
    return [key.strip() for text in items for key in text.split(",")]


@app.command()
def retry(selection: Selection = None, items: Items = None) -> None:
    """Compute failed items again: short for `run --failed`."""
    with friendly():
        code = _run(open_platform(), selection, items, failed=True)
    raise typer.Exit(code)


@app.command()
def release(selection: Selection = None, items: Items = None) -> None:
    """Let quarantined items be computed again; the next run does it."""
    from audio_assets.engine.declare.outcomes import Outcome
    from audio_assets.engine.state.ledger import forget
    from audio_assets.orchestration.launch import select_assets, select_items

    with friendly():
        platform = open_platform()
        names = select_assets(platform, selection)
        keys = select_items(platform, _separated(items)) if items else None
        count = forget(platform.lake, names, keys, Outcome.QUARANTINED)
    out.print(f"{count} quarantined values released.")


@app.command()
def status(
    asset: Annotated[str | None, typer.Argument(help="One asset only.")] = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="List failed and quarantined items with reasons.")
    ] = False,
    form: Annotated[Literal["table", "json"], typer.Option("--format", help="How to print it.")] = "table",
) -> None:
    """Show per asset how many items are ok, failed, stale, drifted or missing.

    A training counts as one: stale if its data have changed, missing while there is no checkpoint.
    """
    from audio_assets.engine.run.collections import collection_states
    from audio_assets.engine.run.trainings import training_states
    from audio_assets.orchestration.launch import bad_items, counts, select_assets

    with friendly():
        platform = open_platform()
        names = select_assets(platform, asset)
        if failed:
            print_rows(("asset", "item", "outcome", "reason"), bad_items(platform, names), form)
            return
        states = platform.states() | collection_states(platform) | training_states(platform)
        rows = [(name, *counts(states[name]).values()) for name in names if name in states]
        from audio_assets.engine.state.plan import State

        short = {State.NOT_APPLICABLE: "n/a", State.QUARANTINED: "quarant."} if form == "table" else {}
        print_rows(("asset", *(short.get(state, state.value) for state in State)), rows, form)


@app.command()
def sql(
    query: Annotated[str | None, typer.Argument(help="SQL; or give a file with -f.")] = None,
    file: Annotated[Path | None, typer.Option("--file", "-f", help="File with the SQL.")] = None,
    form: Annotated[
        Literal["table", "csv", "json", "parquet"], typer.Option("--format", help="Output format.")
    ] = "table",
    write: Annotated[bool, typer.Option("--write", help="Allow changes to the lake.")] = False,
) -> None:
    """Run SQL on the tables and print the result; without a query, list the tables."""
    from audio_assets.resources.query import QueryError, connect, run_query

    with friendly():
        if query and file:
            raise QueryError("Give a query or a file, not both.")
        if file is not None and not file.is_file():
            raise QueryError(f"There is no file {file}.")
        text = file.read_text(encoding="utf-8") if file else query or "SHOW TABLES"
        connection = connect(write=write)
        try:
            sys.stdout.buffer.write(run_query(connection, text, form))
            sys.stdout.buffer.flush()
        finally:
            connection.close()


@app.command()
def predict(
    what: Annotated[str, typer.Argument(help="What to tell, e.g. laughter, or the training that learns it.")],
    file: Annotated[Path, typer.Argument(help="Audio file; it need not be in the catalog.")],
    form: Annotated[
        Literal["table", "json", "audacity"], typer.Option("--format", help="How to print it.")
    ] = "table",
) -> None:
    """Apply the newest trained model to a file."""
    from audio_assets.audio.decode import AudioError
    from audio_assets.command.predictions import print_predictions
    from audio_assets.engine.declare.outcomes import NotApplicable
    from audio_assets.engine.declare.predictor import PredictError
    from audio_assets.engine.run.predict import find_predictor
    from audio_assets.engine.run.predict import predict as predict_file

    with friendly():
        platform = open_platform()
        _, predictor = find_predictor(platform, what)
        try:
            rows = predict_file(platform, what, file)
        except (AudioError, NotApplicable, PredictError) as error:
            err.print(f"No {predictor.tells} can be told: {error}", markup=False)
            raise typer.Exit(2) from error
        print_predictions(predictor, rows, form)


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
    from audio_assets.orchestration.launch import select_items

    with friendly():
        platform = open_platform()
        keys = select_items(platform, items) if items else None
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
    from audio_assets.orchestration.launch import select_items
    from audio_assets.report import write_report

    with friendly():
        platform = open_platform()
        keys = select_items(platform, items) if items else None
        written = write_report(platform, keys, to)
    out.print(f"{len(written.pages)} pages; open {written.index}", soft_wrap=True, markup=False)
    print_bad("Without sound", ("item", "reason"), written.silent)


@app.command()
def doctor() -> None:
    """Check accelerators, codecs, weights and catalogs, and say what is missing for what."""
    from audio_assets.command.doctor import Level, examine

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
    raise typer.Exit(1 if any(finding.level is Level.BAD for finding in findings) else 0)


@app.command()
def ui(
    port: Annotated[int, typer.Option(help="Port of the web server.")] = 3000,
    host: Annotated[
        str, typer.Option(help="Address; beyond 127.0.0.1 anyone there can run code.")
    ] = "127.0.0.1",
) -> None:
    """Open the Dagster UI on the same instance and data."""
    from audio_assets.orchestration.instance import ENVIRONMENT, prepare_dagster_home
    from audio_assets.settings import shipped

    with friendly():
        platform = open_platform()
        folder = prepare_dagster_home(platform.settings)
    os.environ.update(ENVIRONMENT, DAGSTER_HOME=str(folder), AUDIO_ASSETS_HOME=str(platform.settings.home))
    platform.lake.close()
    command = [sys.executable, "-m", "dagster", "dev", "-w", str(shipped("workspace.yaml"))]
    err.print(f"Dagster UI on http://{host}:{port} (instance {folder}); stop with Ctrl-C")
    os.execv(sys.executable, [*command, "-h", host, "-p", str(port)])


@app.command()
def mlflow(
    port: Annotated[int, typer.Option(help="Port of the web server.")] = 5000,
    host: Annotated[
        str, typer.Option(help="Address; beyond 127.0.0.1 anyone there can change runs and models.")
    ] = "127.0.0.1",
) -> None:
    """Open MLflow's pages: curves, figures and models of this home's trainings."""
    from audio_assets.command.mlflow_pages import ENVIRONMENT, mlflow_pages, mlflow_server, serve_command

    with friendly():
        settings = get_settings()
    server = mlflow_server(settings)
    if server is not None:
        out.print(f"A server has them: {mlflow_pages(server)}", markup=False, soft_wrap=True)
        return
    os.environ.update(ENVIRONMENT)
    pages = mlflow_pages(f"http://{host}:{port}")
    err.print(f"MLflow on {pages}; stop with Ctrl-C", markup=False, soft_wrap=True)
    os.execv(sys.executable, serve_command(settings, host, port))


@app.command()
def demo(
    size: Annotated[Literal["tiny", "demo"], typer.Option(help="Size of the corpus.")] = "demo",
) -> None:
    """Make a corpus with known truth, compute everything on it, compare with the truth."""
    from audio_assets.command.demo import show

    with friendly():
        code = show(size, open_platform(), out, err)
    raise typer.Exit(code)


def main() -> None:
    """Entry point of the `audio-assets` command."""
    hide_pandas()
    app()
