"""Files beside a recording are found by name, and what is wrong with them is only a note."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_assets.ingest.sidecars import read_sidecars, sidecars_digest
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


NAMES = ("lrc", "txt", "json", "csv", "rttm", "labels.txt", "labels.csv", "labels.json")
SEEDS = (
    b"[ar:x]\n[offset:+500]\n[00:01.50]la <00:02.00>la\n",
    b'{"licence": "CC0", "tempo": 1e999, "deep": [[[1]]]}',
    b'[{"start_s": 0, "end_s": 1.5, "label": "laughter", "confidence": 0.5}]',
    b'start_s,end_s,label,confidence\n0,1,"x",0.5\n',
    b"0.5\t1.5\tlaughter\n\\\t100\t200\n",
    b"SPEAKER a 1 12.5 3.25 <NA> <NA> Miles <NA> <NA>\n",
)
PIECES = st.one_of(
    st.binary(max_size=8),
    st.sampled_from(
        (b"9" * 400, b"9" * 5_000, b"-1e999", b"NaN", b"[" * 9_000, b'"\\ud800"', b"\0", b"\xff\xfe")
    ),
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    content = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(content)))
        end = draw(st.integers(start, min(len(content), start + 6)))
        content = content[:start] + draw(PIECES) + content[end:]
    return content


@settings(max_examples=400, deadline=None)
@given(name=st.sampled_from(NAMES), content=damaged())
def test_whatever_lies_beside_is_read_or_noted_and_can_be_stored(tmp_path_factory, name, content):
    song = tmp_path_factory.getbasetemp() / "damaged.flac"
    beside = song.with_suffix(f".{name}")
    beside.write_bytes(content)
    try:
        found = read_sidecars(song)
        assert found.digest == sidecars_digest(song) is not None
        texts = (found.lyrics, found.metadata, *found.notes, *(line.text for line in found.timed_lyrics))
        for text in texts:
            (text or "").encode()
        json.dumps([line.start_s for line in found.timed_lyrics], allow_nan=False)
    finally:
        beside.unlink()


@pytest.mark.parametrize("number", ["1e999", "-1e999", "Infinity", "NaN"])
def test_a_number_that_json_cannot_hold_makes_a_note(song, number):
    song.with_suffix(".json").write_text(f'{{"tempo": {number}}}')
    found = read_sidecars(song)
    assert (found.metadata, len(found.notes)) == (None, 1)
