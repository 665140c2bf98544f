"""What the command prints: tables of rows, and errors that are meant for people."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console, ConsoleDimensions
from rich.markup import escape
from rich.table import Table

from audio_assets.errors import UserError, storage_reason
from audio_assets.settings import PREFIX

UNBROKEN = 100_000


class _Lines(Console):
    """Lines as wide as the terminal; what goes into a file or a pipe is not broken, unless COLUMNS says where."""

    @property  # type: ignore[misc]  # nobody sets it
    def size(self) -> ConsoleDimensions:
        if self.file.isatty() or "COLUMNS" in os.environ:
            return super().size
        return ConsoleDimensions(UNBROKEN, super().size.height)


out = _Lines(highlight=False)
err = _Lines(stderr=True, highlight=False)


@contextmanager
def friendly() -> Iterator[None]:
    """Show errors that are meant for people as one message, without a traceback."""
    from pydantic import ValidationError
    from pydantic_settings import SettingsError

    try:
        yield
    except (UserError, ValidationError, SettingsError) as error:
        err.print(f"[red]{type(error).__name__}[/red]: ", end="")
        err.print(_explained(error), markup=False, soft_wrap=True)
        raise typer.Exit(2) from error
    except BrokenPipeError:  # e.g. `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None
    except typer.Exit:
        raise
    except Exception as error:
        reason = storage_reason(error)
        if reason is None:
            raise
        err.print("[red]StorageError[/red]: ", end="")
        err.print(f"{reason}. Run again when it can be written and read.", markup=False, soft_wrap=True)
        raise typer.Exit(2) from error


def _explained(error: Exception) -> str:
    """The message; of settings by their variable, without other values, which may be secret."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError) or error.title != "Settings":
        return (
            f"{error}: {error.__cause__}" if isinstance(error.__cause__, json.JSONDecodeError) else str(error)
        )
    lines = []
    for wrong in error.errors(include_url=False):
        message = wrong["msg"].removeprefix("Value error, ")
        if wrong["loc"]:
            message = f"{PREFIX}{str(wrong['loc'][0]).upper()}: found {wrong['input']!r}. {message}"
        lines.append(message)
    return "\n".join(lines)


def _cell(value: Any) -> str:
    """A value of a table; zeros do not stand out."""
    return "[dim]·[/dim]" if value == 0 and not isinstance(value, bool) else escape(str(value))


def print_bad(
    title: str, names: tuple[str, ...], rows: Sequence[tuple[str, ...]], listed: str | None = None
) -> None:
    """The first rows; `listed` is the command that shows all of them."""
    if rows:
        table = Table(*names, title=title, title_justify="left", box=None)
        for row in rows[:20]:
            table.add_row(*map(escape, row))
        out.print(table)
    if len(rows) > 20:
        out.print(f"and {len(rows) - 20} more" + (f": {listed}" if listed else ""), markup=False)


def print_rows(names: tuple[str, ...], rows: Sequence[tuple[Any, ...]], form: str) -> None:
    """All rows, as a table or as JSON."""
    if form == "json":
        print(json.dumps([dict(zip(names, row, strict=True)) for row in rows], indent=1))
        return
    table = Table(*names, box=None)
    table.columns[0].no_wrap = True
    for row in rows:
        table.add_row(*map(_cell, row))
    out.print(table)
