"""Temporary files go with the process that made them, at the latest when the next one begins."""

from __future__ import annotations

import os
import subprocess
import sys

from audio_assets.resources.scratch import PREFIX, Scratch, sweep


def test_folders_of_living_sessions_stay_and_go_when_they_close(tmp_path):
    one, other = Scratch(tmp_path), Scratch(tmp_path)
    (one.folder() / "half.flac").write_bytes(b"x")
    sweep(tmp_path)
    assert set(tmp_path.iterdir()) == {one.path, other.path}
    one.close()
    assert set(tmp_path.iterdir()) == {other.path}
    other.close()
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_a_session_that_was_killed_is_swept_and_nothing_else(tmp_path):
    code = (
        "import os, pathlib, signal, sys\n"
        "from audio_assets.resources.scratch import Scratch\n"
        "scratch = Scratch(pathlib.Path(sys.argv[1]))\n"
        "(scratch.folder() / 'half.flac').write_bytes(b'x')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    (left,) = tmp_path.iterdir()
    strangers = [tmp_path / "other", tmp_path / f"{PREFIX}notes"]  # no session's: it has no lock in it
    for folder in strangers:
        folder.mkdir()
    sweep(tmp_path)
    assert not left.exists()
    assert sorted(tmp_path.iterdir()) == sorted(strangers)


def test_what_a_killed_process_left_of_all_its_temporary_files_goes_with_the_next(tmp_path):
    """What DuckDB spills, a plan on its way to storage, a model that is packed for MLflow: all in one folder."""
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from audio_assets.resources.lake import Lake\n"
        "from audio_assets.resources.scratch import scratch_folder\n"
        "lake = Lake(f'sqlite:{sys.argv[1]}/catalog.sqlite', f'{sys.argv[1]}/data',"
        " connection_config={'memory_limit': '100MB', 'threads': '1'})\n"
        "with lake.get_connection() as connection, scratch_folder() as folder:\n"
        "    (folder / 'plan.parquet').write_bytes(b'x')\n"
        "    connection.execute('CREATE TEMP TABLE big AS SELECT hash(range) AS h, hash(range + 1) AS i,"
        " hash(range + 2) AS j FROM range(10000000)')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    environment = {**os.environ, "TMPDIR": str(scratch)}
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False, env=environment)
    (left,) = scratch.iterdir()
    assert any(path.parent.name == "duckdb" for path in left.rglob("*")), "DuckDB spilled nothing"
    assert list(left.rglob("plan.parquet"))
    sweep(scratch)
    assert list(scratch.iterdir()) == []
