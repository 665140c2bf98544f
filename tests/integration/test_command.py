"""The `audio-assets` command from ingest to SQL, as a user types it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from audio_assets.resources.query import connect
from audio_assets.settings import Settings
from tests.conftest import Command, write_tone

ASSET = """
from audio_assets.assets.catalog import TRACK
from audio_assets.engine import FLOAT, Column, Table, item_asset
import my_library

PEAKS = Table("peaks", TRACK, [Column("peak", FLOAT, doc="Largest sample", low=0, high=2)])

@item_asset(table=PEAKS, group="mine", code_version="1")
def peaks(track, *, scale: float = 1.0):
    return {"peak": scale * my_library.peak(track)}
"""
LIBRARY = """
import time
def peak(track):
    return float(abs(track.samples).max())
"""


@pytest.fixture
def with_peaks(command: Command) -> Command:
    (command.home / "my_features.py").write_text(ASSET)
    (command.home / "my_library.py").write_text(LIBRARY)
    command.settings["modules"] = '["my_features"]'
    return command


def test_the_way_from_ingest_to_sql_and_back_to_nothing_to_do(with_peaks: Command, tones: Path):
    command = with_peaks
    (tones / "broken.mp3").write_text("this is no audio")
    out = command.from_scratch("ingest", str(tones), "--as", "track", code=1)
    assert "3 new" in out and "1 rejected" in out and "broken.mp3" in out
    assert "3 known" in command("ingest", str(tones), "--as", "track", code=1)

    command.from_scratch("run", "peaks")
    assert command.from_scratch("run", "peaks") == "Nothing to do: everything asked for is up to date.\n"
    assert command.states()["peaks"] == {
        "asset": "peaks", "ok": 3, "not_applicable": 0, "failed": 0, "quarantined": 0,
        "stale": 0, "drifted": 0, "missing": 0,
    }  # fmt: skip
    rows = command.sql("SELECT peak FROM peaks ORDER BY item")
    assert all(0.25 < row["peak"] < 0.4 for row in rows) and len(rows) == 3
    assert "rejected" in str(command.sql("SELECT 'rejected', reason FROM rejected_files"))

    (with_peaks.home / "my_library.py").write_text(LIBRARY.replace("max()", "max() * 0.5"))
    assert command.states()["peaks"]["drifted"] == 3
    assert command("run", "peaks").splitlines() == [
        "Nothing to do.",
        "3 values have drifted: `audio-assets run --drifted` redoes them.",
    ]
    command("run", "peaks", "--drifted")
    assert command.states()["peaks"]["ok"] == 3
    assert all(row["peak"] < 0.2 for row in command.sql("SELECT peak FROM peaks"))


def test_files_that_vanish_or_change_after_ingest_fail_alone(with_peaks: Command, tones: Path):
    command = with_peaks
    command("ingest", str(tones), "--as", "track")
    (tones / "tone 220.wav").unlink()
    write_tone(tones / "tone 440.wav", 450)
    out = command("run", "peaks", code=1)
    assert "is gone" in out and "holds another sound" in out
    assert command.states()["peaks"]["ok"] == 1
    listed = json.loads(command("status", "peaks", "--failed", "--format", "json"))
    assert {row["outcome"] for row in listed} == {"failed"} and len(listed) == 2

    write_tone(tones / "tone 220.wav", 220)  # the same sound is back
    assert "1 new" in command("ingest", str(tones), "--as", "track")  # the changed one
    out = command("retry", "peaks", code=1)
    assert "ok" in out
    assert command.states()["peaks"]["missing"] == 1  # it never failed
    command("run", "peaks")
    states = command.states()["peaks"]
    assert (states["ok"], states["failed"]) == (3, 1)
    (reason,) = command.sql("SELECT reason FROM ledger WHERE outcome = 'failed'")
    assert "no file holds its sound any more" in str(reason["reason"])


def test_the_same_sound_in_two_places_is_one_item(with_peaks: Command, tones: Path):
    shutil.copy(tones / "tone 220.wav", tones / "copy.wav")
    assert "3 new" in with_peaks("ingest", str(tones), "--as", "track")
    (row,) = with_peaks.sql("SELECT count(*) AS places FROM files GROUP BY item HAVING count(*) > 1")
    assert row == {"places": 2}
    assert "0 new, 4 known" in with_peaks("ingest", str(tones), "--as", "track")
    shutil.copy(tones / "tone 220.wav", tones / "another copy.wav")
    assert "0 new, 4 known, 1 at another place" in with_peaks("ingest", str(tones), "--as", "track")


def test_names_with_spaces_quotes_newlines_and_other_letters(with_peaks: Command, tmp_path: Path):
    names = ['it\'s "quoted".wav', "two\nlines.wav", "Björk – Jóga 日本.wav", "-dash.wav", "%41;drop.wav"]
    for number, name in enumerate(names):
        write_tone(tmp_path / "odd" / name, 100 + 50 * number)
    with_peaks("ingest", str(tmp_path / "odd"), "--as", "track")
    with_peaks("run", "peaks")
    assert with_peaks.states()["peaks"]["ok"] == len(names)


def test_sql_is_read_only_unless_asked(with_peaks: Command, tones: Path):
    with_peaks("ingest", str(tones), "--as", "track")
    with_peaks("sql", "DELETE FROM tracks", code=2)
    assert "--write" in with_peaks.errors
    assert with_peaks.sql("SELECT count(*) AS n FROM tracks") == [{"n": 3}]
    with_peaks("sql", "DELETE FROM tracks", "--write")
    assert with_peaks.sql("SELECT count(*) AS n FROM tracks") == [{"n": 0}]


def test_a_parameter_that_one_process_saves_is_in_force_for_every_other(with_peaks: Command, tones: Path):
    def plan(*arguments: str) -> list[tuple[object, ...]]:
        rows = json.loads(with_peaks("plan", "peaks", "--format", "json", *arguments))
        return [(row["asset"], row["why"], row["items"], row["size"]) for row in rows]

    with_peaks("ingest", str(tones), "--as", "track", "--run", "peaks")
    others = ["--items", "tone-440,tone-880"]
    before = plan(*others, "--set", "scale=0.5", "--save")
    assert before == [("peaks", "parameters", 2, pytest.approx(4 / 3600))]
    assert plan() == []  # nothing was saved
    with_peaks("run", "peaks", "--items", "tone-220", "--set", "scale=0.5", "--save")
    assert plan(*others) == before == plan()
    with_peaks("run", "peaks")
    assert all(0.12 < row["peak"] < 0.2 for row in with_peaks.sql("SELECT peak FROM peaks"))
    with_peaks.settings["parameters"] = '{"peaks": {"scale": 1.0}}'  # the environment stands above the file
    assert [row[:3] for row in plan()] == [("peaks", "parameters", 3)]


@pytest.mark.parametrize("form", ["table", "csv", "json", "parquet"])
def test_sql_writes_every_format(with_peaks: Command, tones: Path, tmp_path: Path, form: str):
    with_peaks("ingest", str(tones), "--as", "track")
    (tmp_path / "query.sql").write_text("SELECT item, label_uris, channels FROM tracks")
    environment = with_peaks.environment()
    arguments = ["-f", str(tmp_path / "query.sql"), "--format", form]
    done = subprocess.run(
        [sys.executable, "-m", "audio_assets", "sql", *arguments],
        env=environment, capture_output=True, check=True,
    )  # fmt: skip
    if form == "parquet":
        import polars as pl

        assert pl.read_parquet(done.stdout)["channels"].to_list() == [2, 2, 2]
    else:
        assert done.stdout.count(b"tone-") == 3


def test_mistakes_get_an_answer_that_helps(command: Command, tones: Path):
    command("sql", "SELECT 1", code=2)
    assert "audio-assets ingest" in command.errors
    command("ingest", str(tones), "--as", "track")
    command("run", "no_such_asset", code=2)
    assert "no_such_asset" in command.errors
    command("run", "--items", "nobody", code=2)
    assert "fits no item" in command.errors
    command("ingest", str(tones / "nothing here"), code=1)


def test_only_the_items_asked_for_are_computed(with_peaks: Command, tones: Path):
    with_peaks("ingest", str(tones), "--as", "track")
    with_peaks("run", "peaks", "--items", "tone-220", "--items", "tone-880")
    states = with_peaks.states()["peaks"]
    assert (states["ok"], states["missing"]) == (2, 1)


def test_a_killed_run_goes_on_where_it_was(with_peaks: Command, tmp_path: Path):
    slow = LIBRARY.replace("    return", "    time.sleep(1.0)\n    return")
    (with_peaks.home / "my_library.py").write_text(slow)
    for number in range(24):
        write_tone(tmp_path / "many" / f"{number}.wav", 100 + number, seconds=0.2)
    with_peaks.settings["chunk_items"] = "4"
    with_peaks("ingest", str(tmp_path / "many"), "--as", "track")
    process = subprocess.Popen(
        [sys.executable, "-m", "audio_assets", "run", "peaks"],
        env=with_peaks.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    with connect(Settings(home=with_peaks.home / "state")) as connection:  # users read while runs write
        deadline = time.monotonic() + 90
        while (stored := _stored(connection)) < 8 and time.monotonic() < deadline:
            time.sleep(0.2)
        process.send_signal(signal.SIGKILL)
        process.wait()
        stored = _stored(connection)
    assert 8 <= stored < 24
    with_peaks("run", "peaks")
    (row,) = with_peaks.sql("SELECT count(*) AS n, count(DISTINCT item) AS items FROM peaks")
    assert row == {"n": 24, "items": 24}
    runs = with_peaks.sql("SELECT count(*) AS n FROM ledger GROUP BY run_id ORDER BY min(computed_at)")
    assert [row["n"] for row in runs] == [stored, 24 - stored]
    assert not _workers_of(with_peaks.home)


def _stored(connection: duckdb.DuckDBPyConnection) -> int:
    return connection.execute("SELECT count(*) FROM ledger").fetchall()[0][0]


def _workers_of(home: Path) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir() if Path("/proc").is_dir() else ():
        try:
            text = (entry / "environ").read_bytes() if entry.name.isdigit() else b""
            command_line = (entry / "cmdline").read_bytes() if text else b""
        except OSError:
            continue
        if os.fsencode(str(home)) in text and b"audio_assets.engine.workers.child" in command_line:
            found.append(int(entry.name))
    return found


def test_doctor_finds_this_machine_in_order(command: Command):
    out = command("doctor")
    for what in ("Python", "FFmpeg", "DuckDB ducklake", "objects", "not made yet"):
        assert what in out
