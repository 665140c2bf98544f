"""The assets `dialogue_frames` and `laughter_labels`: rows, objects, and whose laugh is whose."""

import numpy as np
import pytest
from safetensors.numpy import load

from audio_assets.assets.podcasts.dialogue_frames import dialogue_frames
from audio_assets.assets.podcasts.laughter_labels import laughter_labels
from audio_assets.assets.podcasts.speaker_turns import speaker_turns
from audio_assets.audio.signal import Signal
from audio_assets.backends.dialogue_frames.acoustic import acoustic_frames
from audio_assets.backends.dialogue_frames.embedded import AcousticDialogueFrames
from audio_assets.engine import NotApplicable
from tests.assets.podcasts.conversation import RATE


def turn(start_s, end_s, speaker, source="imported"):
    return {"start_s": start_s, "end_s": end_s, "speaker": speaker, "source": source}


def event(start_s, end_s, label="laughter"):
    return {"start_s": start_s, "end_s": end_s, "label": label}


def frame_rows(users, frame_count=125):
    return [{"user_speaker": user, "frame_count": frame_count} for user in users]


def positive_frames(rows, user, kind):
    (row,) = (row for row in rows if (row["user_speaker"], row["kind"]) == (user, kind))
    assert row["frame_count"] == len(row["labels"])
    assert row["positives"] == sum(row["labels"])
    return np.flatnonzero(row["labels"]).tolist()


def test_each_main_speaker_is_the_user_once_beside_the_other(conversation, voice_activity):
    signal = Signal.from_array(conversation.samples, RATE)
    turns = speaker_turns(signal, voice_activity=voice_activity, record={"duration_s": signal.duration_s})
    rows = dialogue_frames(signal, turns, dialogue_frames=AcousticDialogueFrames())
    pairs = [(row["user_speaker"], row["other_speaker"]) for row in rows]
    assert sorted(pairs) == [("left", "right"), ("right", "left")]
    frames = {row["user_speaker"]: load(row["frames"].data)["frames"] for row in rows}
    for row in rows:
        stored = frames[row["user_speaker"]]
        assert stored.dtype == np.float16
        assert (
            stored.shape
            == (row["frame_count"], row["dimensions"])
            == (-(-conversation.samples.shape[1] // 1280), 126)
        )
        assert (row["frame_rate_hz"], row["context_frames"]) == (12.5, 4)
    left, right = acoustic_frames([conversation.samples]).astype(np.float16)
    np.testing.assert_array_equal(frames["left"], np.concatenate([right, left], axis=1))
    np.testing.assert_array_equal(frames["right"], np.concatenate([left, right], axis=1))
    stored_rows = [{**row, "frames": "a/key"} for row in rows]
    assert dialogue_frames.table.check_rows(stored_rows) == stored_rows


def test_a_monologue_has_one_row_without_another_speaker(conversation):
    signal = Signal.from_array(conversation.samples[0], RATE)
    (row,) = dialogue_frames(signal, [turn(0, 5, "vera")], dialogue_frames=AcousticDialogueFrames())
    assert (row["user_speaker"], row["other_speaker"]) == ("vera", None)


def test_a_laugh_is_positive_for_the_speaker_it_is_heard_from():
    turns = [turn(0, 4, "a"), turn(6, 10, "b")]
    events = [event(2.0, 2.4), event(7.0, 7.4, "Laughter"), event(4.8, 5.2), event(8.0, 9.0, "breath")]
    rows = laughter_labels(None, events, turns, frame_rows("ab"), lookahead_frames=3)
    assert laughter_labels.table.check_rows(rows) == rows
    in_the_pause = list(range(60, 65))
    assert positive_frames(rows, "a", "detection") == [*range(25, 30), *in_the_pause]
    assert positive_frames(rows, "b", "detection") == [*in_the_pause, *range(87, 92)]
    assert positive_frames(rows, "a", "shifted") == [*range(22, 27), *range(57, 62)]
    assert positive_frames(rows, "b", "onset") == [57, 58, 59, 84, 85, 86]
    lookaheads = {(row["kind"], row["lookahead_frames"]) for row in rows}
    assert lookaheads == {("detection", 0), ("shifted", 3), ("onset", 3)}


def test_a_laugh_across_a_change_of_speaker_is_whose_most_of_it_is():
    turns = [turn(0, 5, "a"), turn(5, 10, "b")]
    rows = laughter_labels(None, [event(4.0, 5.2), event(4.9, 6.1)], turns, frame_rows("ab"))
    assert positive_frames(rows, "a", "detection") == list(range(50, 65))
    assert positive_frames(rows, "b", "detection") == list(range(61, 76))


def test_a_laugh_while_both_speak_is_both_speakers():
    turns = [turn(0, 8, "a"), turn(2, 10, "b")]
    rows = laughter_labels(None, [event(4.0, 4.4)], turns, frame_rows("ab"))
    assert positive_frames(rows, "a", "detection") == positive_frames(rows, "b", "detection")


def test_a_laugh_marked_by_a_point_has_an_onset_and_no_frames():
    turns = [turn(0, 5, "a"), turn(5, 10, "b")]
    rows = laughter_labels(None, [event(6.0, 6.0)], turns, frame_rows("ab"), lookahead_frames=2)
    assert positive_frames(rows, "b", "onset") == [73, 74]
    assert positive_frames(rows, "b", "detection") == []
    assert positive_frames(rows, "a", "onset") == []


def test_on_channels_of_their_own_a_laugh_is_of_those_who_can_be_heard_laughing(conversation, voice_activity):
    samples = np.tile(conversation.samples, 2)
    samples[:, -10 * RATE :] = 1e-3
    rng = np.random.default_rng(0)
    for channels, start_s, end_s in (([0], -9, -8), ([1], -6, -5), ([0, 1], -3, -2)):
        laugh = rng.normal(0, 0.1, (len(channels), RATE))
        samples[channels, start_s * RATE : end_s * RATE] = laugh
    signal = Signal.from_array(samples, RATE)
    duration_s = signal.duration_s
    turns = speaker_turns(signal, voice_activity=voice_activity, record={"duration_s": duration_s})
    events = [event(duration_s - ago_s, duration_s - ago_s + 1) for ago_s in (9, 6, 3)]
    rows = laughter_labels(signal, events, turns, frame_rows(["left", "right"], int(12.5 * duration_s)))
    positives = {row["user_speaker"]: row["positives"] for row in rows if row["kind"] == "detection"}
    assert positives == {"left": pytest.approx(25, abs=1), "right": pytest.approx(25, abs=1)}
    apart = [np.array(row["labels"]) for row in rows if row["kind"] == "detection"]
    assert (apart[0] & apart[1]).sum() == pytest.approx(12.5, abs=1)


def test_an_annotated_episode_without_laughs_has_labels_without_positives():
    rows = laughter_labels(None, [event(1, 2, "music")], [turn(0, 9, "a")], frame_rows("a"))
    assert [row["positives"] for row in rows] == [0, 0, 0]


def test_where_only_speakers_are_annotated_it_is_not_known_who_laughs():
    named = [event(0, 4, "speaker:a"), event(4, 9, "Speaker b")]
    with pytest.raises(NotApplicable, match="name speakers only"):
        laughter_labels(None, named, [turn(0, 9, "a")], frame_rows("a"))


def test_which_labels_are_laughter_can_be_set():
    rows = laughter_labels(
        None, [event(1, 2, "Giggle")], [turn(0, 9, "a")], frame_rows("a"), laughter=["giggle"]
    )
    assert rows[0]["positives"] == 13


@pytest.mark.parametrize("frame_count", [0, 10])
def test_laughs_past_the_last_frame_do_not_exist(frame_count):
    rows = laughter_labels(None, [event(5, 6)], [turn(0, 9, "a")], frame_rows("a", frame_count))
    assert [len(row["labels"]) for row in rows] == [frame_count] * 3
    assert not any(row["positives"] for row in rows)
