"""Damaged, missing and read-only storage: one sentence in reads and writes, and what can be read is read."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from audio_assets.resources.lake import Lake, LakeError
from tests.resources.test_lake import make_lake


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """The folder, mounted so that not even root can write to it."""
    done = subprocess.run(["mount", "--bind", folder, folder], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("file systems cannot be mounted here")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def filled(folder: Path) -> Path:
    """A lake with a table in a Parquet file; the file."""
    lake = make_lake(folder)
    lake.write(
        lambda c: c.execute("CREATE TABLE t AS SELECT range AS n, md5(range::VARCHAR) AS s FROM range(20000)")
    )
    lake.close()
    (file,) = (folder / "lake/data").rglob("*.parquet")
    return file


def ends(lake: Lake) -> str:
    """How reading everything ends: ``ok``, or what is said. Nothing but `LakeError` may come."""
    try:
        lake.rows("SELECT sum(n), max(s), count(DISTINCT s) FROM t")
    except LakeError as error:
        assert "\n" not in str(error)
        return str(error)
    finally:
        lake.close()
    return "ok"


def test_a_damaged_or_missing_parquet_file_is_one_sentence_however_it_is_damaged(tmp_path):
    file = filled(tmp_path)
    good = file.read_bytes()
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    said = []
    for n in range(25):
        data = bytearray(good)
        for _ in range(30 + 30 * n):
            data[chance.randrange(len(data))] = chance.randrange(256)
        file.write_bytes(data[: chance.choice([len(data), len(data) // 2, len(data) - 3])])
        said.append(ends(make_lake(tmp_path, read_only=True)))
    file.write_bytes(b"")
    said.append(ends(make_lake(tmp_path)))
    file.unlink()
    said.append(ends(make_lake(tmp_path)))
    assert sum("cannot be read" in one for one in said) >= 25
    file.write_bytes(good)
    assert ends(make_lake(tmp_path)) == "ok"


@pytest.mark.parametrize("damage", [b"junk" * 3000, b"SQLite format 3\0" + b"\1" * 9000])
def test_a_damaged_catalog_is_one_sentence(tmp_path, damage):
    filled(tmp_path)
    (tmp_path / "lake/catalog.sqlite").write_bytes(damage)
    for only in (True, False):
        assert "cannot be opened" in ends(make_lake(tmp_path, read_only=only))


def test_a_read_only_home_is_read_and_a_write_to_it_is_one_sentence(tmp_path):
    filled(tmp_path)
    with read_only(tmp_path):
        for only in (True, False):
            assert ends(make_lake(tmp_path, read_only=only)) == "ok"
        lake = make_lake(tmp_path)
        with pytest.raises(LakeError, match="cannot be written: its folder is read-only"):
            lake.write(lambda c: c.execute("DELETE FROM t"))
        lake.close()
    lake = make_lake(tmp_path)
    lake.write(lambda c: c.execute("DELETE FROM t"))
    assert lake.rows("SELECT count(*) FROM t") == [(0,)]
    lake.close()


def test_what_other_programs_have_written_but_not_merged_yet_is_in_a_read_only_home_too(tmp_path):
    filled(tmp_path)
    lake = make_lake(tmp_path)
    lake.write(lambda c: c.execute("INSERT INTO t VALUES (-1, 'last')"))
    with read_only(tmp_path):
        other = make_lake(tmp_path)
        assert other.rows("SELECT s FROM t WHERE n = -1") == [("last",)]
        other.close()
    lake.close()
