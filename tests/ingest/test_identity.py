"""An item is its sound: tags, covers and names leave its hash alone, and nothing that is heard does."""

from __future__ import annotations

import hashlib
import shutil
import struct
from pathlib import Path

import mutagen
import numpy as np
import pytest
import soundfile

from audio_assets.audio.decode import AudioError, decode
from audio_assets.ingest.identity import sound_hash
from tests.audio.synthesis import on_grid, tones, write_coded, write_pcm, write_vorbis
from tests.ingest.tagging import append_ape, append_id3v1, append_lyrics3, id3_tag, remuxed, retag

GOLDEN = Path(__file__).parent / "golden"
LSB = np.float32(2**-15)

FORMS = ("wav", "aiff", "flac", "mp3", "ogg", "opus", "m4a", "alac", "wv", "wma")


def write(folder: Path, form: str, samples: np.ndarray, name: str = "a", **options: int) -> Path:
    path = folder / f"{name}.{'m4a' if form == 'alac' else form}"
    if form in ("wav", "aiff", "flac"):
        return write_pcm(path, samples, 44_100)
    if form == "ogg":
        return write_vorbis(path, samples, 44_100)
    return write_coded(path, samples, 48_000 if form == "opus" else 44_100, form, **options)


def patched(path: Path, place: int, values: bytes, name: str) -> Path:
    """A copy with other bytes at `place`."""
    content = bytearray(path.read_bytes())
    content[place : place + len(values)] = values
    target = path.with_name(f"{name}{path.suffix}")
    target.write_bytes(content)
    return target


def sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def hash_of(*fields: bytes) -> str:
    return sha256(b"".join(len(field).to_bytes(8) + field for field in fields)).hex()


@pytest.fixture
def sound():
    return on_grid(tones(0.5), 16)


@pytest.mark.parametrize("form", FORMS)
def test_tags_and_a_cover_are_no_part_of_the_sound(tmp_path, sound, form):
    plain = write(tmp_path, form, sound)
    tagged = plain.with_stem("tagged")
    shutil.copy(plain, tagged)
    for title in ("Jóga", "Jóga (a longer title, so that all that follows moves)"):
        retag(tagged, title)
        assert tagged.stat().st_size > plain.stat().st_size + 40_000
        assert title in str(dict(mutagen.File(tagged).tags or {}))
        assert sound_hash(tagged) == sound_hash(plain)
    np.testing.assert_array_equal(decode(tagged).samples, decode(plain).samples)


@pytest.mark.parametrize("form", ["wav", "flac", "ogg", "opus", "m4a", "alac", "wv"])
def test_packets_copied_to_a_new_file_with_other_metadata_are_the_same_sound(tmp_path, sound, form):
    plain = write(tmp_path, form, sound)
    copy = remuxed(plain, plain.with_stem("copy"), title="Jóga", comment="x" * 1000)
    assert copy.read_bytes() != plain.read_bytes()
    assert sound_hash(copy) == sound_hash(plain)


def test_the_same_packets_in_another_container_are_the_same_sound(tmp_path, sound):
    plain = write(tmp_path, "flac", sound)
    matroska = remuxed(plain, tmp_path / "a.mka", title="Jóga")
    assert sound_hash(matroska) == sound_hash(plain)
    assert sound_hash(remuxed(matroska, tmp_path / "b.mka", title="Hunter")) == sound_hash(plain)


@pytest.mark.parametrize("form", ["mp3", "aac", "flac", "wv"])
@pytest.mark.parametrize("append", [append_ape, append_id3v1, append_lyrics3])
def test_tags_behind_the_audio_are_no_part_of_it(tmp_path, sound, form, append):
    plain = write(tmp_path, form, sound)
    tagged = plain.with_stem("tagged")
    shutil.copy(plain, tagged)
    append(tagged)
    assert sound_hash(tagged) == sound_hash(plain)
    np.testing.assert_array_equal(decode(tagged).samples, decode(plain).samples)


@pytest.mark.parametrize("form", ["aac", "flac", "mp3"])
def test_id3_before_the_audio_is_no_part_of_it(tmp_path, sound, form):
    plain = write(tmp_path, form, sound)
    tagged = plain.with_stem("tagged")
    shutil.copy(plain, tagged)
    id3_tag("Jóga").save(tagged, v1=2)
    assert sound_hash(tagged) == sound_hash(plain)


def test_tags_of_a_later_part_of_a_chained_file_are_no_part_of_it(tmp_path, sound):
    first, second = write(tmp_path, "ogg", sound), write(tmp_path, "ogg", sound[:, :9_000], "second")
    found = set()
    for title in ("one", "another, longer one"):
        file = mutagen.File(second)
        file["title"] = title
        file.save()
        chained = tmp_path / f"{title}.ogg"
        chained.write_bytes(first.read_bytes() + second.read_bytes())
        found.add(sound_hash(chained))
    assert len(found) == 1
    assert found.isdisjoint({sound_hash(first), sound_hash(second)})


def test_what_cannot_be_demuxed_to_its_end_is_its_bytes(tmp_path, sound):
    first, second = write(tmp_path, "ogg", sound), write(tmp_path, "ogg", sound[:, :9_000], "second")
    retag(second, "with a cover: so large a header is a stream of its own to FFmpeg")
    chained = tmp_path / "chained.ogg"
    chained.write_bytes(first.read_bytes() + second.read_bytes())
    assert decode(chained).truncated  # the second part is not to be had
    assert sound_hash(chained) == hash_of(b"audio-assets bytes 1", sha256(chained.read_bytes()))


@pytest.mark.parametrize("form", ["wav", "aiff", "flac", "alac", "wv"])
def test_one_changed_sample_is_another_sound(tmp_path, sound, form):
    plain = write(tmp_path, form, sound)
    sound[1, 12_345] += LSB
    assert sound_hash(write(tmp_path, form, sound, "changed")) != sound_hash(plain)


@pytest.mark.parametrize("form", ["mp3", "m4a", "opus", "wma", "aac"])
def test_another_bit_rate_is_another_sound(tmp_path, sound, form):
    hashes = {
        sound_hash(write(tmp_path, form, sound, str(rate), bit_rate=rate)) for rate in (96_000, 128_000)
    }
    assert len(hashes) == 2


@pytest.mark.parametrize("form", ["wav", "aiff", "flac", "mp3", "aac", "ogg", "wv"])
def test_a_file_that_was_cut_is_another_sound(tmp_path, sound, form):
    plain = write(tmp_path, form, sound)
    cut = plain.with_stem("cut")
    cut.write_bytes(plain.read_bytes()[: plain.stat().st_size * 9 // 10])
    assert sound_hash(cut) != sound_hash(plain)
    if form not in ("wav", "aiff"):  # there what follows the cut is taken for samples, by all that read it
        before = sound_hash(cut)
        append_ape(cut)
        assert sound_hash(cut) == before


def test_another_delay_or_padding_in_the_lame_tag_is_another_sound(tmp_path, sound):
    plain = write(tmp_path, "mp3", sound)
    place = plain.read_bytes().index(b"Info") + 141
    gaps = int.from_bytes(plain.read_bytes()[place : place + 3])
    assert (gaps >> 12, gaps & 0xFFF) == (576, 1_566)  # with 22,050 samples 21 frames of 1152
    later = patched(plain, place, (gaps + (1 << 12)).to_bytes(3), "later")
    longer = patched(plain, place, (gaps - 1).to_bytes(3), "longer")
    assert len({sound_hash(path) for path in (plain, later, longer)}) == 3
    assert decode(longer).samples.shape[1] == decode(plain).samples.shape[1] + 1


def test_another_edit_list_is_another_sound(tmp_path, sound):
    plain = write(tmp_path, "m4a", sound)
    place = plain.read_bytes().index(b"elst") + 12
    length, start = struct.unpack(">Ii", plain.read_bytes()[place : place + 8])
    assert (length, start) == (500, 1_024)
    hashes = {
        sound_hash(patched(plain, place, struct.pack(">Ii", *edit), f"{edit}"))
        for edit in [(length, start), (length, start + 1), (length - 1, start), (length // 2, start)]
    }
    assert len(hashes) == 4


def test_another_sample_rate_or_number_of_channels_in_the_header_is_another_sound(tmp_path, sound):
    plain = write(tmp_path, "wav", sound)
    place = plain.read_bytes().index(b"fmt ") + 8
    slower = patched(plain, place + 4, struct.pack("<II", 22_050, 88_200), "slower")
    mono = patched(plain, place + 2, struct.pack("<HIIH", 1, 44_100, 88_200, 2), "mono")
    assert decode(mono).samples.shape == (1, 44_100)
    assert len({sound_hash(path) for path in (plain, slower, mono)}) == 3


def test_which_packets_a_demuxer_makes_of_pcm_does_not_count(tmp_path, sound):
    wav = write(tmp_path, "wav", sound)
    caf = tmp_path / "a.caf"  # read in packets of 1024 samples, a WAV in packets of 4096
    soundfile.write(caf, sound.T, 44_100, subtype="PCM_16", endian="LITTLE")
    assert sound_hash(caf) == sound_hash(wav)


def test_the_hash_of_pcm_is_what_is_written_in_the_documentation(tmp_path, sound):
    path = write(tmp_path, "wav", sound)
    samples = np.rint(sound.T * 2**15).astype("<i2").tobytes()
    codec = (b"pcm_s16le", b"44100", b"NONE,NONE")
    assert sound_hash(path) == hash_of(b"audio-assets sound 1", *codec, b"", b"", b"", sha256(samples))


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("tone.mp3", "c1fda0aeacf6a0c74c6a9036cf3ccd7eca6eb25ec7b75f92cb66fb4673e19156"),
        ("tone.m4a", "b13d1658b5368077cbf6a68e07479af30f6881db492e27a30521deed86334bab"),
        ("tone.ogg", "d34d93da60188543af6534efb7a6092c9b8f5c14c9f11b8f2d8c46ce789aae82"),
    ],
)
def test_hashes_stay_what_they_were(name, wanted):
    """A change here means that every home's items would get other hashes: it needs a new format of homes."""
    assert sound_hash(GOLDEN / name) == wanted


def test_what_only_libsndfile_reads_is_its_bytes(tmp_path, sound):
    path = tmp_path / "a.aiff"
    soundfile.write(path, sound[0], 44_100, subtype="DWVW_16")
    assert sound_hash(path) == hash_of(b"audio-assets bytes 1", sha256(path.read_bytes()))


def test_a_file_that_is_gone_is_an_error_that_names_it(tmp_path):
    with pytest.raises(AudioError, match=r"gone\.wav: found a file that cannot be read \(no such file"):
        sound_hash(tmp_path / "gone.wav")
