"""What is found, what is skipped, and that nothing is found twice."""

import os
import tempfile
from pathlib import Path

import pytest

from audio_assets.ingest.discover import Found, discover


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "music"
    root.mkdir()
    return root


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def found(*paths):
    return [entry.path for entry in discover(paths).found]


def skipped(*paths):
    return {entry.path: entry.reason for entry in discover(paths).skipped}


def test_audio_files_are_found_by_extension_at_any_depth(folder):
    wanted = [
        touch(folder / name)
        for name in ("A.FLAC", "a.mp3", "b/c/d/e.m4a", "b/line\nbreak.ogg", "b/caf\udce9.wav", "é/ü ß.opus")
    ]
    for name in ("cover.jpg", "a.txt", "notes", "b/c/playlist.m3u", "mp3"):
        touch(folder / name)
    assert set(found(folder)) == set(wanted)
    assert skipped(folder) == {}


def test_hidden_files_and_folders_are_left_alone(folder):
    touch(folder / ".hidden.wav")
    touch(folder / "._resource fork.wav")
    touch(folder / ".trash" / "a.wav")
    assert found(folder) == []
    assert skipped(folder) == {}


def test_the_order_is_that_of_the_bytes_of_the_path(folder):
    for name in ("b.wav", "B.wav", "a/z.wav", "a.wav", "é.wav", "z.wav", "caf\udce9.wav"):
        touch(folder / name)
    paths = found(folder)
    assert [os.fsencode(path) for path in paths] == sorted(os.fsencode(path) for path in paths)
    assert paths == found(folder / "z.wav", folder, folder / "a")


def test_the_root_is_the_folder_given_or_the_file_s_own(folder):
    path = touch(folder / "rock" / "a.wav")
    assert discover([folder]).found == (Found(path, folder),)
    assert discover([path]).found == (Found(path, folder / "rock"),)
    assert discover([path, folder]).found == (Found(path, folder / "rock"),)


def test_a_file_given_by_name_needs_no_extension(folder):
    path = touch(folder / ".take 1")
    assert found(path) == [path]


def test_links_within_the_folder_are_followed_but_no_file_is_found_twice(folder):
    path = touch(folder / "rock" / "a.wav")
    (folder / "0 first by name.wav").symlink_to(path)
    (folder / "rock 2").symlink_to(folder / "rock")
    assert found(folder) == [path]


def test_links_to_hidden_files_of_the_folder_are_found(folder):
    """So do git-annex and DVC keep data."""
    touch(folder / ".annex" / "SHA256-123")
    touch(folder / ".store" / "b.wav")
    (folder / "song.wav").symlink_to(folder / ".annex" / "SHA256-123")
    (folder / "album").symlink_to(folder / ".store")
    assert found(folder) == [folder / "album" / "b.wav", folder / "song.wav"]


def test_links_out_of_the_folder_are_reported_not_followed(folder, tmp_path):
    outside = touch(tmp_path / "outside" / "a.wav")
    (folder / "file.wav").symlink_to(outside)
    (folder / "folder").symlink_to(outside.parent)
    (folder / "cover.jpg").symlink_to(outside)
    assert found(folder) == []
    reasons = skipped(folder)
    assert set(reasons) == {folder / "file.wav", folder / "folder"}
    assert all("leads out of" in reason for reason in reasons.values())


def test_links_given_by_name_are_followed_wherever_they_lead(folder, tmp_path):
    outside = touch(tmp_path / "outside" / "a.wav")
    (folder / "file.wav").symlink_to(outside)
    (folder / "folder").symlink_to(outside.parent)
    assert found(folder / "file.wav") == [folder / "file.wav"]
    assert found(folder / "folder") == [folder / "folder" / "a.wav"]


def test_loops_end(folder):
    path = touch(folder / "a" / "a.wav")
    (folder / "a" / "up").symlink_to(folder)
    (folder / "self.wav").symlink_to(folder / "self.wav")
    (folder / "x.wav").symlink_to(folder / "y.wav")
    (folder / "y.wav").symlink_to(folder / "x.wav")
    assert found(folder) == [path]
    assert set(skipped(folder)) == {folder / "self.wav", folder / "x.wav", folder / "y.wav"}


def test_broken_links_pipes_and_missing_paths_are_reported(folder):
    (folder / "broken.wav").symlink_to(folder / "gone.wav")
    os.mkfifo(folder / "pipe.wav")
    reasons = skipped(folder, folder / "missing.wav")
    assert reasons == {
        folder / "broken.wav": "it cannot be read: no such file or directory",
        folder / "pipe.wav": "it is no regular file",
        folder / "missing.wav": "it cannot be read: no such file or directory",
    }
    assert found(folder) == []


def test_a_folder_one_may_not_read_is_reported_and_the_rest_found(folder):
    path = touch(folder / "open" / "a.wav")
    locked = touch(folder / "locked" / "b.wav").parent
    locked.chmod(0)
    superuser = os.geteuid() == 0
    ours = [parent for parent in folder.parents if Path(tempfile.gettempdir()) in parent.parents]
    for parent in ours if superuser else ():
        parent.chmod(0o755)
    if superuser:
        os.seteuid(65_534)
    try:
        assert found(folder) == [path]
        assert skipped(folder) == {locked: "it cannot be read: permission denied"}
    finally:
        if superuser:
            os.seteuid(0)
        locked.chmod(0o755)
