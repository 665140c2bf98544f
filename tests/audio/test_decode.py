"""What files of every format decode to, against the signals they were made of."""

import mutagen
import numpy as np
import pytest
import soundfile
from mutagen import flac, id3, mp4

from audio_assets.audio.decode import AudioStream, decode
from tests.audio.synthesis import (
    chirps,
    lag,
    on_grid,
    snr_db,
    tones,
    write_coded,
    write_pcm,
    write_vorbis,
)

INTEGERS = [
    ("wav", "PCM_16", 16),
    ("wav", "PCM_24", 24),
    ("flac", "PCM_16", 16),
    ("flac", "PCM_24", 24),
    ("aiff", "PCM_16", 16),
    ("aiff", "PCM_24", 24),
    ("caf", "PCM_24", 24),
    ("w64", "PCM_16", 16),
]


@pytest.mark.parametrize(("container", "subtype", "bits"), INTEGERS)
def test_integer_formats_come_back_bit_for_bit(tmp_path, container, subtype, bits):
    samples = on_grid(chirps(0.3), bits)
    decoded = decode(write_pcm(tmp_path / f"a.{container}", samples, 44_100, subtype))
    np.testing.assert_array_equal(decoded.samples, samples)
    assert decoded.format.bit_depth == bits
    assert decoded.format.container == container
    assert decoded.format.codec == ("flac" if container == "flac" else f"pcm_s{bits}")
    assert decoded.format.header_samples == samples.shape[1]
    assert not decoded.truncated


@pytest.mark.parametrize(
    ("subtype", "bits", "error"),
    [("PCM_U8", 8, 2**-7), ("PCM_32", 32, 2**-24), ("FLOAT", 32, 0.0), ("DOUBLE", 64, 0.0)],
)
def test_other_sample_types_are_within_half_a_step(tmp_path, subtype, bits, error):
    samples = chirps(0.3)
    decoded = decode(write_pcm(tmp_path / "a.wav", samples, 44_100, subtype))
    assert np.abs(decoded.samples - samples).max() <= error
    assert decoded.format.bit_depth == bits


def test_floats_beyond_full_scale_are_not_clipped(tmp_path):
    samples = chirps(0.1, level=2.5)
    decoded = decode(write_pcm(tmp_path / "a.wav", samples, 44_100, "FLOAT"))
    np.testing.assert_array_equal(decoded.samples, samples)


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 32_000, 48_000, 96_000, 192_000])
@pytest.mark.parametrize("container", ["wav", "flac"])
def test_rates_from_8_to_192_khz(tmp_path, container, rate):
    samples = on_grid(tones(0.05, rate, 1), 16)
    decoded = decode(write_pcm(tmp_path / f"a.{container}", samples, rate))
    assert decoded.sample_rate == rate
    assert decoded.duration_s == pytest.approx(0.05, abs=1 / rate)
    np.testing.assert_array_equal(decoded.samples, samples)


@pytest.mark.parametrize("channels", range(1, 9))
def test_one_to_eight_channels_keep_their_order(tmp_path, channels):
    samples = on_grid(tones(0.05, channels=channels), 16)
    for container in ("wav", "flac"):
        decoded = decode(write_pcm(tmp_path / f"a.{container}", samples, 44_100))
        np.testing.assert_array_equal(decoded.samples, samples)
        assert decoded.format.channels == channels


@pytest.mark.parametrize("form", ["alac", "wv"])
def test_lossless_formats_of_ffmpeg_are_exact(tmp_path, form):
    samples = on_grid(chirps(0.7), 16)
    path = tmp_path / ("a.m4a" if form == "alac" else "a.wv")
    decoded = decode(write_coded(path, samples, 44_100, form))
    np.testing.assert_array_equal(decoded.samples, samples)
    assert decoded.format.bit_depth == 16


@pytest.mark.parametrize(
    ("form", "rate"),
    [
        ("mp3", 44_100),
        ("mp3", 22_050),
        ("m4a", 44_100),
        ("m4a", 48_000),
        ("opus", 48_000),
        ("webm", 48_000),
        ("ogg", 44_100),
    ],
)
def test_lossy_formats_keep_length_alignment_and_sound(tmp_path, form, rate):
    """The encoder's delay and padding are gone: as many samples as went in, at the same places."""
    samples = chirps(1.237, rate)
    write = write_vorbis if form == "ogg" else write_coded
    decoded = decode(write(tmp_path / f"a.{form}", samples, rate))
    assert decoded.samples.shape == samples.shape
    assert decoded.sample_rate == rate
    assert lag(samples, decoded.samples) == 0
    assert snr_db(samples, decoded.samples, margin=2_000) > 25
    assert not decoded.truncated
    assert decoded.format.bit_depth is None


def test_wma_sounds_right_but_for_its_first_block(tmp_path):
    """FFmpeg's decoder drops two blocks of delay where its own encoder puts one."""
    samples = chirps(1.237)
    decoded = decode(write_coded(tmp_path / "a.wma", samples, 44_100))
    assert decoded.format.codec == "wmav2"
    assert lag(samples, decoded.samples) == -2_048
    assert snr_db(samples[:, 2_048:], decoded.samples, margin=2_000) > 35


def test_raw_aac_keeps_the_delay_it_says_nothing_of(tmp_path):
    samples = chirps(1.0)
    decoded = decode(write_coded(tmp_path / "a.aac", samples, 44_100))
    assert lag(samples, decoded.samples) == 1_024
    assert decoded.format.header_samples is None


@pytest.mark.parametrize("rate", [22_050, 44_100])
@pytest.mark.parametrize("form", ["mp3", "ogg"])
def test_mp3_and_vorbis_agree_with_libmpg123_and_libvorbis(tmp_path, form, rate):
    write = write_vorbis if form == "ogg" else write_coded
    path = write(tmp_path / f"a.{form}", chirps(2.0, rate), rate)
    expected, _ = soundfile.read(path, dtype="float32", always_2d=True)
    decoded = decode(path)
    assert decoded.samples.shape == expected.T.shape
    np.testing.assert_allclose(decoded.samples, expected.T, atol=2e-5)


def test_surround_in_m4a_comes_in_the_order_of_wav(tmp_path):
    """AAC codes the centre first; decoded it is third. The LFE is too narrow to hold its tone."""
    samples = tones(0.5, 48_000, 6, level=0.3)
    decoded = decode(write_coded(tmp_path / "a.m4a", samples, 48_000, bit_rate=512_000))
    assert decoded.format.layout[:4] == ("FL", "FR", "FC", "LFE")
    spectra = np.abs(np.fft.rfft(decoded.samples[:, 4_096 : 4_096 + 16_000]))
    loudest_hz = np.argmax(spectra, axis=1) * 48_000 / 16_000
    np.testing.assert_allclose(loudest_hz[[0, 1, 2, 4, 5]], [300, 600, 900, 1_500, 1_800], atol=3)


def test_a_stream_that_changes_its_format_midway_goes_on_in_the_first_one(tmp_path):
    stereo = write_coded(tmp_path / "a.aac", tones(1.0, 44_100, 2), 44_100)
    mono = write_coded(tmp_path / "b.aac", tones(1.0, 22_050, 1), 22_050)
    joined = tmp_path / "c.aac"
    joined.write_bytes(stereo.read_bytes() + mono.read_bytes() + stereo.read_bytes())
    decoded = decode(joined)
    assert (decoded.format.channels, decoded.sample_rate) == (2, 44_100)
    assert decoded.duration_s == pytest.approx(3.0, abs=0.2)
    middle = decoded.samples[0, 60_000:76_000]
    assert np.argmax(np.abs(np.fft.rfft(middle))) * 44_100 / 16_000 == pytest.approx(300, abs=3)
    # Mono to two channels at equal power.
    assert np.abs(middle).max() == pytest.approx(0.5 * np.sqrt(0.5), abs=0.01)


@pytest.mark.parametrize("form", ["mp3", "flac", "m4a"])
def test_tags_and_a_large_cover_cost_no_sample(tmp_path, form):
    path = tmp_path / f"a.{form}"
    (write_pcm if form == "flac" else write_coded)(path, chirps(0.5), 44_100)
    expected = decode(path).samples
    cover = b"\x89PNG\r\n\x1a\n" + bytes(500_000)
    file = mutagen.File(path)
    if form == "mp3":
        file.tags.add(id3.APIC(encoding=3, mime="image/png", type=3, desc="", data=cover))
    elif form == "flac":
        picture = flac.Picture()
        picture.type, picture.mime, picture.data = 3, "image/png", cover
        file.add_picture(picture)
    else:
        file["covr"] = [mp4.MP4Cover(cover, imageformat=mp4.MP4Cover.FORMAT_PNG)]
    file.save()
    decoded = decode(path)
    np.testing.assert_array_equal(decoded.samples, expected)
    assert not decoded.truncated


def test_a_whole_file_is_joined_of_many_parts_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr("audio_assets.audio.decode._SLAB", 1_000)
    samples = on_grid(chirps(0.5), 16)
    decoded = decode(write_pcm(tmp_path / "a.wav", samples, 44_100))
    np.testing.assert_array_equal(decoded.samples, samples)


@pytest.mark.parametrize("container", ["wav", "flac", "mp3", "m4a", "opus"])
def test_the_format_counts_not_the_name(tmp_path, container):
    samples = tones(0.5, 48_000)
    named = tmp_path / f"a.{container}"
    write = write_pcm if container in ("wav", "flac") else write_coded
    write(named, samples, 48_000)
    expected = decode(named).samples
    misnamed = named.rename(tmp_path / "song.xyz")
    np.testing.assert_array_equal(decode(misnamed).samples, expected)


@pytest.mark.parametrize(
    "name",
    ["with space.wav", 'it\'s "so".wav', "line\nbreak.wav", "жук 虫.wav", "concat:a|b.wav", "%03d.m4a"],
)
def test_any_file_name_will_do(tmp_path, name):
    path = tmp_path / name
    write = write_pcm if name.endswith(".wav") else write_coded
    write(tmp_path / f"plain{path.suffix}", tones(0.1), 44_100).rename(path)
    assert decode(path).samples.shape == (2, 4_410)


@pytest.mark.parametrize("extension", ["wav", "m4a"])
def test_a_file_name_of_stray_bytes_will_do(tmp_path, extension):
    write = write_pcm if extension == "wav" else write_coded
    plain = write(tmp_path / f"plain.{extension}", tones(0.1), 44_100)
    path = plain.rename(tmp_path / f"caf\udce9.{extension}")
    assert decode(path).samples.shape == (2, 4_410)


@pytest.mark.parametrize(
    "samples",
    [
        pytest.param(on_grid(tones(0.01), 16), id="10 ms"),
        pytest.param(np.full((1, 1), 0.5, np.float32), id="one sample"),
        pytest.param(np.zeros((2, 4_410), np.float32), id="silence"),
        pytest.param(np.full((2, 4_410), 0.25, np.float32), id="DC"),
        pytest.param(np.repeat(np.float32([[-1, 1 - 2**-15]]), 500, axis=1), id="full scale"),
    ],
)
@pytest.mark.parametrize("container", ["wav", "flac"])
def test_unusual_audio_is_audio(tmp_path, container, samples):
    decoded = decode(write_pcm(tmp_path / f"a.{container}", samples, 44_100))
    np.testing.assert_array_equal(decoded.samples, samples)
    assert not decoded.truncated


@pytest.mark.parametrize("form", ["mp3", "m4a", "opus"])
def test_10_ms_of_lossy_audio_are_10_ms(tmp_path, form):
    decoded = decode(write_coded(tmp_path / f"a.{form}", tones(0.01, 48_000), 48_000))
    assert decoded.samples.shape == (2, 480)


def test_decoded_samples_are_contiguous_and_read_only(tmp_path):
    samples = decode(write_pcm(tmp_path / "a.wav", tones(0.1), 44_100)).samples
    assert samples.dtype == np.float32
    assert samples.flags.c_contiguous
    with pytest.raises(ValueError, match="read-only"):
        samples[0, 0] = 1.0


def test_the_stream_counts_what_it_gave(tmp_path):
    with AudioStream(write_pcm(tmp_path / "a.wav", tones(0.5), 44_100)) as stream:
        blocks = stream.blocks(0.1)
        assert next(blocks).shape == (2, 4_410)
        assert sum(block.shape[1] for block in blocks) == 22_050 - 4_410
        assert stream.samples == 22_050
