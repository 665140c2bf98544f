"""Text beside audio: encodings, and lyrics with times."""

import pytest

from audio_assets.ingest.text import LyricLine, SidecarError, lrc_words, parse_lrc, read_text

LRC = """[ar:Nena]
[ti:99 Luftballons]
[00:01.50]Hast du etwas Zeit für mich
[00:05.2][01:10.250]Refrain
[00:03:75]<00:03.75>Dann <00:04.00>singe ich
no time here
[100:00.00]late
"""


def test_lrc_lines_come_by_time_and_repeats_as_often_as_they_are_sung():
    assert parse_lrc(LRC) == (
        LyricLine(1.5, "Hast du etwas Zeit für mich"),
        LyricLine(3.75, "Dann singe ich"),
        LyricLine(5.2, "Refrain"),
        LyricLine(70.25, "Refrain"),
        LyricLine(6_000.0, "late"),
    )


@pytest.mark.parametrize(
    ("offset", "start_s"), [("+500", 9.5), ("-500", 10.5), ("20000", 0.0), ("9" * 400, 10.0)]
)
def test_a_positive_offset_makes_lyrics_earlier(offset, start_s):
    assert parse_lrc(f"[offset:{offset}]\n[00:10.00]x") == (LyricLine(start_s, "x"),)


def test_the_words_of_an_lrc_are_its_lines_without_times_and_headers():
    assert lrc_words(LRC) == ("Hast du etwas Zeit für mich\nRefrain\nDann singe ich\nno time here\nlate")
    assert lrc_words("[Chorus]\n[00:01.00]la la") == "[Chorus]\nla la"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_utf8_and_marked_utf16_are_read_alike(tmp_path, encoding):
    path = tmp_path / "a.txt"
    path.write_bytes("Größe\r\n漢字\rend".encode(encoding))
    assert read_text(path) == "Größe\n漢字\nend"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("Größe".encode("latin-1"), "no valid UTF-8"),
        (b"\x89PNG\r\n\x1a\n\0\0", "no valid UTF-8"),
        (b"a\0b", "NUL characters"),
        (b"x" * (16 * 2**20 + 1), "more than 16777216 bytes"),
    ],
)
def test_what_is_no_text_is_refused_with_its_name(tmp_path, content, message):
    path = tmp_path / "a\nb.txt"
    path.write_bytes(content)
    with pytest.raises(SidecarError, match=message) as caught:
        read_text(path)
    assert str(caught.value).startswith("a\\nb.txt: found ")


def test_a_text_that_is_gone_is_refused(tmp_path):
    with pytest.raises(SidecarError, match="no such file"):
        read_text(tmp_path / "a.txt")
