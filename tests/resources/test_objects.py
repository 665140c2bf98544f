"""Objects: written once and whole, or not at all."""

from __future__ import annotations

import os
import pickle
import time
from pathlib import Path

import pytest

from audio_assets.resources.objects import ObjectError, Objects
from audio_assets.settings import Settings
from tests.resources.test_lake import small_disk


@pytest.fixture
def objects(tmp_path):
    return Objects(str(tmp_path / "objects"))


@pytest.mark.parametrize("is_file", [False, True])
def test_an_object_that_is_stored_again_is_young_and_whole_again(objects, tmp_path, is_file):
    data: bytes | Path = b"sound"
    if is_file:
        data = tmp_path / "sound.flac"
        data.write_bytes(b"sound")
    path, long_ago = Path(objects.root) / "stems/a/1.flac", 1e9
    for damage in (b"sound", b"", b"s", b"SOUND", b"sound and noise"):
        objects.put("stems/a/1.flac", data)
        path.write_bytes(damage)
        os.utime(path, (long_ago, long_ago))
        objects.put("stems/a/1.flac", data)
        assert path.read_bytes() == b"sound"
        assert [when.timestamp() > time.time() - 60 for _, when in objects.modified()] == [True]


def test_an_object_that_is_not_there_is_an_error_that_names_it(objects):
    with pytest.raises(
        ObjectError, match=r"Object stems/a/1\.flac cannot be read from .*objects: .*not found"
    ):
        objects.get("stems/a/1.flac")


def test_objects_can_be_listed_and_deleted(objects):
    for name in ("x/1.bin", "x/2.bin", "y/3.bin"):
        objects.put(name, b"data")
    objects.delete(["x/1.bin"])
    assert {key for key, _ in objects.modified()} == {"x/2.bin", "y/3.bin"}
    assert all(when.tzinfo is not None for _, when in objects.modified())


def test_a_full_disk_leaves_no_part_of_an_object_and_those_before_it_whole(tmp_path):
    with small_disk(tmp_path) as disk:
        objects = Objects(str(disk))
        data = {f"x/{n}.bin": os.urandom(700_000) for n in range(4)}
        for key, value in data.items():
            objects.put(key, value)
        with pytest.raises(
            ObjectError, match=r"x/4\.bin \(700000 bytes\) could not be written .*No space left"
        ) as caught:
            objects.put("x/4.bin", os.urandom(700_000))
        assert "\n" not in str(caught.value)
        assert {str(path.relative_to(disk)) for path in disk.rglob("*") if path.is_file()} == set(data)
        assert all(objects.get(key) == value for key, value in data.items())
        objects.delete(["x/0.bin"])
        objects.put("x/4.bin", b"fits")


def test_object_storage_travels_to_workers_after_it_was_used(objects):
    objects.put("x/1.bin", b"data")
    assert pickle.loads(pickle.dumps(objects)).get("x/1.bin") == b"data"


def test_the_settings_name_the_folder_or_bucket(tmp_path):
    local = Objects.from_settings(Settings(home=tmp_path))
    assert local.root == f"{tmp_path}/objects"
    bucket = Objects.from_settings(
        Settings(
            home=tmp_path, objects="s3://sounds/objects", s3_endpoint="http://127.0.0.1:9000", s3_key_id="k"
        )
    )
    assert (bucket.root, bucket.s3_endpoint, bucket.s3_key_id) == (
        "s3://sounds/objects",
        "http://127.0.0.1:9000",
        "k",
    )
