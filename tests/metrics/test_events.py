"""Event matching against mir_eval, warnings against cases worked out by hand."""

import mir_eval
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_assets.metrics.events import EventCounts, WarningCounts, match_onsets, match_warnings
from models.laughter.events import find_events
from models.laughter.labels import FRAME_RATE_HZ, frame_labels

# Quarters of a second are exact in floating point, so a distance of the tolerance is one.
onsets = st.lists(st.integers(0, 60).map(lambda quarter: quarter / 4), max_size=20)


@given(onsets, onsets)
def test_matching_is_as_large_as_the_optimal_one_of_mir_eval(reference_s, estimated_s):
    found = match_onsets(reference_s, estimated_s)
    matching = mir_eval.util.match_events(np.sort(reference_s), np.sort(estimated_s), 0.5)
    assert found == EventCounts(len(reference_s), len(estimated_s), len(matching))


@pytest.mark.parametrize("seed", range(5))
def test_event_f1_agrees_with_mir_eval(seed):
    rng = np.random.default_rng(seed)
    reference_s, estimated_s = np.sort(rng.random(40) * 60), np.sort(rng.random(50) * 60)
    found = match_onsets(reference_s, estimated_s)
    f1, precision, recall = mir_eval.onset.f_measure(reference_s, estimated_s, window=0.5)
    assert (found.f1, found.precision, found.recall) == pytest.approx((f1, precision, recall))


def test_greedy_nearest_pairing_would_lose_a_pair_that_is_found():
    # 1.0 is nearest to 1.1, but only 0.6 and 1.1 together leave no one out.
    assert match_onsets([1.0, 1.5], [0.6, 1.1]).n_matched == 2


def test_episodes_are_matched_apart_and_counted_together():
    total = match_onsets([1.0], [9.0]) + match_onsets([9.0], [9.2]) + match_onsets([], [3.0])
    assert total == EventCounts(2, 3, 1)
    assert total.f1 == pytest.approx(2 / 5)


def test_no_events_leave_undefined_what_they_cannot_answer():
    nothing = match_onsets([], [])
    assert (nothing.precision, nothing.recall, nothing.f1) == (None, None, None)
    assert (match_onsets([1.0], []).recall, match_onsets([1.0], []).precision) == (0, None)
    assert match_onsets([], [1.0]).f1 == 0


def warn(laughs, alarms):
    return match_warnings(laughs, alarms, horizon_s=2, duration_s=1800)


@pytest.mark.parametrize(
    ("alarm", "lead_s"),
    [
        ((8.5, 9.0), 1.5),  # within the horizon of the laugh at 10
        ((7.0, 8.5), 2.0),  # begins before the horizon: it counts from there
        ((9.0, 20.0), 1.0),  # lasts into the laugh
    ],
)
def test_an_alarm_before_a_laugh_announces_it(alarm, lead_s):
    found = warn([(10, 12)], [alarm])
    assert found == WarningCounts(1, 0, 0, 1800, (lead_s,))


@pytest.mark.parametrize("alarm", [(3, 4), (7, 8), (12, 13)])
def test_an_alarm_with_no_laugh_to_come_is_false(alarm):
    assert warn([(10, 12)], [alarm]) == WarningCounts(1, 1, 0, 1800, ())


def test_an_alarm_that_begins_with_the_laugh_is_late_not_false():
    assert warn([(10, 12)], [(10, 11)]) == WarningCounts(1, 0, 1, 1800, ())


def test_one_alarm_may_announce_two_laughs_and_two_alarms_the_same_one():
    assert warn([(10, 10.5), (11, 12)], [(9, 9.5)]).lead_s == (1.0, 2.0)
    assert warn([(10, 12)], [(9.5, 9.6), (8.5, 8.6)]).lead_s == (1.5,)


def test_warnings_of_episodes_add_up_to_rates():
    total = (
        warn([(10, 12), (100, 101)], [(9, 10)]) + warn([], [(5, 6), (7, 8)]) + warn([(50, 51)], [(48, 50)])
    )
    assert total.recall == pytest.approx(2 / 3)
    assert total.false_alarms_per_hour == pytest.approx(2 / 1.5)
    assert (total.mean_lead_s, total.median_lead_s) == (1.5, 1.5)


def test_no_laughs_and_no_audio_leave_undefined_what_they_cannot_answer():
    nothing = WarningCounts()
    assert (nothing.recall, nothing.false_alarms_per_hour) == (None, None)
    assert (nothing.mean_lead_s, nothing.median_lead_s) == (None, None)
    assert warn([], []).false_alarms_per_hour == 0


def test_labels_taken_for_predictions_announce_every_laugh_by_the_whole_horizon():
    laughs, n_frames, n = [(4.0, 5.2), (20.0, 21.0)], 500, 25
    labels = frame_labels(laughs, n_frames, kind="onset", lookahead_frames=n)
    alarms = [(event.start_s, event.end_s) for event in find_events(labels, 0.5)]
    found = match_warnings(laughs, alarms, horizon_s=n / FRAME_RATE_HZ, duration_s=n_frames / FRAME_RATE_HZ)
    assert (found.recall, found.n_false_alarms, found.lead_s) == (1, 0, (2.0, 2.0))
