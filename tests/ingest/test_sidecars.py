"""Files beside a recording are found by name, and what is wrong with them is only a note."""

import json

import pytest

from audio_assets.ingest.sidecars import read_sidecars
from audio_assets.ingest.text import LyricLine


@pytest.fixture
def song(tmp_path):
    return tmp_path / "my song (live).v2.flac"


def beside(song, ending, text):
    path = song.with_name(song.name.removesuffix(".flac") + ending)
    path.write_text(text) if isinstance(text, str) else path.write_bytes(text)
    return path


def test_with_nothing_beside_there_is_nothing(song):
    song.with_name("my song (live).txt").write_text("of another file")
    song.with_name("README.json").write_text("{}")
    sidecars = read_sidecars(song)
    assert sidecars.lyrics is None
    assert sidecars.metadata is None
    assert sidecars.timed_lyrics == sidecars.label_paths == sidecars.notes == ()
    assert sidecars.digest is None


def test_everything_beside_is_found(song):
    beside(song, ".txt", "la la\n")
    beside(song, ".json", '{"b": [1, 2.5, null], "a": "ü"}')
    labels = [
        beside(song, ".labels.txt", "0\t1\tx"),
        beside(song, "_labels.json", "[]"),
        beside(song, ".csv", "start_s,end_s,label\n"),
    ]
    sidecars = read_sidecars(song)
    assert sidecars.lyrics == "la la"
    assert sidecars.timed_lyrics == ()
    assert sidecars.metadata == '{"a": "ü", "b": [1, 2.5, null]}'
    assert sidecars.label_paths == tuple(labels)
    assert sidecars.notes == ()


def test_lrc_comes_before_txt_and_keeps_its_times(song):
    beside(song, ".txt", "plain")
    beside(song, ".lrc", "[ar:x]\n[00:01.00]one\n[00:02.50]two\n")
    sidecars = read_sidecars(song)
    assert sidecars.lyrics == "one\ntwo"
    assert sidecars.timed_lyrics == (LyricLine(1.0, "one"), LyricLine(2.5, "two"))


def test_the_whole_file_name_may_stand_for_the_stem(song):
    beside(song, ".flac.txt", "la la")
    labels = beside(song, ".flac.labels.txt", "0\t1\tx")
    assert read_sidecars(song).lyrics == "la la"
    assert read_sidecars(song).label_paths == (labels,)


@pytest.mark.parametrize(
    ("ending", "content"),
    [
        (".txt", b"\xff\xfe\x00"),
        (".lrc", b"\x80"),
        (".json", "{"),
        (".json", "[1]"),
        (".json", '{"x": NaN}'),
        (".json", '{"x": "\\ud800"}'),
        (".json", "[" * 100_000),
        (".labels.txt", "no events"),
        (".csv", b"\x80"),
    ],
)
def test_a_corrupt_file_is_a_note_and_the_others_count(song, ending, content):
    path = beside(song, ending, content)
    labels = beside(song, "_labels.txt", "0\t1\tx")
    sidecars = read_sidecars(song)
    assert len(sidecars.notes) == 1
    assert sidecars.notes[0].startswith(f"{path.name}: found ")
    assert sidecars.label_paths == (labels,)
    assert sidecars.lyrics is None
    assert sidecars.metadata is None


def test_a_name_as_long_as_names_can_be_has_nothing_beside(tmp_path):
    path = tmp_path / ("x" * 251 + ".wav")
    path.touch()
    assert read_sidecars(path).notes == ()


def test_the_digest_changes_with_any_file_beside(song):
    digests = [read_sidecars(song).digest]
    for ending in (".txt", ".json", ".labels.txt"):
        for text in ("{}", "{ }"):
            beside(song, ending, text)
            digests.append(read_sidecars(song).digest)
    assert len(set(digests)) == 7
    assert read_sidecars(song).digest == digests[-1]


def test_metadata_is_json_again(song):
    beside(song, ".json", '{"clique_id": "C1", "title": "Ünïcode", "nested": {"x": [true]}}')
    metadata = read_sidecars(song).metadata
    assert json.loads(metadata) == {"clique_id": "C1", "title": "Ünïcode", "nested": {"x": [True]}}
