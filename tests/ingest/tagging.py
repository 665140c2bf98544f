"""Tags and covers put into files the way taggers do."""

from __future__ import annotations

import base64
from pathlib import Path

import av
import mutagen
from mutagen import (
    aiff,
    apev2,
    asf,
    flac,
    id3,
    mp3,
    mp4,
    oggflac,
    oggopus,
    oggvorbis,
    trueaudio,
    wave,
    wavpack,
)

COVER = bytes(range(256)) * 160
"""40,960 bytes: more than a tenth of any file here, as covers are."""


def retag(path: Path, title: str) -> None:
    """Give a file a title and a cover, in the tags of its own format."""
    file = mutagen.File(path)
    if file.tags is None:
        file.add_tags()
    match file:
        case mp3.MP3() | wave.WAVE() | aiff.AIFF() | trueaudio.TrueAudio():
            for frame in id3_tag(title).values():
                file.tags.add(frame)
        case mp4.MP4():
            file["©nam"] = [title]
            file["covr"] = [mp4.MP4Cover(COVER)]
        case flac.FLAC():
            file["title"] = title
            file.add_picture(_picture())
        case oggvorbis.OggVorbis() | oggopus.OggOpus() | oggflac.OggFLAC():
            file["title"] = title
            file["metadata_block_picture"] = [base64.b64encode(_picture().write()).decode()]
        case wavpack.WavPack():
            file["Title"] = title
            file["Cover Art (Front)"] = apev2.APEValue(COVER, apev2.BINARY)
        case asf.ASF():
            file["Title"] = title
            file["WM/Picture"] = asf.ASFByteArrayAttribute(COVER)
    file.save()


def id3_tag(title: str) -> id3.ID3:
    tag = id3.ID3()
    tag.add(id3.TIT2(encoding=3, text=title))
    tag.add(id3.APIC(encoding=3, mime="image/jpeg", type=3, desc="", data=COVER))
    return tag


def append_ape(path: Path) -> None:
    """Put an APEv2 tag with a cover behind all that is there."""
    tag = apev2.APEv2()
    tag["Title"] = "behind"
    tag["Cover Art (Front)"] = apev2.APEValue(COVER, apev2.BINARY)
    tag.save(path)


def append_id3v1(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"TAG" + b"behind".ljust(125, b"\0"))


def append_lyrics3(path: Path) -> None:
    """Lyrics3 v2 stands before ID3v1."""
    text = b"LYRICSBEGININD0000200LYR00011[00:01]words"
    with path.open("ab") as file:
        file.write(text + b"%06dLYRICS200" % len(text))
    append_id3v1(path)


def remuxed(path: Path, target: Path, **metadata: str) -> Path:
    """The same packets in a new container with other metadata, like ``ffmpeg -c copy -metadata``."""
    with av.open(str(path)) as source, av.open(str(target), "w") as output:
        stream = source.streams.best("audio")
        copy = output.add_stream_from_template(stream)
        output.metadata.update(metadata)
        for packet in source.demux(stream):
            if packet.size:
                packet.stream = copy
                output.mux(packet)
    return target


def _picture() -> flac.Picture:
    picture = flac.Picture()
    picture.data, picture.type, picture.mime = COVER, 3, "image/jpeg"
    return picture
