"""Large values as files: stored like bytes, and gone from where they were, whatever happens."""

import os

import pytest

from audio_assets.engine import OBJECT, TEXT, Blob, Column, Table, item_asset
from audio_assets.engine.declare.outcomes import Outcome
from audio_assets.engine.declare.tables import Item
from audio_assets.engine.run.compute import Computer
from audio_assets.engine.run.tasks import ItemTask, Task, WorkerSetup
from audio_assets.resources.objects import ObjectError, Objects
from tests.engine.toys import NOTE
from tests.resources.test_lake import small_disk

COPIES = Table(
    "file_copies", NOTE, [Column("copy", OBJECT, doc="Bytes"), Column("name", TEXT, doc="Name")], rows="many"
)
FOLDER = "AUDIO_ASSETS_TEST_FOLDER"


@item_asset(table=COPIES, group="toys", code_version="1")
def file_copies(note):
    from pathlib import Path

    rows = []
    for name in ("first", "second"):
        path = Path(os.environ[FOLDER]) / name
        path.write_bytes(f"{note} {name}".encode() * 1000)
        rows.append({"copy": Blob(path, "bin"), "name": 7 if note == "wrong" else name})
    return rows


@pytest.fixture
def compute(tmp_path, monkeypatch):
    """A function that computes the copies of a note in this process: result, objects, folder of the files."""
    folder = tmp_path / "files"
    folder.mkdir()
    monkeypatch.setenv(FOLDER, str(folder))

    def run(text):
        path = tmp_path / "note.txt"
        path.write_text(text)
        objects = Objects(str(tmp_path / "objects"))
        reference = (file_copies.fn.__module__, "file_copies")
        code = {"file_copies": file_copies.code({}).digest}
        sent = []
        computer = Computer(WorkerSetup((reference,), code, {}, {}, objects), sent.append)
        item = Item("a", "hash", str(path))
        computer(Task((ItemTask(item, {"file_copies": "fp"}),)))
        return sent[1], objects, folder

    return run


def test_files_are_stored_under_a_key_with_their_hash_and_removed(compute):
    result, objects, folder = compute("note")
    assert result.outcome is Outcome.OK
    assert [objects.get(row["copy"]) for row in result.rows] == [b"note first" * 1000, b"note second" * 1000]
    assert all(row["copy"].startswith("file_copies/a/fp-copy-") for row in result.rows)
    assert not list(folder.iterdir())


def test_files_of_rows_that_break_their_table_are_removed_too(compute):
    result, objects, folder = compute("wrong")
    assert result.outcome is Outcome.FAILED
    assert not list(objects.modified())
    assert not list(folder.iterdir())


def test_a_file_is_stored_in_the_place_of_an_object_of_other_bytes(tmp_path):
    objects = Objects(str(tmp_path / "objects"))
    path = tmp_path / "file"
    path.write_bytes(b"x" * 12_000_000)
    objects.put("a/1.bin", path)
    assert objects.get("a/1.bin") == path.read_bytes()
    path.write_bytes(b"other")
    objects.put("a/1.bin", path)
    assert objects.get("a/1.bin") == b"other"
    assert [key for key, _ in objects.modified()] == ["a/1.bin"]


def test_a_file_that_does_not_fit_on_the_disk_leaves_no_object(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(os.urandom(12_000_000))
    with small_disk(tmp_path) as disk:
        objects = Objects(str(disk))
        with pytest.raises(ObjectError, match=r"a/1\.bin \(12000000 bytes\) could not be written"):
            objects.put("a/1.bin", path)
        assert not list(objects.modified())
