"""What FFmpeg is given of a file: all but the tags before and behind the audio."""

from __future__ import annotations

import io

import numpy as np
import pytest

from audio_assets.audio.decode import decode
from audio_assets.audio.untagged import Untagged
from tests.audio.synthesis import tones, write_coded, write_pcm
from tests.ingest.tagging import append_ape

AUDIO = bytes(range(200)) * 2
ID3V2 = b"ID3\4\0\0" + bytes([0, 0, 1, 2]) + b"t" * 130
ID3V2_WITH_FOOTER = b"ID3\4\0\x10" + bytes([0, 0, 0, 5]) + b"title" + b"3DI\4\0\x10" + bytes([0, 0, 0, 5])
ID3V1 = b"TAG".ljust(128, b"t")
APE_ITEM = b"item" * 3
APE_END = len(APE_ITEM + bytes(32)).to_bytes(4, "little") + b"\1\0\0\0"
APE = b"APETAGEX\xd0\7\0\0" + APE_END + b"\0\0\0\x80" + bytes(8) + APE_ITEM
BARE_APE = APE_ITEM + b"APETAGEX\xe8\3\0\0" + APE_END + bytes(12)
APE += b"APETAGEX\xd0\7\0\0" + APE_END + b"\0\0\0\x80" + bytes(8)
LYRICS = b"LYRICSBEGINwords000016LYRICS200"


@pytest.mark.parametrize(
    ("before", "behind"),
    [
        (b"", b""),
        (ID3V2, b""),
        (ID3V2 + ID3V2, ID3V1),
        (b"", APE),
        (b"", BARE_APE),
        (b"", APE + ID3V1),
        (b"", ID3V1 + APE),
        (b"", LYRICS + ID3V1),
        (ID3V2_WITH_FOOTER, ID3V2_WITH_FOOTER),
    ],
)
def test_only_the_audio_is_there(before, behind):
    file = Untagged(io.BytesIO(before + AUDIO + behind))
    assert file.read() == AUDIO
    assert file.seek(0, io.SEEK_END) == len(AUDIO) == file.tell()
    assert file.seek(-3, io.SEEK_END) == len(AUDIO) - 3
    assert file.read(100) == AUDIO[-3:]
    assert file.read(100) == b""
    assert (file.seek(5), file.seek(2, io.SEEK_CUR), file.read(4)) == (5, 7, AUDIO[7:11])


@pytest.mark.parametrize(
    "content",
    [
        b"ID3",
        b"ID3\4\0\0" + bytes([0, 0x80, 0, 1]) + AUDIO,  # a size that no tag can have
        b"ID3\4\0\0" + bytes([9, 0, 0, 0]) + AUDIO,  # longer than the file
        AUDIO + b"APETAGEX\xd0\7\0\0\xff\xff\xff\x0f" + bytes(16),
        AUDIO + b"LYRICSBEGIN999999LYRICS200",
        AUDIO + b"LYRICSBEGINabcdefLYRICS200",
        ID3V1,  # nothing but a tag
        b"",
    ],
)
def test_what_is_no_whole_tag_stays(content):
    assert Untagged(io.BytesIO(content)).read() == content


def test_samples_that_look_like_a_tag_are_samples(tmp_path):
    path = write_pcm(tmp_path / "a.wav", tones(0.1), 44_100)
    content = path.read_bytes()
    path.write_bytes(content[:-128] + ID3V1)
    assert Untagged(io.BytesIO(path.read_bytes())).read() == path.read_bytes()


def test_a_cover_behind_an_mp3_neither_ends_its_gapless_playback_nor_sounds(tmp_path):
    path = write_coded(tmp_path / "a.mp3", tones(0.5), 44_100)
    plain = decode(path)
    append_ape(path)
    found = decode(path)
    assert found.samples.shape == (2, 22_050)
    assert not found.truncated
    np.testing.assert_array_equal(found.samples, plain.samples)
