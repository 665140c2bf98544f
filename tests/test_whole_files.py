"""State is written by one function, which leaves a file whole or not there; no other way in unseen."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from audio_assets.whole_files import replacing

CHECKOUT = Path(__file__).resolve().parents[1]

OTHERS = {
    "audio_assets/whole_files.py": "the function itself",
    "audio_assets/resources/journal.py": "lines are appended to a journal, and a damaged one is left out",
    "audio_assets/resources/launches.py": "what a detached run prints, as it prints it",
    "audio_assets/resources/scratch.py": "a lock in a temporary folder",
    "audio_assets/engine/workers/process.py": "the standard error of a worker, in a temporary folder",
    "audio_assets/engine/run/backup.py": "databases are copied by SQLite, files by `replacing`",
    "models/training/checkpoint.py": "`replace_file`, which does the same for the networks",
    "models/training/state.py": "by `replace_file`",
    "models/training/packed.py": "by `replace_file`",
}
"""Modules that open files for writing in another way, and why they may."""

FOR_PEOPLE = ("audio_assets/demo/", "audio_assets/export/", "audio_assets/report/", "audio_assets/audio/")
"""What is made for people, and sound on its way to storage: no state of the home."""

WRITERS = {
    "write_text", "write_bytes", "touch", "rename", "renames", "copyfile", "copy2", "copytree", "move", "savez",
    "savez_compressed", "save_file", "fdopen", "dump", "hardlink_to", "symlink_to", "truncate", "backup", "tofile",
}  # fmt: skip
MODES = set("wax+")


def writes(source: str) -> Iterator[tuple[int, str]]:
    """Calls that write files, by line."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in WRITERS:
            yield node.lineno, name
        elif name == "open":
            texts = [
                a.value
                for a in [*node.args, *(k.value for k in node.keywords)]
                if isinstance(a, ast.Constant)
            ]
            if any(
                isinstance(text, str) and set(text) & MODES and set(text) <= MODES | set("rbt")
                for text in texts
            ):
                yield node.lineno, "open"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("path.open('w')", ["open"]),
        ("open(path, mode='ab')", ["open"]),
        ("path.open('r+b')", ["open"]),
        ("path.open()", []),
        ("open(path, 'rb')", []),
        ("path.write_text(text)", ["write_text"]),
        ("shutil.copyfile(a, b)", ["copyfile"]),
        ("json.dump(value, file)", ["dump"]),
        ("json.dumps(value)", []),
    ],
)
def test_what_writes_a_file_is_seen(source: str, found: list[str]):
    assert [name for _, name in writes(source)] == found


def test_no_module_writes_state_in_a_way_of_its_own():
    found = {}
    for path in sorted([*(CHECKOUT / "audio_assets").rglob("*.py"), *(CHECKOUT / "models").rglob("*.py")]):
        name = path.relative_to(CHECKOUT).as_posix()
        if not name.startswith(FOR_PEOPLE) and (lines := list(writes(path.read_text()))):
            found[name] = lines
    assert {name: lines for name, lines in found.items() if name not in OTHERS} == {}, (
        "write by `resources.files.write_file`, or `whole_files.replacing`"
    )
    assert OTHERS.keys() <= found.keys(), "an exception that is none any more"


def test_a_file_that_is_being_written_when_the_process_dies_is_the_old_one(tmp_path: Path):
    target = tmp_path / "state.json"
    target.write_text("old")
    script = (
        "import os, pathlib, sys\n"
        "from audio_assets.whole_files import replacing\n"
        "with replacing(pathlib.Path(sys.argv[1])) as file:\n"
        "    file.write(b'half of the new'); file.flush(); os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", script, str(target)], check=False).returncode == -9
    assert target.read_text() == "old"


def test_contents_and_name_are_on_disk_before_a_file_counts(tmp_path: Path, monkeypatch):
    """In the order that a lost power supply asks for: the contents, the name, the folder that has the name."""
    done = []
    sync, rename = os.fsync, Path.replace

    def fsync(descriptor: int) -> None:
        done.append("folder" if Path(f"/proc/self/fd/{descriptor}").resolve().is_dir() else "contents")
        sync(descriptor)

    def replace(self: Path, target: Path) -> Path:
        done.append("name")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    with replacing(tmp_path / "new" / "state") as file:
        file.write(b"x")
    assert done == ["contents", "name", "folder"]


def test_an_error_while_writing_leaves_what_was_there_and_nothing_beside_it(tmp_path: Path):
    (tmp_path / "state").write_text("old")
    with pytest.raises(ValueError, match="no more"), replacing(tmp_path / "state") as file:
        file.write(b"half")
        raise ValueError("no more")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"state": "old"}


def test_a_link_and_permissions_stay(tmp_path: Path):
    real = tmp_path / "real"
    real.write_text("old")
    real.chmod(0o640)
    (tmp_path / "link").symlink_to(real)
    with replacing(tmp_path / "link") as file:
        file.write(b"new")
    assert (tmp_path / "link").is_symlink() and real.read_text() == "new"
    assert real.stat().st_mode & 0o777 == 0o640
