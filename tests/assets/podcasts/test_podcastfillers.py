"""The CSV of PodcastFillers, with its real columns and the trouble that real files bring."""

import csv

import pytest

from audio_assets.ingest.annotations.events import Event
from audio_assets.ingest.annotations.matching import match_recordings
from audio_assets.ingest.annotations.podcastfillers import read_podcastfillers
from audio_assets.ingest.text import SidecarError

HEADER = (
    "clip_name,pfID,label_full_vocab,label_consolidated_vocab,podcast_filename,event_start_inepisode,"
    "event_end_inepisode,event_start_inclip,event_end_inclip,clip_start_inepisode,clip_end_inepisode,"
    "duration,confidence,n_annotators,episode_split_subset,clip_split_subset,pitch_cent"
)


def write_csv(path, *events, header=HEADER):
    """A CSV in the data set's columns; each event gives some of them."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, header.split(","), restval="")
        writer.writeheader()
        writer.writerows(events)
    return path


def an_event(name="One, two", start="1.5", end="2.25", **others):
    return {
        "label_full_vocab": "Laughter",
        "podcast_filename": name,
        "event_start_inepisode": start,
        "event_end_inepisode": end,
        **others,
    }


def test_events_are_kept_by_episode_with_commas_and_quotes_in_its_name(tmp_path):
    name = 'Eggs, "ham" and what, if anything, is left'
    path = write_csv(
        tmp_path / "PodcastFillers.csv",
        an_event(name, "10.0", "11.0", confidence="0.8", episode_split_subset="train"),
        an_event(name, "2.0", "3.5", label_full_vocab="You know", episode_split_subset="train"),
        an_event("Other", "0", "0", confidence="1.0", episode_split_subset="test"),
    )
    collection = read_podcastfillers(path)
    assert collection.events == {
        name: [
            Event(2.0, 3.5, "You know", None, "podcastfillers", "train"),
            Event(10.0, 11.0, "Laughter", 0.8, "podcastfillers", "train"),
        ],
        "Other": [Event(0.0, 0.0, "Laughter", 1.0, "podcastfillers", "test")],
    }
    assert collection.refused == ()


def test_a_bad_line_is_refused_by_its_number_and_costs_only_itself(tmp_path):
    path = write_csv(
        tmp_path / "a.csv",
        an_event(start="-0.5"),
        an_event(start="3.0", end="2.0"),
        an_event(start="one"),
        an_event(end="inf"),
        an_event(name=" "),
        an_event(confidence="sure"),
        an_event(),
    )
    collection = read_podcastfillers(path)
    assert [len(events) for events in collection.events.values()] == [1]
    assert [reason.split(":")[0] for reason in collection.refused] == [
        f"a.csv, line {line}" for line in range(2, 8)
    ]
    assert "'3.0' to '2.0'" in collection.refused[1]
    assert "0 <= start <= end" in collection.refused[1]


def test_lines_are_counted_as_an_editor_counts_them(tmp_path):
    path = write_csv(tmp_path / "a.csv", an_event(label_full_vocab="two\nlines"), an_event(end="x"))
    assert read_podcastfillers(path).refused[0].startswith("a.csv, line 4:")


def test_a_file_that_is_another_one_is_refused_by_the_columns_it_lacks(tmp_path):
    path = write_csv(tmp_path / "a.csv", header="podcast_filename,event_start_inepisode")
    with pytest.raises(SidecarError, match="no column event_end_inepisode, label_full_vocab, confidence"):
        read_podcastfillers(path)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b'podcast_filename,"label\n', None])
def test_what_is_no_csv_in_utf8_is_refused(tmp_path, content):
    path = tmp_path / "a.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SidecarError, match=r"a\.csv: found no "):
        read_podcastfillers(path)


def test_a_file_with_a_byte_order_mark_is_read(tmp_path):
    path = write_csv(tmp_path / "a.csv", an_event())
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert list(read_podcastfillers(path).events) == ["One, two"]


def test_names_match_files_whatever_their_case_accents_spaces_and_extension():
    matches = match_recordings(
        ["Café,  Noir", "ep. 5", "Two.mp3", "nowhere", "twice"],
        [
            ("a", "train/cafe\u0301, noir.WAV"),
            ("a", "copy/Cafe\u0301, Noir.mp3"),
            ("b", "ep. 5.mp3"),
            ("c", "x/two.mp3"),
            ("d", "x/twice.mp3"),
            ("e", "y/twice.mp3"),
        ],
    )
    assert matches.items == {"Café,  Noir": "a", "ep. 5": "b", "Two.mp3": "c"}
    assert matches.unmatched == ("nowhere",)
    assert matches.ambiguous == {"twice": ("d", "e")}
