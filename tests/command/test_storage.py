"""What commands say and do when storage is read-only or damaged."""

from __future__ import annotations

import sqlite3

import numpy as np
import pytest
import typer

from audio_assets.command import output
from audio_assets.command.output import friendly
from tests.resources.test_storage_errors import read_only
from tests.small_catalog import SmallCatalog


def test_a_read_only_home_serves_whatever_reads_it(typed, tmp_path):
    catalog = SmallCatalog(tmp_path)
    catalog.add("one", np.zeros((1, 44_100)))
    catalog.store()
    catalog.platform.lake.close()
    assert typed("status").code == 0
    home = tmp_path / "home"
    with read_only(home):
        assert typed("sql", "SELECT item FROM tracks", "--format", "json").rows == [{"item": "one"}]
        for command in (
            ("status",), ("plan",), ("sql",), ("report", "--to", str(tmp_path / "report")),
            ("export", "parquet", "--to", str(tmp_path / "export")),
        ):  # fmt: skip
            assert typed(*command).code == 0, command
        refused = typed("sql", "--write", "DELETE FROM tracks")
        assert (refused.code, "read-only" in refused.err) == (2, True)
    assert (tmp_path / "report/index.html").is_file()
    assert typed("sql", "SELECT item FROM tracks", "--format", "json").rows == [{"item": "one"}]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left on device", "/x/y"), "/x/y: No space left on device"),
        (OSError(30, "Read-only file system", "/x/y"), "/x/y: Read-only file system"),
        (sqlite3.OperationalError("database or disk is full"), "SQLite: database or disk is full"),
    ],
)
def test_a_storage_error_is_one_sentence_however_it_is_wrapped(error, said, monkeypatch):
    def wrapped():
        try:
            raise error
        except Exception as cause:
            raise RuntimeError("a page of text\nof an SQL toolkit") from cause

    lines = []
    monkeypatch.setattr(output.err, "print", lambda text, **_: lines.append(text))
    with pytest.raises(typer.Exit) as ended, friendly():
        wrapped()
    assert ended.value.exit_code == 2
    assert lines[-1] == f"{said}. Run again when it can be written and read."


def test_a_fault_of_the_program_is_not_taken_for_one_of_storage():
    with pytest.raises(KeyError), friendly():
        raise KeyError("bpm")
    with pytest.raises(FileNotFoundError), friendly():
        raise FileNotFoundError(2, "No such file", "x")
