"""The same tags, written by mutagen or FFmpeg into each format, are read alike."""

import av
import mutagen
import pytest
from mutagen import asf, id3, mp4

from audio_assets.audio.decode import decode
from audio_assets.ingest.tags import Tags, read_tags
from tests.audio.synthesis import tones, write_coded, write_pcm, write_vorbis

WANTED = Tags(
    title="Jóga",
    artist="Björk; Leila",
    album="Homogenic",
    album_artist="Björk",
    composer="Sjón",
    year=1997,
    genre="Electronic",
    language="eng",
    isrc="GBAKW9700123",
    licence="https://creativecommons.org/licenses/by/4.0/",
    lyrics="All these accidents\nthat happen",
    musicbrainz_recording_id="rec-1",
    musicbrainz_artist_id="artist-1",
    musicbrainz_release_id="release-1",
    musicbrainz_work_id="work-1",
)

VORBIS = {
    "title": "Jóga",
    "artist": ["Björk", "Leila"],
    "album": "Homogenic",
    "albumartist": "Björk",
    "composer": "Sjón",
    "date": "1997-09-15",
    "genre": "Electronic",
    "language": "eng",
    "isrc": "GBAKW9700123",
    "license": "https://creativecommons.org/licenses/by/4.0/",
    "lyrics": "All these accidents\nthat happen",
    "musicbrainz_trackid": "rec-1",
    "musicbrainz_artistid": "artist-1",
    "musicbrainz_albumid": "release-1",
    "musicbrainz_workid": "work-1",
}


def id3_frames():
    def extra(description, text):
        return id3.TXXX(encoding=3, desc=description, text=text)

    return [
        id3.TIT2(encoding=3, text="Jóga"),
        id3.TPE1(encoding=3, text=["Björk", "Leila"]),
        id3.TALB(encoding=1, text="Homogenic"),
        id3.TPE2(encoding=3, text="Björk"),
        id3.TCOM(encoding=3, text="Sjón"),
        id3.TDRC(encoding=3, text="1997-09-15"),
        id3.TCON(encoding=3, text="(52)"),
        id3.TLAN(encoding=3, text="eng"),
        id3.TSRC(encoding=3, text="GBAKW9700123"),
        id3.WCOP(url="https://creativecommons.org/licenses/by/4.0/"),
        id3.USLT(encoding=3, lang="eng", desc="", text="All these accidents\r\nthat happen"),
        id3.UFID(owner="http://musicbrainz.org", data=b"rec-1"),
        extra("MusicBrainz Artist Id", "artist-1"),
        extra("MusicBrainz Album Id", "release-1"),
        extra("MusicBrainz Work Id", "work-1"),
    ]


def tag_vorbis(path):
    file = mutagen.File(path)
    file.update(VORBIS)
    file.save()


def tag_id3(path):
    file = mutagen.File(path)
    if file.tags is None:
        file.add_tags()
    for frame in id3_frames():
        file.tags.add(frame)
    file.save()


def tag_mp4(path):
    file = mp4.MP4(path)
    file["©nam"], file["©ART"], file["©alb"] = "Jóga", ["Björk", "Leila"], "Homogenic"
    file["aART"], file["©wrt"], file["©day"], file["©gen"] = "Björk", "Sjón", "1997", "Electronic"
    file["©lyr"] = "All these accidents\nthat happen"
    for name, value in {
        "LANGUAGE": "eng",
        "ISRC": "GBAKW9700123",
        "LICENSE": "https://creativecommons.org/licenses/by/4.0/",
        "MusicBrainz Track Id": "rec-1",
        "MusicBrainz Artist Id": "artist-1",
        "MusicBrainz Album Id": "release-1",
        "MusicBrainz Work Id": "work-1",
    }.items():
        file[f"----:com.apple.iTunes:{name}"] = mp4.MP4FreeForm(value.encode())
    file.save()


def tag_asf(path):
    file = asf.ASF(path)
    for name, value in {
        "Title": "Jóga",
        "Author": ["Björk", "Leila"],
        "WM/AlbumTitle": "Homogenic",
        "WM/AlbumArtist": "Björk",
        "WM/Composer": "Sjón",
        "WM/Year": "1997",
        "WM/Genre": "Electronic",
        "WM/Language": "eng",
        "WM/ISRC": "GBAKW9700123",
        "LICENSE": "https://creativecommons.org/licenses/by/4.0/",
        "WM/Lyrics": "All these accidents\nthat happen",
        "MusicBrainz/Track Id": "rec-1",
        "MusicBrainz/Artist Id": "artist-1",
        "MusicBrainz/Album Id": "release-1",
        "MusicBrainz/Work Id": "work-1",
    }.items():
        file[name] = value
    file.save()


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("a.flac", tag_vorbis),
        ("a.ogg", tag_vorbis),
        ("a.opus", tag_vorbis),
        ("a.wv", tag_vorbis),
        ("a.mp3", tag_id3),
        ("a.wav", tag_id3),
        ("a.aiff", tag_id3),
        ("a.m4a", tag_mp4),
        ("a.wma", tag_asf),
    ],
)
def test_every_format_s_tags_are_read_alike(tmp_path, name, tag):
    path = tmp_path / name
    write = {"flac": write_pcm, "wav": write_pcm, "aiff": write_pcm, "ogg": write_vorbis}
    write.get(path.suffix[1:], write_coded)(path, tones(0.2, 48_000), 48_000)
    assert read_tags(path) == Tags()
    tag(path)
    assert read_tags(path) == WANTED


def test_the_info_chunk_of_a_wav_may_be_latin_1(tmp_path):
    path = write_pcm(tmp_path / "a.wav", tones(0.1), 44_100)
    chunk = b"INFOINAM" + (4).to_bytes(4, "little") + "Jóga".encode("latin-1")
    content = path.read_bytes() + b"LIST" + len(chunk).to_bytes(4, "little") + chunk
    path.write_bytes(content[:4] + (len(content) - 8).to_bytes(4, "little") + content[8:])
    assert read_tags(path).title == "Jóga"


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mka", "flac"), ("a.webm", "libopus"), ("a.caf", "pcm_s16le")]
)
def test_tags_that_mutagen_does_not_know_are_read_by_ffmpeg(tmp_path, name, codec):
    path = tmp_path / name
    with av.open(str(path), "w") as output:
        output.metadata.update(title="Jóga", artist="Björk", album_artist="Sugarcubes", genre="Podcast")
        stream = output.add_stream(codec, rate=48_000, layout="mono")
        frame = av.AudioFrame(format="s16", layout="mono", samples=960)
        frame.sample_rate = 48_000
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    tags = read_tags(path)
    assert tags == Tags(title="Jóga", artist="Björk", album_artist="Sugarcubes", genre="Podcast")


def test_the_info_chunk_of_a_wav_is_read(tmp_path):
    path = tmp_path / "a.wav"
    with av.open(str(path), "w") as output:
        output.metadata.update(title="Jóga", artist="Björk", date="1997", genre="Electronic")
        stream = output.add_stream("pcm_s16le", rate=8_000, layout="mono")
        frame = av.AudioFrame(format="s16", layout="mono", samples=800)
        frame.sample_rate = 8_000
        output.mux(stream.encode(frame))
    tags = read_tags(path)
    assert (tags.title, tags.artist, tags.year, tags.genre) == ("Jóga", "Björk", 1997, "Electronic")


@pytest.mark.parametrize(
    ("date", "year"),
    [("1997-09-15", 1997), ("15.9.1997", 1997), ("19970915", 1997), ("97", None), ("0000", None), ("", None)],
)
def test_the_year_is_the_first_of_four_digits_in_the_date(tmp_path, date, year):
    path = write_pcm(tmp_path / "a.flac", tones(0.1), 44_100)
    file = mutagen.File(path)
    file["date"] = date
    file.save()
    assert read_tags(path).year == year


@pytest.mark.parametrize(
    ("name", "field", "marker", "length"),
    [("a.flac", "title", b"title=", b"\xff\xff\xff\x7f"), ("a.m4a", "©nam", b"\xa9nam", b"\0\0\0\5")],
)
def test_broken_tags_are_a_note_and_the_audio_is_good(tmp_path, name, field, marker, length):
    path = tmp_path / name
    (write_pcm if name == "a.flac" else write_coded)(path, tones(0.2), 44_100)
    file = mutagen.File(path)
    file[field] = "Jóga"
    file.save()
    content = bytearray(path.read_bytes())
    at = content.index(marker) - 4
    content[at : at + 4] = length
    path.write_bytes(content)
    tags = read_tags(path)
    assert tags == Tags(note=tags.note)
    assert tags.note.startswith("tags cannot be read (error: ")
    assert decode(path).samples.shape == (2, 8_820)


def test_any_error_of_the_tag_library_is_a_note(tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise KeyError("moov")

    monkeypatch.setattr(mutagen, "File", fail)
    assert read_tags(write_pcm(tmp_path / "a.wav", tones(0.1), 44_100)) == Tags(
        note="tags cannot be read (KeyError: 'moov')"
    )


def test_tag_text_is_clean_for_every_database(tmp_path):
    path = write_coded(tmp_path / "a.mp3", tones(0.2), 44_100)
    file = mutagen.File(path)
    file.tags.add(id3.TIT2(encoding=3, text=" a\x07b\x1b "))
    file.tags.add(id3.TPE1(encoding=1, text="漢\u3000字\xa0🎵"))
    file.save()
    assert read_tags(path).title == "ab"
    assert read_tags(path).artist == "漢\u3000字\xa0🎵"


def test_a_playlist_in_disguise_opens_no_other_file(tmp_path):
    other = tmp_path / "private.mka"
    write_pcm(tmp_path / "a.wav", tones(0.2), 44_100)
    with av.open(str(tmp_path / "a.wav")) as source, av.open(str(other), "w") as target:
        target.metadata["title"] = "Secret"
        stream = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux():
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    assert read_tags(other).title == "Secret"
    for name, text in {
        "song.mp3": f"#EXTM3U\n#EXTINF:1,\n{other}\n#EXT-X-ENDLIST\n",
        "song.flac": f"ffconcat version 1.0\nfile '{other}'\n",
    }.items():
        (tmp_path / name).write_text(text)
        assert read_tags(tmp_path / name).title is None
