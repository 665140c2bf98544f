"""Temporary files of workers go with them, at the latest when the next session begins."""

from __future__ import annotations

import subprocess
import sys

from audio_assets.engine.workers.scratch import PREFIX, Scratch, sweep


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
        "from audio_assets.engine.workers.scratch import Scratch\n"
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
