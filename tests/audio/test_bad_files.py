"""Files that are damaged, lie or are no audio: each has its answer, and none is made-up samples."""

import os
import re
import struct
import time

import numpy as np
import pytest

from audio_assets.audio.decode import AudioError, AudioStream, decode, readable
from tests.audio.synthesis import chirps, lag, on_grid, tones, write_coded, write_pcm, write_video


def refusal(path):
    """The message of the `AudioError`, which must name the file and be one sentence."""
    with pytest.raises(AudioError) as caught:
        decode(path)
    message = str(caught.value)
    assert message.startswith(f"{readable(path)}: found ")
    assert "; wanted " in message
    assert "\n" not in message
    assert not re.search(r"\. [A-Z]", message)
    return message


def patched(path, marker, offset, values):
    """Overwrite bytes `offset` after `marker`."""
    content = bytearray(path.read_bytes())
    at = content.index(marker) + offset
    content[at : at + len(values)] = values
    path.write_bytes(content)
    return path


def test_an_empty_file(tmp_path):
    path = tmp_path / "a.wav"
    path.touch()
    assert "an empty file (0 bytes)" in refusal(path)


@pytest.mark.parametrize("content", [b"Hello, this is no audio.\n" * 400, b"x", bytes(20_000)])
@pytest.mark.parametrize("extension", ["mp3", "wav", "m4a"])
def test_a_text_named_as_audio(tmp_path, content, extension):
    path = tmp_path / f"a.{extension}"
    path.write_bytes(content)
    assert "nothing that decodes as audio" in refusal(path)


@pytest.mark.parametrize("container", ["wav", "aiff"])
def test_a_header_without_samples(tmp_path, container):
    path = write_pcm(tmp_path / f"a.{container}", np.zeros((2, 0), np.float32), 44_100)
    assert f"no samples in a {container} file" in refusal(path)


def test_a_video_without_sound(tmp_path):
    assert "no audio stream" in refusal(write_video(tmp_path / "a.mp4"))


def test_a_file_that_was_deleted(tmp_path):
    path = write_pcm(tmp_path / "a.wav", tones(), 44_100)
    path.unlink()
    assert "no such file" in refusal(path)


def test_a_folder(tmp_path):
    assert "found a folder" in refusal(tmp_path)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.wav")
    assert "no regular file" in refusal(tmp_path / "a.wav")


def test_a_path_that_no_file_can_have():
    assert "null" in refusal("a\0b.wav")


def test_a_file_one_may_not_read(tmp_path):
    path = write_pcm(tmp_path / "a.wav", tones(), 44_100)
    path.chmod(0)
    superuser = os.geteuid() == 0
    if superuser:
        os.seteuid(65_534)
    try:
        assert "permission denied" in refusal(path)
    finally:
        if superuser:
            os.seteuid(0)


@pytest.mark.parametrize("rate", [1, 3_999, 768_001, 2**31 - 1])
def test_a_header_with_an_impossible_rate(tmp_path, rate):
    path = write_pcm(tmp_path / "a.wav", tones(), 44_100)
    patched(path, b"fmt ", 12, struct.pack("<I", rate))
    assert f"sample rate of {rate} Hz; wanted 4000 to 768000 Hz" in refusal(path)


def test_a_header_with_hundreds_of_channels(tmp_path):
    path = write_pcm(tmp_path / "a.wav", np.zeros((200, 100), np.float32), 44_100)
    assert "found 200 channels; wanted at most 64" in refusal(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_counted_and_located(tmp_path, value):
    samples = tones(4.0)
    samples[1, 66_150] = value
    samples[0, 100_000:100_016] = value
    path = write_pcm(tmp_path / "a.wav", samples, 44_100, "FLOAT")
    assert "17 samples that are NaN or infinite, the first at 1.500 s in channel 2" in refusal(path)
    with AudioStream(path) as stream, pytest.raises(AudioError, match="17 samples"):
        list(stream.blocks(0.5))


def test_a_playlist_named_as_audio_opens_no_other_file(tmp_path):
    secret = write_pcm(tmp_path / "secret.flac", tones(), 44_100)
    concat, hls = tmp_path / "concat.mp3", tmp_path / "hls.mp3"
    concat.write_text(f"ffconcat version 1.0\nfile {secret.name}\n")
    hls.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{secret}\n#EXT-X-ENDLIST\n")
    assert "nothing that decodes" in refusal(concat)
    assert "nothing that decodes" in refusal(hls)


@pytest.mark.parametrize(
    ("form", "options"),
    [("wav", {}), ("aiff", {}), ("flac", {}), ("mp3", {}), ("m4a", {"movflags": "faststart"})],
)
def test_half_a_file_gives_its_half_marked_truncated(tmp_path, form, options):
    samples = on_grid(chirps(4.0), 16)
    path = tmp_path / f"a.{form}"
    if options or form == "mp3":
        write_coded(path, samples, 44_100, options=options)
    else:
        write_pcm(path, samples, 44_100)
    whole = decode(path).samples
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2 + 1])
    half = decode(path)
    assert half.truncated
    assert half.format.header_samples == samples.shape[1]
    assert 0.3 < half.samples.shape[1] / samples.shape[1] < 0.6
    end = half.samples.shape[1] - 2_000
    np.testing.assert_allclose(half.samples[:, :end], whole[:, :end], atol=1e-6)


def test_an_m4a_cut_before_its_index_cannot_be_decoded(tmp_path):
    path = write_coded(tmp_path / "a.m4a", chirps(), 44_100)
    path.write_bytes(path.read_bytes()[:10_000])
    assert "nothing that decodes" in refusal(path)


@pytest.mark.parametrize("form", ["flac", "mp3", "m4a"])
def test_damage_in_the_middle_costs_only_the_middle(tmp_path, form):
    samples = on_grid(chirps(4.0) + 0.02 * np.random.default_rng(0).standard_normal((2, 4 * 44_100)), 16)
    path = tmp_path / f"a.{form}"
    if form == "flac":
        write_pcm(path, samples, 44_100)
    else:
        write_coded(path, samples.astype(np.float32), 44_100, options={"movflags": "faststart"})
    whole = decode(path).samples
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    noise = np.random.default_rng(1).integers(0, 256, 3_000, dtype=np.uint8)
    content[middle : middle + len(noise)] = noise.tobytes()
    path.write_bytes(content)
    damaged = decode(path)
    assert damaged.truncated
    assert damaged.samples.shape[1] > 0.9 * whole.shape[1]
    np.testing.assert_allclose(damaged.samples[:, :50_000], whole[:, :50_000], atol=1e-6)
    late = whole[:, -60_000:-10_000]
    at = lag(late, damaged.samples)
    assert at < whole.shape[1] - 60_000
    np.testing.assert_allclose(damaged.samples[:, at : at + 50_000], late, atol=1e-6)


def test_headers_that_claim_hours_cost_nothing_and_are_told(tmp_path):
    samples = on_grid(tones(2.0), 16)
    ten_hours = 10 * 3_600 * 44_100
    wav = write_pcm(tmp_path / "a.wav", samples, 44_100)
    patched(wav, b"data", 4, struct.pack("<I", 0x7FFF_FFF0))
    flac = write_pcm(tmp_path / "a.flac", samples, 44_100)
    # STREAMINFO: the number of samples is in the last 36 bits of these 8 bytes.
    fields = int.from_bytes(flac.read_bytes()[18:26], "big") >> 36 << 36
    patched(flac, b"fLaC", 18, (fields | ten_hours).to_bytes(8, "big"))
    begun = time.perf_counter()
    for path, claim in ((wav, 0x7FFF_FFF0 // 4), (flac, ten_hours)):
        decoded = decode(path)
        np.testing.assert_array_equal(decoded.samples, samples)
        assert decoded.truncated
        assert decoded.format.header_samples == claim
    assert time.perf_counter() - begun < 5


@pytest.mark.parametrize("size", [0, 0xFFFF_FFFF])
def test_a_wav_from_a_pipe_states_no_length_and_is_whole(tmp_path, size):
    samples = on_grid(tones(2.0), 16)
    path = write_pcm(tmp_path / "a.wav", samples, 44_100)
    decoded = decode(patched(path, b"data", 4, struct.pack("<I", size)))
    np.testing.assert_array_equal(decoded.samples, samples)
    assert decoded.format.header_samples is None
    assert not decoded.truncated


def test_a_flac_of_unstated_length_is_whole(tmp_path):
    samples = on_grid(tones(5.0), 16)
    path = write_pcm(tmp_path / "a.flac", samples, 44_100)
    fields = int.from_bytes(path.read_bytes()[18:26], "big") >> 36 << 36
    decoded = decode(patched(path, b"fLaC", 18, fields.to_bytes(8, "big")))
    np.testing.assert_array_equal(decoded.samples, samples)
    assert not decoded.truncated


def test_a_fragmented_m4a_whose_header_states_no_length_is_whole(tmp_path):
    samples = chirps(2.0, 48_000)
    options = {"movflags": "frag_keyframe+empty_moov", "frag_duration": "200000"}
    decoded = decode(write_coded(tmp_path / "a.m4a", samples, 48_000, options=options))
    assert lag(samples, decoded.samples) in (0, 1_024)
    assert decoded.samples.shape[1] >= samples.shape[1]
    assert not decoded.truncated
