"""Probabilities to events and label tracks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.laughter.events import LaughEvent, audacity_labels, find_events
from models.laughter.labels import frame_labels


def spans(events):
    return [(event.start_s, event.end_s) for event in events]


@given(st.lists(st.booleans(), max_size=60))
def test_events_labelled_again_are_the_frames_they_came_from(laughing):
    events = spans(find_events(np.array(laughing, dtype=float), 0.5))
    np.testing.assert_array_equal(frame_labels(events, len(laughing)), laughing)


def test_an_event_has_the_highest_probability_of_its_frames_and_reaches_the_threshold():
    assert find_events([0.2, 0.5, 0.9, 0.6, 0.4], 0.5) == [LaughEvent(0.08, 0.32, 0.9)]


@pytest.mark.parametrize(("min_gap_s", "n_events"), [(0, 3), (0.16, 2), (0.24, 2), (0.25, 1)])
def test_laughs_closer_than_the_gap_are_one(min_gap_s, n_events):
    probabilities = [1, 0, 1, 0, 0, 0, 1]  # gaps of 0.08 s and 0.24 s
    assert len(find_events(probabilities, 0.5, min_gap_s=min_gap_s)) == n_events


@pytest.mark.parametrize(("min_duration_s", "n_events"), [(0, 3), (0.16, 2), (0.24, 1), (0.25, 0)])
def test_laughs_shorter_than_the_duration_are_dropped(min_duration_s, n_events):
    probabilities = [1, 0, 1, 1, 0, 1, 1, 1]
    assert len(find_events(probabilities, 0.5, min_duration_s=min_duration_s)) == n_events


def test_gaps_are_closed_before_short_laughs_are_dropped():
    events = find_events([1, 0, 1, 0, 0, 0, 1], 0.5, min_gap_s=0.16, min_duration_s=0.2)
    assert spans(events) == [(0, 0.24)]


def test_silence_and_nothing_hold_no_events():
    assert find_events([], 0.5) == find_events([0.1, 0.2], 0.5) == []


def test_a_probability_that_is_not_finite_is_refused_by_its_frame():
    with pytest.raises(ValueError, match="frame 1"):
        find_events([0.1, np.nan], 0.5)


def test_a_label_track_has_a_line_of_three_columns_per_event():
    track = audacity_labels([LaughEvent(0.08, 1, 0.9), LaughEvent(3600.5, 3601, 0.6)], "laugh")
    assert track == "0.080000\t1.000000\tlaugh\n3600.500000\t3601.000000\tlaugh\n"
    assert audacity_labels([]) == ""
