"""A file without the tags that stand before and behind its audio: what FFmpeg is given to read.

ID3v2 stands before audio; ID3v1, APEv2, Lyrics3 and ID3v2 with a footer stand behind it. FFmpeg takes those
behind for audio in some formats: an MP3 loses its gapless end to a large APEv2 tag and gains frames of
noise, a FLAC's or an AC-3's last packet grows, a WavPack ends with an error. So nobody who reads through
here sees what a tagger wrote.
"""

from __future__ import annotations

import io
from typing import BinaryIO

_KNOWS_ITS_END = (b"RIFF", b"RIFX", b"RF64", b"riff", b"FORM", b".snd", b"caff")
"""Containers that state where their audio ends; it may be PCM, in which any bytes may look like a tag."""

_ID3V2_HEADER = 10
_ID3V2_HAS_FOOTER = 0x10
_ID3V1 = 128
_APE_FOOTER = 32
_APE_HAS_HEADER = 1 << 31
_LYRICS3_END = 15


class Untagged:
    """An open file from behind its first tags to before its last ones, for reading; the caller closes it."""

    def __init__(self, file: BinaryIO) -> None:
        self.name = getattr(file, "name", "")
        """The file's name, by whose ending FFmpeg chooses where the contents leave it open."""
        self._file = file
        self._start, self._end = 0, file.seek(0, io.SEEK_END)
        while length := self._id3v2_before():
            self._start += length
        if self._bytes(self._start, 4) not in _KNOWS_ITS_END:
            while length := self._tag_behind():
                self._end -= length
        self.seek(0)

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes, all that are left if it is negative."""
        left = max(0, self._end - self._file.tell())
        return self._file.read(left if size < 0 else min(size, left))

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place and return it, as files do; places count from behind the first tags."""
        if whence == io.SEEK_CUR:
            offset += self.tell()
        elif whence == io.SEEK_END:
            offset += self._end - self._start
        elif whence != io.SEEK_SET:
            raise ValueError(f"found whence {whence}; wanted 0, 1 or 2")
        return self._file.seek(self._start + offset) - self._start

    def tell(self) -> int:
        """The place that is read next."""
        return self._file.tell() - self._start

    def _bytes(self, start: int, count: int) -> bytes:
        if start < self._start or start + count > self._end:
            return b""
        self._file.seek(start)
        return self._file.read(count)

    def _fits(self, length: int) -> int:
        """`length` if as much and some audio is there, else 0: then it is no tag, or a damaged one."""
        return length if 0 < length < self._end - self._start else 0

    def _id3v2_before(self) -> int:
        return self._fits(_id3v2_length(self._bytes(self._start, _ID3V2_HEADER), b"ID3"))

    def _tag_behind(self) -> int:
        if self._bytes(self._end - _ID3V1, 3) == b"TAG":
            return self._fits(_ID3V1)
        footer = self._bytes(self._end - _APE_FOOTER, _APE_FOOTER)
        if footer.startswith(b"APETAGEX"):
            has_header = int.from_bytes(footer[20:24], "little") & _APE_HAS_HEADER
            length = int.from_bytes(footer[12:16], "little")
            return self._fits(length + (_APE_FOOTER if has_header else 0))
        lyrics = self._bytes(self._end - _LYRICS3_END, _LYRICS3_END)
        if lyrics.endswith(b"LYRICS200") and lyrics[:6].isdigit():
            return self._fits(int(lyrics[:6]) + _LYRICS3_END)
        return self._fits(_id3v2_length(self._bytes(self._end - _ID3V2_HEADER, _ID3V2_HEADER), b"3DI"))


def _id3v2_length(header: bytes, magic: bytes) -> int:
    """The length of the whole tag by its header or footer, 0 where there is none."""
    if len(header) < _ID3V2_HEADER or not header.startswith(magic) or max(header[6:]) > 0x7F:
        return 0
    size = header[6] << 21 | header[7] << 14 | header[8] << 7 | header[9]
    return size + _ID3V2_HEADER + (_ID3V2_HEADER if header[5] & _ID3V2_HAS_FOOTER else 0)
