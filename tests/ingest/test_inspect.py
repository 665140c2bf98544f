"""One file, one record: what it says is what is there."""

import dataclasses
import json
import shutil
from pathlib import Path

import mutagen
import numpy as np
import pytest

from audio_assets.audio.decode import AudioError
from audio_assets.ingest import inspect as inspect_module
from audio_assets.ingest.discover import discover
from audio_assets.ingest.identity import sound_hash
from audio_assets.ingest.inspect import inspect
from audio_assets.ingest.labels import Label, read_labels
from audio_assets.ingest.uris import from_uri
from tests.audio.synthesis import tones, write_coded, write_pcm
from tests.ingest.tagging import retag


@pytest.fixture
def song(tmp_path):
    folder = tmp_path / "library" / "rock" / "indie"
    folder.mkdir(parents=True)
    path = write_pcm(folder / "01 – Jóga.flac", tones(1.5, 48_000), 48_000, "PCM_24")
    file = mutagen.File(path)
    file.update({"title": "Jóga", "artist": "Björk", "date": "1997", "lyrics": "from the tag"})
    file.save()
    return path


def test_a_record_of_everything(song, tmp_path):
    song.with_suffix(".lrc").write_text("[00:01.00]emotional landscapes")
    song.with_suffix(".json").write_text('{"clique_id": "C7", "license": "CC0"}')
    labels = song.with_suffix(".labels.txt")
    labels.write_text("0.5\t1.0\tsinging")
    record = inspect(song, root=tmp_path / "library")
    assert record.content_hash == sound_hash(song)
    assert record.key == f"bjork-joga-{record.content_hash[:10]}"
    assert (record.kind, record.kind_reason) == ("track", "2 s of stereo")
    assert from_uri(record.uri) == song
    assert record.relative_path == "rock/indie/01 – Jóga.flac"
    assert (record.size_bytes, record.modified_ns) == (song.stat().st_size, song.stat().st_mtime_ns)
    assert (record.container, record.codec, record.bit_depth) == ("flac", "flac", 24)
    assert (record.sample_rate, record.channels) == (48_000, 2)
    assert (record.samples, record.duration_s, record.truncated) == (72_000, 1.5, False)
    assert (record.title, record.artist, record.year, record.album) == ("Jóga", "Björk", 1997, None)
    assert (record.folder_genre, record.folder_subgenre) == ("rock", "indie")
    assert json.loads(record.tags_json) == {
        "title": "Jóga",
        "artist": "Björk",
        "year": 1997,
        "lyrics": "from the tag",
    }
    assert record.lyrics == "emotional landscapes"
    assert json.loads(record.timed_lyrics_json) == [{"start_s": 1.0, "text": "emotional landscapes"}]
    assert json.loads(record.metadata_json) == {"clique_id": "C7", "license": "CC0"}
    assert record.licence == "CC0"
    assert [read_labels(from_uri(uri)) for uri in record.label_uris] == [(Label(0.5, 1.0, "singing"),)]
    assert record.notes == ()


@pytest.mark.parametrize("place", ["tag", ".lrc"])
def test_timed_lyrics_are_the_same_from_a_tag_and_from_a_file(song, place):
    text = "[ti:Jóga]\n[00:01.50]emotional <00:02.00>landscapes\n[00:03.00]they puzzle me"
    if place == "tag":
        file = mutagen.File(song)
        file["lyrics"] = text
        file.save()
    else:
        song.with_suffix(place).write_text(text)
    record = inspect(song)
    assert record.lyrics == "emotional landscapes\nthey puzzle me"
    assert json.loads(record.timed_lyrics_json) == [
        {"start_s": 1.5, "text": "emotional landscapes"},
        {"start_s": 3.0, "text": "they puzzle me"},
    ]


def test_lyrics_of_the_tags_count_where_none_lie_beside(song):
    assert inspect(song).lyrics == "from the tag"
    assert inspect(song).sidecars_digest is None


def test_a_record_is_flat_and_every_text_can_be_stored(tmp_path):
    path = write_pcm(tmp_path / "plain.wav", tones(0.2), 44_100)
    (tmp_path / "p\udce9dcasts").mkdir()
    path = path.rename(tmp_path / "p\udce9dcasts" / "line\nbreak caf\udce9.wav")
    record = inspect(path, root=tmp_path)
    for value in dataclasses.asdict(record).values():
        assert isinstance(value, str | int | float | bool | tuple | None)
        json.dumps(value, ensure_ascii=False).encode()
    assert record.relative_path == r"p\udce9dcasts/line\nbreak caf\udce9.wav"
    assert record.folder_genre == r"p\udce9dcasts"
    assert from_uri(record.uri).read_bytes() == path.read_bytes()


def test_the_same_sound_has_the_same_identity_under_any_name_and_with_any_tags(tmp_path):
    one = write_pcm(tmp_path / "one.wav", tones(0.2), 44_100)
    other = Path(shutil.copy(one, tmp_path / "other.wav"))
    retag(other, "Other")
    first, second = inspect(one), inspect(other)
    assert (first.title, second.title) == (None, "Other")
    assert first.content_hash == second.content_hash
    assert first.key[-10:] == second.key[-10:] == first.content_hash[:10]


def test_the_kind_can_be_given(song):
    record = inspect(song, kind="episode")
    assert (record.kind, record.kind_reason) == ("episode", "as given")


def test_lengths_are_counted_not_read_from_the_header(tmp_path):
    path = write_pcm(tmp_path / "a.flac", np.concatenate([tones(2.0)] * 2, axis=1), 44_100)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    record = inspect(path)
    assert record.truncated
    assert 1.0 < record.duration_s < 3.0
    assert record.samples == round(record.duration_s * 44_100)


def test_faults_beside_good_audio_are_notes(song):
    song.with_suffix(".json").write_text("{")
    song.with_suffix(".csv").write_text("nonsense\n1\n")
    record = inspect(song)
    assert {note.split(": ")[0] for note in record.notes} == {"01 – Jóga.json", "01 – Jóga.csv"}
    assert record.metadata_json is None
    assert record.label_uris == ()


def test_a_file_that_is_no_audio_is_refused(tmp_path):
    path = tmp_path / "a.mp3"
    path.write_text("no audio")
    with pytest.raises(AudioError, match="nothing that decodes"):
        inspect(path)
    with pytest.raises(AudioError, match="no such file"):
        inspect(tmp_path / "gone.mp3")


def test_a_file_that_is_still_being_written_is_refused(song, monkeypatch):
    read_tags = inspect_module.read_tags

    def append_meanwhile(path):
        with path.open("ab") as file:
            file.write(b"more")
        return read_tags(path)

    monkeypatch.setattr(inspect_module, "read_tags", append_meanwhile)
    with pytest.raises(AudioError, match="changed while it was read"):
        inspect(song)


def test_the_original_is_not_touched(song):
    def state():
        return song.read_bytes(), song.stat().st_mtime_ns, sorted(song.parent.iterdir())

    before = state()
    inspect(song)
    assert state() == before


def test_a_folder_of_good_and_bad_files_gives_a_record_or_a_reason_each(tmp_path):
    write_pcm(tmp_path / "good.wav", tones(0.2), 44_100)
    write_coded(tmp_path / "good.mp3", tones(0.2), 44_100)
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.mp3").write_text("no audio")
    outcomes = {}
    for entry in discover([tmp_path]).found:
        try:
            outcomes[entry.path.name] = inspect(entry.path, entry.root).codec
        except AudioError as error:
            outcomes[entry.path.name] = str(error).split("; ")[0].split(": found ")[1]
    assert outcomes == {
        "empty.wav": "an empty file (0 bytes)",
        "good.mp3": "mp3",
        "good.wav": "pcm_s16",
        "text.mp3": "nothing that decodes as audio (FFmpeg: invalid data found when processing input)",
    }
