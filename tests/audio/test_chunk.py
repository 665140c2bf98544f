"""Splitting and joining loses nothing, whatever the lengths."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_assets.audio.chunk import chunk_starts, cross_fade, overlap_add, reblock, split


@st.composite
def splits(draw):
    length = draw(st.integers(1, 200))
    overlap = draw(st.integers(0, length // 2))
    n = draw(st.integers(1, 1_000))
    channels = draw(st.sampled_from([(), (1,), (2,), (4, 2)]))
    return length, overlap, np.random.default_rng(n).standard_normal((*channels, n)).astype(np.float32)


@given(splits())
def test_split_and_overlap_add_reconstruct_bit_for_bit(case):
    length, overlap, samples = case
    chunks = list(split(samples, length, overlap))
    assert {chunk.shape for chunk in chunks} == {(*samples.shape[:-1], length)}
    np.testing.assert_array_equal(overlap_add(chunks, samples.shape[-1], overlap), samples)


@given(splits())
def test_no_sample_is_in_more_than_two_chunks_or_in_none(case):
    length, overlap, samples = case
    n = samples.shape[-1]
    starts = chunk_starts(n, length, overlap)
    covered = np.zeros(starts[-1] + length, dtype=int)
    for start in starts:
        covered[start : start + length] += 1
    assert set(covered[:n]) <= {1, 2}
    # The last chunk brings something that the one before it does not have.
    assert len(starts) == 1 or starts[-2] + length < n


@given(splits(), st.floats(-2, 2, width=32, allow_subnormal=False))
def test_chunks_that_differ_fade_into_each_other(case, step):
    """Chunk k is the constant k · step: within an overlap it goes from one to the next, monotonously."""
    length, overlap, samples = case
    n = samples.shape[-1]
    starts = chunk_starts(n, length, overlap)
    chunks = [np.full(length, index * step, np.float32) for index in range(len(starts))]
    joined = overlap_add(chunks, n, overlap)
    differences = np.diff(joined) * np.sign(step)
    assert np.all(differences >= -1e-5 * max(1, abs(step) * len(starts)))
    if overlap:
        assert np.all(np.abs(np.diff(joined)) <= abs(step) / overlap + 1e-4 * abs(step) * len(starts))


def test_the_middle_of_a_fade_is_the_mean():
    ones, threes = np.full((2, 8), 1, np.float32), np.full((2, 8), 3, np.float32)
    joined = overlap_add([ones, threes], 13, overlap=3)
    np.testing.assert_allclose(joined[0], [1] * 5 + [4 / 3, 2, 8 / 3] + [3] * 5, rtol=1e-6)


def test_joining_is_lazy():
    def chunks():
        yield np.zeros((1, 8), np.float32)
        raise AssertionError("asked for more than was needed")

    assert next(cross_fade(chunks(), overlap=2)).shape == (1, 6)


@pytest.mark.parametrize(("length", "overlap"), [(0, 0), (-1, 0), (10, 6), (10, -1)])
def test_impossible_lengths_are_refused(length, overlap):
    with pytest.raises(ValueError, match="wanted a positive length and an overlap of at most half"):
        list(split(np.zeros(100, np.float32), length, overlap))


def test_missing_chunks_are_refused():
    chunks = list(split(np.zeros((2, 100), np.float32), 20, 5))
    with pytest.raises(ValueError, match="wanted at least 100"):
        overlap_add(chunks[:-2], 100, 5)
    with pytest.raises(ValueError, match="found chunks of 0 samples"):
        overlap_add([], 100, 5)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=20), st.integers(1, 60))
def test_reblock_keeps_every_sample_in_order(lengths, size):
    ends = np.cumsum(lengths)
    parts = [
        np.arange(end - length, end, dtype=np.float32)[None]
        for end, length in zip(ends, lengths, strict=True)
    ]
    blocks = list(reblock(parts, size))
    assert [block.shape[1] for block in blocks[:-1]] == [size] * (len(blocks) - 1)
    joined = np.concatenate([np.empty((1, 0)), *blocks], axis=1)[0]
    np.testing.assert_array_equal(joined, np.arange(ends[-1]))
