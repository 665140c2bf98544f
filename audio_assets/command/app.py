"""What all verbs of the command share: the application, the platform, arguments."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from audio_assets.command.output import err
from audio_assets.settings import unknown_backends, unknown_variables

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
        help="Assets: names (loudness,tempo), or Dagster's selection syntax, e.g. *rhythm (with all upstream), "
        "group:features."
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


def keys_of(platform: Platform, items: list[str] | None) -> list[str] | None:
    """Full keys for the items that were named, with commas or again and again; None: all."""
    from audio_assets.orchestration.launch import select_items

    if not items:
        return None
    return select_items(platform, [key.strip() for text in items for key in text.split(",")])
