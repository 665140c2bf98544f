"""Frame targets against their definition, frame by frame."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.laughter.labels import FRAME_RATE_HZ, frame_index, frame_labels, merge_events, time_to_laugh

N_FRAMES = 60
frame_events = st.lists(
    st.tuples(st.integers(0, 70), st.integers(0, 20)).map(lambda e: (e[0], e[0] + e[1])), max_size=6
)


def seconds(events):
    return [(start / FRAME_RATE_HZ, end / FRAME_RATE_HZ) for start, end in events]


def test_a_time_on_a_frame_boundary_is_in_the_frame_that_begins_there():
    # int(k / 12.5 * 12.5) is k - 1 for 29, 57, 58, 113 and thousands more.
    frames = np.arange(100_000)
    np.testing.assert_array_equal(frame_index(frames / 12.5), frames)


def test_a_time_within_a_frame_is_in_that_frame():
    np.testing.assert_array_equal(frame_index([0.0, 0.079, 0.081, 3599.99]), [0, 0, 1, 44999])


@given(frame_events)
def test_detection_marks_exactly_the_frames_of_events(events):
    wanted = [float(any(s <= i < e for s, e in events)) for i in range(N_FRAMES)]
    np.testing.assert_array_equal(frame_labels(seconds(events), N_FRAMES), wanted)


def wanted_after_merging(events):
    merged = frame_index(merge_events(seconds(events), N_FRAMES / FRAME_RATE_HZ))
    return [(s, e) for s, e in merged.tolist()]


@given(frame_events, st.integers(0, 30))
def test_shifted_marks_the_frames_n_before_those_of_events(events, n):
    laughs = wanted_after_merging(events)
    wanted = [float(any(s <= i + n < e for s, e in laughs)) for i in range(N_FRAMES)]
    labels = frame_labels(seconds(events), N_FRAMES, kind="shifted", lookahead_frames=n)
    np.testing.assert_array_equal(labels, wanted)


@given(frame_events, st.integers(1, 30))
def test_onset_marks_the_n_frames_before_a_laugh_begins(events, n):
    laughs = wanted_after_merging(events)
    wanted = [float(any(s - n <= i < s for s, _ in laughs)) for i in range(N_FRAMES)]
    labels = frame_labels(seconds(events), N_FRAMES, kind="onset", lookahead_frames=n)
    np.testing.assert_array_equal(labels, wanted)


@given(frame_events, st.integers(1, 30))
def test_time_to_laugh_counts_down_to_zero_and_is_zero_while_laughing(events, cap_frames):
    laughs = wanted_after_merging(events)
    cap_s = cap_frames / FRAME_RATE_HZ
    wanted = [
        0.0
        if any(s <= i < e for s, e in laughs)
        else min([(s - i) / FRAME_RATE_HZ for s, _ in laughs if s >= i] + [cap_s])
        for i in range(N_FRAMES)
    ]
    np.testing.assert_allclose(time_to_laugh(seconds(events), N_FRAMES, cap_s=cap_s), wanted, atol=1e-6)


def test_an_event_within_one_frame_has_an_onset_but_no_frame():
    event = [(0.81, 0.87)]
    assert frame_labels(event, 20).sum() == 0
    assert frame_labels(event, 20, kind="onset", lookahead_frames=4).sum() == 4


def test_overlapping_and_touching_events_are_one_and_order_does_not_matter():
    events = [(5.0, 6.0), (1.0, 3.0), (2.0, 2.5), (3.0, 4.0)]
    np.testing.assert_array_equal(merge_events(events), [[1, 4], [5, 6]])
    onsets = frame_labels(events, 100, kind="onset", lookahead_frames=1)
    assert onsets.sum() == 2


def test_events_past_the_end_are_cut_off():
    np.testing.assert_array_equal(merge_events([(8, 12), (10, 11), (20, 30)], duration_s=10), [[8, 10]])
    assert frame_labels([(8.0, 1e9)], 125).sum() == 25


def test_no_events_and_no_frames_are_answered():
    assert frame_labels([], 5).tolist() == [0] * 5
    assert frame_labels([(1, 2)], 0).shape == (0,)
    assert time_to_laugh([], 3, cap_s=2.0).tolist() == [2, 2, 2]


@pytest.mark.parametrize("event", [(-0.1, 1), (2, 1), (np.nan, 1), (0, np.inf)])
def test_an_impossible_event_is_refused_by_its_number(event):
    with pytest.raises(ValueError, match="event 1 runs from"):
        frame_labels([(0, 1), event], 10)


@pytest.mark.parametrize(
    ("kind", "lookahead_frames"), [("onset", 0), ("shifted", -1), ("detection", 3), ("ofset", 1)]
)
def test_a_lookahead_that_does_not_suit_the_kind_is_refused(kind, lookahead_frames):
    with pytest.raises(ValueError, match="wanted"):
        frame_labels([], 5, kind=kind, lookahead_frames=lookahead_frames)
