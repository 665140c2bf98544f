"""What is encoded, libsndfile reads back."""

import io

import numpy as np
import pytest
import soundfile

from audio_assets.audio.encode import encode_flac
from tests.audio.synthesis import chirps, on_grid


@pytest.mark.parametrize("bits", [16, 24])
@pytest.mark.parametrize("channels", [1, 2, 8])
@pytest.mark.parametrize("rate", [8_000, 44_100, 192_000])
def test_flac_holds_what_its_bits_can_hold_exactly(bits, channels, rate):
    samples = on_grid(chirps(0.1, rate, channels, level=0.999), bits)
    encoded = encode_flac(samples, rate, bits)
    back, back_rate = soundfile.read(io.BytesIO(encoded), dtype="float32", always_2d=True)
    np.testing.assert_array_equal(back.T, samples)
    assert back_rate == rate
    assert soundfile.info(io.BytesIO(encoded)).subtype == f"PCM_{bits}"


@pytest.mark.parametrize(("bits", "error"), [(16, 2**-16), (24, 2**-24)])
def test_other_samples_are_rounded_to_the_nearest(bits, error):
    samples = chirps(0.1)
    back, _ = soundfile.read(io.BytesIO(encode_flac(samples, 44_100, bits)), always_2d=True)
    assert np.abs(back.T - samples).max() <= error


def test_what_exceeds_full_scale_is_clipped_not_wrapped():
    samples = np.float32([[-3.0, -1.0, 1.0, 3.0]])
    back, _ = soundfile.read(io.BytesIO(encode_flac(samples, 44_100, 16)))
    np.testing.assert_array_equal(back, [-1, -1, 1 - 2**-15, 1 - 2**-15])


def test_the_same_samples_are_the_same_bytes():
    assert encode_flac(chirps(0.5), 44_100) == encode_flac(chirps(0.5), 44_100)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros((2, 0), np.float32), "shape"),
        (np.float32([[0, np.nan, np.inf]]), "2 of them NaN or infinite"),
        (np.zeros((9, 100), np.float32), "9 channels; wanted at most 8"),
    ],
)
def test_what_flac_cannot_hold_is_refused(samples, message):
    with pytest.raises(ValueError, match=message):
        encode_flac(samples, 44_100)
