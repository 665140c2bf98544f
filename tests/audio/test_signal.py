"""A signal is decoded once, and everything asked of it is computed once."""

import numpy as np
import pytest

from audio_assets.audio import signal as signal_module
from audio_assets.audio.decode import AudioError
from audio_assets.audio.signal import Signal
from tests.audio.synthesis import chirps, on_grid, snr_db, tones, write_coded, write_pcm

ROOT_HALF = np.sqrt(0.5)


@pytest.fixture
def path(tmp_path):
    return write_pcm(tmp_path / "a.wav", on_grid(chirps(1.0), 16), 44_100)


def test_nothing_is_read_until_it_is_asked_for(tmp_path):
    signal = Signal(tmp_path / "missing.wav")
    with pytest.raises(AudioError, match="no such file"):
        _ = signal.duration_s


def test_a_file_is_decoded_once(path, monkeypatch):
    calls = []
    decode = signal_module.decode
    monkeypatch.setattr(signal_module, "decode", lambda path: calls.append(path) or decode(path))
    signal = Signal(path)
    assert (signal.sample_rate, signal.duration_s) == (44_100, 1.0)
    np.testing.assert_array_equal(signal.samples, on_grid(chirps(1.0), 16))
    signal.mono(16_000), signal.stereo(), signal.mono()
    assert sum(block.shape[1] for block in signal.blocks(0.3)) == 44_100
    assert len(calls) == 1


def test_once_computes_once_per_function_and_arguments():
    calls = []

    def peak(signal, channel=0, *, scale=1.0):
        calls.append((channel, scale))
        return scale * np.abs(signal.samples[channel]).max()

    signal = Signal.from_array(np.float32([[1, -2], [3, 0]]), 8_000)
    assert [signal.once(peak), signal.once(peak), signal.once(peak, 1)] == [2, 2, 3]
    assert signal.once(peak, 1, scale=2.0) == signal.once(peak, 1, scale=2.0) == 6
    assert calls == [(0, 1.0), (1, 1.0), (1, 2.0)]
    assert Signal.from_array(np.float32([5]), 8_000).once(peak) == 5


def test_a_computation_that_fails_is_tried_again():
    def fail_at_first(signal, attempts):
        attempts.append(1)
        if len(attempts) == 1:
            raise ValueError("not yet")
        return "done"

    class Attempts(list):
        __hash__ = object.__hash__

    signal, attempts = Signal.from_array([0.0], 8_000), Attempts()
    with pytest.raises(ValueError, match="not yet"):
        signal.once(fail_at_first, attempts)
    assert signal.once(fail_at_first, attempts) == "done"


def test_mono_is_the_mean_of_the_channels():
    signal = Signal.from_array([[1, 0, 0.5], [0, 0, -0.5], [0.5, 0, 0]], 8_000)
    np.testing.assert_allclose(signal.mono(), [0.5, 0, 0], atol=1e-7)


def test_resampled_views_are_right_and_kept(path):
    signal = Signal(path)
    mono = signal.mono(16_000)
    assert mono.shape == (16_000,)
    assert snr_db(chirps(1.0, 16_000).mean(axis=0), mono, margin=1_000) > 80
    assert signal.mono(16_000) is mono
    assert signal.mono() is signal.mono(44_100)
    assert signal.stereo(16_000) is signal.stereo(16_000)
    assert signal.stereo(16_000).shape == (2, 16_000)


def test_mono_material_is_the_same_on_both_sides():
    signal = Signal.from_array(tones(0.1, channels=1)[0], 44_100)
    for rate in (None, 16_000):
        left, right = signal.stereo(rate)
        np.testing.assert_array_equal(left, right)
        np.testing.assert_array_equal(left, signal.mono(rate))


def test_stereo_material_stays_as_it_is():
    samples = tones(0.1)
    np.testing.assert_array_equal(Signal.from_array(samples, 44_100).stereo(), samples)


@pytest.mark.parametrize(
    ("channels", "left", "right"),
    [
        (3, [1, 0, ROOT_HALF], [0, 1, ROOT_HALF]),
        (4, [1, 0, ROOT_HALF, 0], [0, 1, 0, ROOT_HALF]),
        (5, [1, 0, ROOT_HALF, ROOT_HALF, 0], [0, 1, ROOT_HALF, 0, ROOT_HALF]),
        (6, [1, 0, ROOT_HALF, 0, ROOT_HALF, 0], [0, 1, ROOT_HALF, 0, 0, ROOT_HALF]),
        (7, [1, 0, ROOT_HALF, 0, 0.5, ROOT_HALF, 0], [0, 1, ROOT_HALF, 0, 0.5, 0, ROOT_HALF]),
        (
            8,
            [1, 0, ROOT_HALF, 0, ROOT_HALF, 0, ROOT_HALF, 0],
            [0, 1, ROOT_HALF, 0, 0, ROOT_HALF, 0, ROOT_HALF],
        ),
    ],
)
def test_surround_is_mixed_by_the_gains_of_bs_775(channels, left, right):
    """Sample i is an impulse on channel i, so the down-mix is the table of gains."""
    mixed = Signal.from_array(np.eye(channels), 48_000).stereo()
    np.testing.assert_allclose(mixed, [left, right], atol=1e-7)


def test_more_channels_than_have_a_layout_are_not_guessed_at():
    signal = Signal.from_array(np.zeros((12, 10)), 48_000)
    with pytest.raises(ValueError, match="no stereo down-mix for channel C0"):
        signal.stereo()
    assert signal.mono().shape == (10,)


@pytest.mark.parametrize("decoded_before", [True, False])
@pytest.mark.parametrize("rate", [None, 16_000])
def test_blocks_are_the_signal_in_pieces(path, decoded_before, rate):
    signal = Signal(path)
    whole = signal.mono(rate) if decoded_before else Signal(path).mono(rate)
    blocks = list(signal.blocks(0.25, rate, mono=True))
    assert [block.shape for block in blocks] == [(1, (rate or 44_100) // 4)] * 4
    np.testing.assert_allclose(np.concatenate(blocks, axis=1)[0], whole, atol=1e-6)
    channels = [block.shape[0] for block in signal.blocks(0.3, rate)]
    assert channels == [2, 2, 2, 2]


def test_a_surround_file_is_mixed_by_the_names_of_its_channels(tmp_path):
    samples = tones(0.5, 48_000, 6, level=0.3)
    path = write_coded(tmp_path / "a.m4a", samples, 48_000, bit_rate=512_000)
    left = Signal(path).stereo()[0, 4_096:20_096]
    levels = np.abs(np.fft.rfft(left))[[100, 200, 300, 500, 600]] / 8_000
    expected = 0.3 * np.array([1, 0, ROOT_HALF, ROOT_HALF, 0])
    np.testing.assert_allclose(levels, expected, atol=0.01)


def test_all_arrays_are_float32_and_read_only(path):
    signal = Signal(path)
    views = [signal.samples, signal.mono(), signal.mono(8_000), signal.stereo(), signal.stereo(8_000)]
    for array in [*views, *signal.blocks(0.5), *Signal(path).blocks(0.5)]:
        assert array.dtype == np.float32
        with pytest.raises(ValueError, match="read-only"):
            array[..., 0] = 0


def test_an_array_given_is_copied():
    samples = tones(0.1)
    signal = Signal.from_array(samples, 44_100)
    samples[:] = 0
    assert np.abs(signal.samples).max() > 0.4


@pytest.mark.parametrize("samples", [[], np.zeros((2, 0)), np.zeros((1, 2, 3)), [np.nan], [np.inf]])
def test_arrays_that_are_no_signal_are_refused(samples):
    with pytest.raises(ValueError, match="found samples"):
        Signal.from_array(samples, 44_100)
