"""Label tracks in all their formats say the same."""

import pytest

from audio_assets.ingest.labels import Label, read_labels
from audio_assets.ingest.text import SidecarError

EVENTS = (Label(0.5, 1.25, "laughter"), Label(2.0, 2.0, 'a, "quoted" one'), Label(3.0, 4.0, ""))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.labels.txt", '3.0\t4.0\t\n0.5\t1.25\tlaughter\n\\\t100.0\t2000.0\n2.0\t2.0\ta, "quoted" one\n\n'),
        ("a.labels.txt", '3,0\t4,0\t\n0,5\t1,25\tlaughter\n2,0\t2,0\ta, "quoted" one\n'),
        ("a.csv", 'start_s,end_s,label\n3,4,\n0.5,1.25,laughter\n2.0,2.0,"a, ""quoted"" one"\n'),
        ("a.csv", 'label,end,start,who\n,4,3,x\nlaughter,1.25,0.5,y\n"a, ""quoted"" one",2,2,z\n'),
        (
            "a.json",
            '[{"start_s": 0.5, "end_s": 1.25, "label": "laughter"}, {"start": 3, "end": 4, "label": ""},'
            ' {"start_s": 2, "end_s": 2, "label": "a, \\"quoted\\" one"}]',
        ),
    ],
)
def test_events_are_read_in_order_of_time(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    assert read_labels(path) == EVENTS


def test_confidence_is_read_where_it_is_given(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("start_s,end_s,label,confidence\n0,1,laughter,0.75\n1,2,music,\n")
    assert [label.confidence for label in read_labels(path)] == [0.75, None]


def test_speakers_of_an_rttm_file_are_events(tmp_path):
    path = tmp_path / "a.rttm"
    path.write_text(
        ";; a comment\nSPKR-INFO a 1 <NA> <NA> <NA> unknown Vera <NA> <NA>\n"
        "SPEAKER a 1 12.5 3.25 <NA> <NA> Miles <NA> <NA>\nSPEAKER a 1 1.0 2.0 <NA> <NA> Vera <NA> <NA>\n"
    )
    assert read_labels(path) == (Label(1.0, 3.0, "speaker:Vera"), Label(12.5, 15.75, "speaker:Miles"))


def test_an_empty_label_track_has_no_events(tmp_path):
    for name, text in (("a.txt", ""), ("a.csv", "start_s,end_s,label\n"), ("a.json", "[]")):
        (tmp_path / name).write_text(text)
        assert read_labels(tmp_path / name) == ()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "1.0\t0.5\tx", "event 1"),
        ("a.txt", "-1.0\t0.5\tx", "event 1"),
        ("a.txt", "0\t1\tx\none\t2\tx", "event 2"),
        ("a.txt", "0\t1", "event 1"),
        ("a.txt", "0\tinf\tx", "event 1"),
        ("a.csv", "from,to,label\n0,1,x\n", "event 1"),
        ("a.rttm", "SPEAKER a 1 1 -2 <NA> <NA> Vera <NA> <NA>", "event 1"),
        ("a.rttm", "SPEAKER a 1 one 2 <NA> <NA> Vera <NA> <NA>", "event 1"),
        ("a.rttm", ";;\nSPEAKER a 1 1 2", "event 2"),
        ("a.csv", "start_s,end_s,label\n0,1\n", "event 1"),
        ("a.csv", 'start_s,end_s,label\n0,1,"x\n', "no valid CSV"),
        ("a.csv", "start_s,end_s,label,confidence\n0,1,x,high\n", "event 1"),
        ("a.json", '{"start_s": 0}', "no list of objects"),
        ("a.json", "[1, 2]", "no list of objects"),
        ("a.json", "[{", "no valid JSON"),
        ("a.json", "[" * 100_000, "no valid JSON"),
        ("a.json", '[{"start_s": NaN, "end_s": 1, "label": "x"}]', "event 1"),
        ("a.json", '[{"start_s": 0, "end_s": 1, "label": 5}]', "event 1"),
        ("a.json", f'[{{"start_s": 0, "end_s": {"9" * 400}, "label": "x"}}]', "event 1"),
        ("a.json", '[{"start_s": 0, "end_s": 1, "label": "\\ud800"}]', "event 1"),
    ],
)
def test_what_is_no_event_is_refused_with_its_place(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(SidecarError, match=message) as caught:
        read_labels(path)
    assert str(caught.value).startswith(f"{name}: found ")
