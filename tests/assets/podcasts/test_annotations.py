"""Annotations of an episode from all their sources."""

import pytest

from audio_assets.assets.podcasts.annotations import annotations
from audio_assets.engine import NotApplicable
from audio_assets.ingest.annotations.events import Event, events_from_json, events_to_json, fit_events
from audio_assets.ingest.text import SidecarError
from audio_assets.ingest.uris import to_uri


def record(*label_files, imported=(), duration_s=60.0, notes=()):
    return {
        "duration_s": duration_s,
        "label_uris": [to_uri(file) for file in label_files],
        "sidecars_digest": "digest",
        "notes": list(notes),
        "imported_events_json": events_to_json(imported) if imported else None,
    }


def write(path, text):
    path.write_text(text)
    return path


def test_label_tracks_and_imports_come_together_in_order_of_time(tmp_path):
    audacity = write(tmp_path / "a.labels.txt", "30\t31.5\tlaughter\n5\t6\tdoor, slammed\n")
    table = write(tmp_path / "a.csv", "start_s,end_s,label,confidence\n10,11,Laughter,0.6\n")
    imported = [Event(7.0, 7.5, "Uh", 0.8, "podcastfillers", "train")]
    rows = annotations(None, record=record(audacity, table, imported=imported))
    assert rows == annotations.table.check_rows(rows)
    found = [
        (row["start_s"], row["end_s"], row["label"], row["confidence"], row["source"], row["split"])
        for row in rows
    ]
    assert found == [
        (5.0, 6.0, "door, slammed", None, "a.labels.txt", None),
        (7.0, 7.5, "Uh", 0.8, "podcastfillers", "train"),
        (10.0, 11.0, "Laughter", 0.6, "a.csv", None),
        (30.0, 31.5, "laughter", None, "a.labels.txt", None),
    ]
    assert all(row["note"] is None for row in rows)


def test_overlapping_events_are_all_kept(tmp_path):
    track = write(tmp_path / "a.labels.txt", "1\t4\tlaughter\n2\t3\tlaughter\n2\t5\tmusic\n")
    assert len(annotations(None, record=record(track))) == 3


def test_events_past_the_end_are_cut_off_with_a_note():
    events = [
        Event(58.0, 63.0, "a", None, "x"),
        Event(70.0, 71.0, "b", None, "x"),
        Event(1, 60.0, "c", None, "x"),
    ]
    whole, over, past = fit_events(events, 60.0)
    assert (whole.start_s, whole.end_s, whole.note) == (1, 60.0, None)
    assert (over.start_s, over.end_s) == (58.0, 60.0)
    assert over.note == "was 58.000 to 63.000 s; the episode ends at 60.000 s"
    assert (past.start_s, past.end_s) == (60.0, 60.0)
    assert past.note.startswith("was 70.000 to 71.000 s")


def test_an_episode_without_annotations_is_not_applicable_and_faults_are_told():
    with pytest.raises(NotApplicable, match=r"^no annotations$"):
        annotations(None, record=record())
    with pytest.raises(NotApplicable, match=r"no annotations \(a\.csv: found event 2 to be"):
        annotations(None, record=record(notes=["a.csv: found event 2 to be …"]))


def test_a_label_track_that_went_bad_since_it_was_ingested_fails(tmp_path):
    track = write(tmp_path / "a.labels.txt", "1\t2\tlaughter\n3\t2.5\tlaughter\n")
    with pytest.raises(SidecarError, match="event 2"):
        annotations(None, record=record(track))


def test_events_survive_json():
    events = [Event(0.1, 0.30000000000000004, "Höhö, „ja“", None, "x", "test", "note")]
    assert events_from_json(events_to_json(events)) == events
