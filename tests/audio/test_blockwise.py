"""What is written or mixed block by block is what is made of the whole."""

import io

import numpy as np
import pytest
import soundfile

from audio_assets.audio.chunk import concatenate, cross_fade
from audio_assets.audio.encode import FlacWriter, encode_flac
from audio_assets.audio.signal import Signal
from tests.audio.synthesis import chirps


@pytest.mark.parametrize("bits", [16, 24])
def test_a_flac_file_written_in_blocks_holds_the_same_samples(bits, tmp_path):
    samples = chirps(1.0)
    path = tmp_path / "blocks.flac"
    with FlacWriter(path, 44_100, len(samples), bits) as file:
        for block in np.split(samples, [1, 5000, 5001, 30_000], axis=1):
            file.write(block)
    whole, _ = soundfile.read(io.BytesIO(encode_flac(samples, 44_100, bits)))
    found, rate = soundfile.read(path)
    np.testing.assert_array_equal(found, whole)
    assert (rate, soundfile.info(path).subtype) == (44_100, f"PCM_{bits}")


def test_a_block_with_nan_is_refused(tmp_path):
    with FlacWriter(tmp_path / "x.flac", 44_100, 2) as file, pytest.raises(ValueError, match="1 of them NaN"):
        file.write(np.float32([[0, np.nan], [0, 0]]))


def test_a_folder_that_is_not_there_is_an_error_that_names_the_file(tmp_path):
    with pytest.raises(OSError, match=r"nowhere/x\.flac"):
        FlacWriter(tmp_path / "nowhere" / "x.flac", 44_100, 2)


@pytest.mark.parametrize("channels", [1, 2, 6, 8])
@pytest.mark.parametrize("decoded", [False, True])
def test_stereo_blocks_are_the_stereo_signal(channels, decoded, tmp_path):
    path = tmp_path / "track.wav"
    samples = np.random.default_rng(0).normal(0, 0.1, (channels, 48_000)).astype(np.float32)
    soundfile.write(path, samples.T, 48_000, "FLOAT")
    signal = Signal(path)
    if decoded:
        assert signal.duration_s == 1
    blocks = list(signal.stereo_blocks(0.1, 44_100))
    assert [block.shape for block in blocks] == [(2, 4410)] * 10
    np.testing.assert_allclose(concatenate(blocks), Signal(path).stereo(44_100), atol=1e-6)


@pytest.mark.parametrize("last", [4, 5, 6, 7, 8, 10])
def test_the_last_chunk_of_a_fade_may_be_short(last):
    samples = np.random.default_rng(0).normal(size=7 + last).astype(np.float32)
    chunks = [samples[:10], samples[7:]]
    np.testing.assert_array_equal(concatenate(list(cross_fade(chunks, 3))), samples)
