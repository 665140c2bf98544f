"""Who speaks when: imported, by channel, by voice."""

import numpy as np
import pytest

from audio_assets.assets.podcasts.speaker_turns import speaker_turns
from audio_assets.audio.signal import Signal
from audio_assets.backends.voice_activity.segments import Segment
from audio_assets.dialogue.channels import are_apart, speaker_channels
from audio_assets.dialogue.diarization import _viterbi, diarize
from audio_assets.dialogue.turns import turns_of
from audio_assets.engine import NotApplicable
from tests.assets.podcasts.conversation import RATE, confusion, converse, found_share


def find(samples, voice_activity, annotations=None, **parameters):
    """The turns of a recording, checked against the table."""
    signal = Signal.from_array(samples, RATE)
    record = {"duration_s": signal.duration_s}
    rows = speaker_turns(signal, annotations, voice_activity=voice_activity, record=record, **parameters)
    assert rows == speaker_turns.table.check_rows(rows)
    assert all(0 <= row["start_s"] < row["end_s"] <= signal.duration_s for row in rows)
    return turns_of(rows)


@pytest.mark.parametrize("speakers", [("vera", "miles"), ("miles", "oskar"), ("june", "anneke")])
def test_voices_in_one_channel_are_told_apart(voice_activity, speakers):
    conversation = converse(speakers)
    mono = conversation.samples.sum(axis=0)
    turns = find(mono, voice_activity)
    assert {turn.source for turn in turns} == {"clusters"}
    assert confusion(turns, conversation.turns, len(mono) / RATE) < 0.02
    recall, precision = found_share(turns, conversation.turns, len(mono) / RATE)
    assert recall > 0.97
    assert precision > 0.9


def test_a_change_without_a_pause_is_found_within_half_a_second(voice_activity):
    conversation = converse(pause_s=(0.0, 0.05))
    mono = conversation.samples.sum(axis=0)
    turns = find(mono, voice_activity)
    starts_s = np.array([turn.start_s for turn in turns])
    late_s = [np.abs(starts_s - start_s).min() for start_s, _, _ in conversation.turns]
    assert max(late_s) < 0.5
    assert confusion(turns, conversation.turns, len(mono) / RATE) < 0.04


def test_a_speaker_on_each_channel_is_found_there_in_spite_of_crosstalk(voice_activity, conversation):
    left, right = conversation.samples
    turns = find(np.stack([left + 0.1 * right, right + 0.1 * left]), voice_activity)
    assert {(turn.source, turn.speaker, turn.channel) for turn in turns} == {
        ("channels", "left", 0),
        ("channels", "right", 1),
    }
    names = {"vera": "left", "miles": "right"}
    for start_s, end_s, speaker in conversation.turns:
        middle_s = (start_s + end_s) / 2
        assert {t.speaker for t in turns if t.start_s <= middle_s < t.end_s} == {names[speaker]}
    recall, precision = found_share(turns, conversation.turns, left.size / RATE)
    assert recall > 0.97
    assert precision > 0.9


def test_speakers_who_talk_at_once_on_their_channels_both_have_a_turn(voice_activity, conversation):
    left, right = conversation.samples
    turns = find(np.stack([left, np.roll(right, -round(1.2 * RATE))]), voice_activity)
    assert {turn.source for turn in turns} == {"channels"}
    starts_s = [start_s - 1.2 for start_s, _, speaker in conversation.turns if speaker == "miles"]
    for start_s in starts_s:
        assert {t.speaker for t in turns if t.start_s <= start_s + 0.3 < t.end_s} == {"left", "right"}


@pytest.mark.parametrize(
    ("mix", "apart"),
    [
        ([[1.0, 0.0], [0.0, 1.0]], True),
        ([[1.0, 0.2], [0.2, 1.0]], True),
        ([[1.0, 0.7], [0.7, 1.0]], False),
        ([[1.0, 1.0], [1.0, 1.0]], False),
        ([[1.0, 1.0], [0.0, 0.0]], False),
    ],
    ids=["clean", "crosstalk -14 dB", "panned", "dual mono", "dead channel"],
)
def test_channels_are_taken_for_speakers_only_if_they_are_clearly_separated(conversation, mix, apart):
    levels_db = speaker_channels(Signal.from_array(np.array(mix) @ conversation.samples, RATE))
    assert (levels_db is not None) is apart


def test_music_in_the_middle_of_both_channels_does_not_hide_separated_speakers():
    levels_db = np.full((2, 1000), -90.0)
    levels_db[0, :400], levels_db[1, 400:850] = -20.0, -25.0
    levels_db[:, 850:] = -20.0
    assert are_apart(levels_db.astype(np.float32))
    levels_db[:, 600:] = -20.0
    assert not are_apart(levels_db.astype(np.float32))


def test_a_mono_recording_has_no_speaker_channels():
    assert speaker_channels(Signal.from_array(np.ones(RATE, np.float32), RATE)) is None


def test_channels_are_compared_over_ten_minutes_and_measured_to_the_end(conversation):
    levels_db = speaker_channels(Signal.from_array(np.tile(conversation.samples, 13), RATE))
    assert levels_db.shape == (2, -(-conversation.samples.shape[1] * 13 // 1280))
    late = np.tile(conversation.samples, 26)
    late[:, : late.shape[1] // 2] = late[:, : late.shape[1] // 2].sum(axis=0)
    assert speaker_channels(Signal.from_array(late, RATE)) is None


def annotation(start_s, end_s, label):
    return {"start_s": start_s, "end_s": end_s, "label": label}


def test_annotations_that_name_speakers_are_the_turns(voice_activity, conversation):
    turns = find(
        conversation.samples.sum(axis=0),
        voice_activity,
        [
            annotation(3.0, 4.5, "speaker: Miles O."),
            annotation(1.0, 2.0, "Speaker Vera"),
            annotation(2.0, 2.5, "laughter"),
            annotation(5.0, 5.0, "speaker:Vera"),
        ],
    )
    assert [(t.start_s, t.end_s, t.speaker, t.source, t.channel) for t in turns] == [
        (1.0, 2.0, "Vera", "imported", None),
        (3.0, 4.5, "Miles O.", "imported", None),
    ]


def test_speakers_of_imported_turns_are_found_on_their_channels(voice_activity, conversation):
    given = [annotation(start_s, end_s, f"speaker:{name}") for start_s, end_s, name in conversation.turns]
    turns = find(conversation.samples[::-1], voice_activity, given)
    assert [(t.start_s, t.end_s, t.speaker) for t in turns] == conversation.turns
    assert {(t.speaker, t.channel) for t in turns} == {("vera", 1), ("miles", 0)}


def test_an_episode_without_speech_is_not_applicable(voice_activity):
    noise = np.random.default_rng(0).normal(0, 1e-3, 5 * RATE)
    for samples in (noise, np.zeros(5 * RATE)):
        with pytest.raises(NotApplicable, match="no speech"):
            find(samples.astype(np.float32), voice_activity)


def test_asked_for_one_speaker_all_turns_are_of_one(voice_activity, conversation):
    turns = find(conversation.samples.sum(axis=0), voice_activity, speakers=1)
    assert {turn.speaker for turn in turns} == {"speaker 1"}


def test_the_speaker_who_speaks_longest_comes_first(voice_activity):
    conversation = converse(turns=11)
    mono = conversation.samples.sum(axis=0)
    turns = find(mono, voice_activity)
    spoken_s = [sum(t.end_s - t.start_s for t in turns if t.speaker == f"speaker {n}") for n in (1, 2)]
    assert spoken_s[0] > spoken_s[1] > 0


def test_a_word_or_two_of_speech_are_enough_for_a_turn():
    static = np.zeros((20, 23), np.float32)
    (turn,) = diarize(static, [Segment(0.5, 0.8)])
    assert (turn.start_s, turn.end_s, turn.speaker) == (0.5, 0.8, "speaker 1")
    assert diarize(static, []) == []


def test_the_path_is_the_best_of_all_paths():
    rng = np.random.default_rng(3)
    likelihoods, costs = rng.normal(0, 2, (7, 3)), rng.uniform(0, 3, 7)

    def score(path):
        changes = path[1:] != path[:-1]
        return likelihoods[np.arange(7), path].sum() - costs[1:][changes].sum()

    every = np.stack(np.meshgrid(*[np.arange(3)] * 7), axis=-1).reshape(-1, 7)
    assert score(_viterbi(likelihoods, costs)) == pytest.approx(max(map(score, every)))
