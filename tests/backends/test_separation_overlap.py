"""Overlapping chunks and their seamless sum, however a stream is cut."""

import numpy as np
import pytest

from audio_assets.audio.chunk import concatenate, cross_fade
from audio_assets.backends.separation import SAMPLE_RATE, SeparationError
from audio_assets.backends.separation.overlap import overlapping_chunks, separate_in_chunks

SHARES = np.float32([0.5, 0.25, 0.125, 0.125])[:, None, None]
"""Of a separator whose stems are the mix at these gains: exact in binary, and they sum to the mix."""


def noise(n, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, (2, n)).astype(np.float32)


def by_shares(chunks):
    return [SHARES * chunk for chunk in chunks]


@pytest.mark.parametrize("n", [1, 3, 9, 10, 11, 17, 18, 19, 26, 27, 100, 101, 107, 108])
@pytest.mark.parametrize("overlap", [0, 1, 3, 5])
def test_chunks_of_any_length_sum_to_the_signal_bit_for_bit(n, overlap):
    samples = noise(n)
    chunks = list(overlapping_chunks([samples], 10, overlap))
    assert all(chunk.shape[1] == 10 for chunk in chunks[:-1])
    np.testing.assert_array_equal(concatenate(list(cross_fade(chunks, overlap))), samples)


@pytest.mark.parametrize("size", [1, 7, 10, 64, 1000])
@pytest.mark.parametrize("batch", [1, 3])
def test_stems_do_not_depend_on_how_the_mix_comes(size, batch):
    mix = noise(333)
    blocks = np.split(mix, range(size, mix.shape[1], size), axis=1)
    stems = concatenate(list(separate_in_chunks(blocks, by_shares, 20, 4, batch)))
    np.testing.assert_array_equal(stems, SHARES * mix)


def test_two_estimates_that_differ_fade_linearly_from_one_to_the_next():
    def counting(chunks):
        counting.calls += 1
        return [np.full((4, *chunk.shape), counting.calls, np.float32) for chunk in chunks]

    counting.calls = 0
    stems = concatenate(list(separate_in_chunks([noise(16)], counting, 10, 4)))
    np.testing.assert_allclose(stems[0, 0], [1] * 6 + [1.125, 1.375, 1.625, 1.875] + [2] * 6)


def test_no_mix_has_no_stems():
    assert list(separate_in_chunks([], by_shares, 10, 2)) == []


def test_only_two_chunks_are_held_however_long_the_mix_is():
    read = 0

    def blocks():
        nonlocal read
        for _ in range(1000):
            read += 1
            yield noise(10)

    ahead = []
    done = 0
    for part in separate_in_chunks(blocks(), by_shares, 40, 8):
        done += part.shape[2]
        ahead.append(10 * read - done)
    assert done == 10_000
    assert max(ahead) <= 80


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_model_that_returns_no_numbers_is_an_error_that_says_where(value):
    def broken(chunks):
        stems = by_shares(chunks)
        stems[0][1, 0, 5] = value
        return stems if broken.calls.pop() else by_shares(chunks)

    broken.calls = [True, False]
    blocks = [noise(3 * SAMPLE_RATE)]
    with pytest.raises(SeparationError, match=r"found 1 of \d+ samples .* NaN or infinite .* at 1\.5 s"):
        list(separate_in_chunks(blocks, broken, 2 * SAMPLE_RATE, SAMPLE_RATE // 2))


def test_a_model_of_other_stems_is_an_error_that_gives_the_shapes():
    with pytest.raises(SeparationError, match=r"shape \(2, 2, 10\); wanted \(4, 2, 10\)"):
        list(separate_in_chunks([noise(10)], lambda chunks: [c[None].repeat(2, 0) for c in chunks], 20, 4))


def test_an_overlap_beyond_half_is_refused():
    with pytest.raises(ValueError, match="overlap of at most half"):
        list(overlapping_chunks([noise(10)], 10, 6))
