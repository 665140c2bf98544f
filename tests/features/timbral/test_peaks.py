"""Contrast peaks against a scan written out for one row, and on curves whose peaks are plain to see."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_assets.features.timbral.peaks import find_peaks


def scanned(curve, contrast):
    """The published rule, one local maximum after another."""
    padded = [-np.inf, *curve, -np.inf]
    maxima = [i for i in range(len(curve)) if padded[i] < curve[i] >= padded[i + 2] and curve[i] >= contrast]
    chosen, candidate, before, after = [], None, -np.inf, np.inf
    for last, here in zip([None, *maxima], maxima, strict=False):
        if candidate is None:
            candidate = here
            continue
        after = min([after, *curve[last : here - 1]])
        if curve[candidate] - after >= contrast:
            if curve[candidate] - before >= contrast:
                chosen.append(candidate)
                before = after
            before, candidate, after = min(before, after), here, np.inf
        else:
            before = min(before, after)
            if curve[here] > curve[candidate]:
                candidate, after = here, np.inf
    if candidate is not None and curve[candidate] - before >= contrast:
        chosen.append(candidate)
    return chosen


@given(st.lists(st.lists(st.integers(0, 20), min_size=30, max_size=30), min_size=1, max_size=4))
def test_all_rows_at_once_are_scanned_as_one_by_one(rows):
    curves = np.array(rows, float)
    peaks = find_peaks(curves, 3)
    expected = [(i, column) for i, row in enumerate(curves) for column in scanned(list(row), 3)]
    assert list(zip(peaks.row, peaks.bin, strict=True)) == expected


def test_a_ripple_on_the_flank_of_a_peak_is_none():
    curve = np.array([[0, 4, 9, 8.8, 8.9, 3, 0, 0, 5, 0, 0.2, 0, 0]])
    assert list(find_peaks(curve, 1.0).bin) == [2, 8]


def test_the_vertex_of_a_parabola_is_found_between_bins():
    bins = np.arange(40)
    peaks = find_peaks((10 - 0.1 * (bins - 17.3) ** 2)[None], 0.5)
    assert peaks.position == pytest.approx([17.3])
    assert peaks.height == pytest.approx([10])


def test_the_scale_can_be_shifted_without_shifting_the_peaks():
    curves = np.random.default_rng(0).random((3, 50))
    shifted = find_peaks(curves + 7, 0.2, lowest=7)
    assert np.array_equal(shifted.bin, find_peaks(curves, 0.2).bin)


def test_flat_and_low_curves_have_no_peaks():
    assert find_peaks(np.zeros((2, 9)), 0.1).bin.size == 0
