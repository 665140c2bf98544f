"""Episodes and their truth: what is said to sound does sound, where it is said to."""

import csv

import numpy as np
import pytest
import soundfile

from audio_assets.demo.podcasts import SAMPLE_RATE
from audio_assets.demo.podcasts.episode import record
from audio_assets.demo.podcasts.labels import CSV_COLUMNS
from audio_assets.demo.podcasts.laughter import inhale, laugh, room_tone
from audio_assets.demo.podcasts.recording import episode_keys
from audio_assets.demo.podcasts.script import Writer, load_shows
from audio_assets.demo.voice import load_voices

FRAME_HZ = 12.5


@pytest.fixture(scope="module")
def episodes():
    """Two episodes of every show, longer than the tiny ones."""
    shows = load_shows()
    return [record(shows[number % 4], 70, np.random.default_rng(number)) for number in range(8)]


@pytest.fixture(params=range(2))
def episode(request, truth):
    return truth.episodes[request.param]


def level(samples, start_s, end_s):
    part = samples[..., max(0, int(start_s * SAMPLE_RATE)) : int(end_s * SAMPLE_RATE)]
    return float(np.sqrt(np.mean(np.square(part))))


def test_there_are_sixteen_episodes_of_four_shows():
    assert len(episode_keys(tiny=False)) == 16
    assert len({show.hosts for show in load_shows()}) == 4
    assert {show.layout for show in load_shows()} == {"mono", "stereo", "split"}


def test_laughter_fills_three_to_six_per_cent_of_the_frames(episodes):
    laughing = frames = 0
    for samples, timeline in episodes:
        active = np.zeros(int(samples.shape[1] / SAMPLE_RATE * FRAME_HZ) + 1, dtype=bool)
        for event in timeline.events:
            if event.label == "laughter":
                active[int(event.start_s * FRAME_HZ) : int(event.end_s * FRAME_HZ)] = True
        laughing += active.sum()
        frames += len(active)
        assert active.any()
    assert 0.03 < laughing / frames < 0.06


def test_most_punchlines_but_not_all_are_laughed_at_and_not_only_they(episodes):
    jokes = laughed = laughs = unprompted = 0
    for _, timeline in episodes:
        starts_s = np.array([event.start_s for event in timeline.events if event.label == "laughter"])
        for end_s in timeline.punchlines_s:
            jokes += 1
            laughed += bool(np.any((starts_s > end_s - 0.2) & (starts_s < end_s + 0.6)))
        laughs += len(starts_s)
        unprompted += sum(not np.any(np.abs(np.array(timeline.punchlines_s) - s) < 1.5) for s in starts_s)
    assert jokes >= 16
    assert 0.6 < laughed / jokes < 0.95
    assert 0.03 < unprompted / laughs < 0.4


def test_turns_alternate_and_hold_their_words(episode):
    for turn, following in zip(episode.turns, episode.turns[1:], strict=False):
        assert turn.speaker != following.speaker
    words = list(episode.words)
    for turn in episode.turns:
        own = [
            word.word
            for word in words
            if word.speaker == turn.speaker and turn.start_s <= word.start_s and word.end_s <= turn.end_s
        ]
        assert own == [w.strip(".,!?") for w in turn.text.split()]
    assert len(words) == sum(len(turn.text.split()) for turn in episode.turns)


def test_events_lie_inside_the_episode_in_order(episode):
    starts = [event.start_s for event in episode.events]
    assert starts == sorted(starts)
    for event in episode.events:
        assert 0 <= event.start_s < event.end_s <= episode.duration_s
    labels = {event.label for event in episode.events}
    assert {"speech", "laughter", "noise"} <= labels <= {
        "speech", "laughter", "noise", "breath", "music", "agree", "uh", "um",
    }  # fmt: skip


def test_the_file_is_as_long_and_as_wide_as_the_truth_says(corpus, episode):
    info = soundfile.info(corpus.folder / episode.path)
    assert info.samplerate == episode.sample_rate == SAMPLE_RATE
    assert info.channels == episode.channels
    assert info.duration == pytest.approx(episode.duration_s, abs=0.1)


def test_speech_and_laughter_stand_out_of_the_room(episodes):
    for samples, timeline in episodes:
        busy = np.zeros(samples.shape[1], dtype=bool)
        for event in timeline.events:
            start_s = max(0, event.start_s - 0.3)
            busy[int(start_s * SAMPLE_RATE) : int((event.end_s + 0.4) * SAMPLE_RATE)] = True
        room = float(np.sqrt(np.mean(np.square(samples[:, ~busy]))))
        for event in timeline.events:
            if event.label in ("speech", "laughter"):
                assert level(samples, event.start_s, event.end_s) > 5 * room


def test_remote_recordings_have_a_voice_on_each_channel(episodes):
    samples, timeline = episodes[1]
    assert timeline.show.layout == "split"
    names = [voice.name for voice in timeline.voices]
    loud = [turn for turn in timeline.turns if turn.end_s - turn.start_s > 1]
    assert len(loud) > 5
    right = 0
    for turn in loud:
        own = names.index(turn.speaker)
        middle_s = (turn.start_s + turn.end_s) / 2
        around = (middle_s - 0.4, middle_s + 0.4)
        right += level(samples[own], *around) > 4 * level(samples[1 - own], *around)
    assert right / len(loud) > 0.9  # the rest is laughed into


def test_speech_rises_before_laughter_on_average(episodes):
    """What a look-ahead model can hear: the second half of a phrase against its first, in decibels."""
    before, elsewhere = [], []
    for samples, timeline in episodes:
        laughs_s = np.array([e.start_s for e in timeline.events if e.label == "laughter"])
        for event in timeline.events:
            if event.label != "speech" or event.end_s - event.start_s < 0.4:
                continue
            middle_s = (event.start_s + event.end_s) / 2
            first, second = (
                level(samples, *half) for half in ((event.start_s, middle_s), (middle_s, event.end_s))
            )
            near = np.any((laughs_s > event.end_s - 0.2) & (laughs_s < event.end_s + 0.6))
            (before if near else elsewhere).append(20 * np.log10(second / first))
    assert np.mean(before) > np.mean(elsewhere) + 1
    assert np.std(elsewhere) > 1  # and yet no single phrase gives it away


def test_many_laughs_follow_a_breath(episodes):
    before = total = 0
    for _, timeline in episodes:
        breaths = [(e.end_s, e.speaker) for e in timeline.events if e.label == "breath"]
        for event in timeline.events:
            if event.label == "laughter":
                total += 1
                before += any(
                    -0.01 < event.start_s - end_s < 0.1 and speaker == event.speaker
                    for end_s, speaker in breaths
                )
    assert 0.4 < before / total < 0.8


@pytest.mark.parametrize("name", ["vera", "oskar", "june"])
def test_a_laugh_has_four_to_six_calls_a_second(name):
    rng = np.random.default_rng(4)
    rates = []
    for _ in range(6):
        sound = laugh(load_voices()[name], 0.9, SAMPLE_RATE, rng)
        hop = SAMPLE_RATE // 100
        count = len(sound.samples) // hop
        envelope = np.square(sound.samples[: count * hop]).reshape(count, hop).mean(axis=1)
        spectrum = np.abs(np.fft.rfft((envelope - envelope.mean()) * np.hanning(count), 2048))
        frequency = np.fft.rfftfreq(2048, 0.01)
        slow = (frequency > 2.5) & (frequency < 9)
        rates.append(frequency[slow][np.argmax(spectrum[slow])])
    assert 3.8 < np.median(rates) < 6.2


def test_a_laugh_is_higher_than_speech_and_lasts_a_breath():
    voice = load_voices()["miles"]
    rng = np.random.default_rng(1)
    for strength in (0.1, 0.9):
        sound = laugh(voice, strength, SAMPLE_RATE, rng)
        assert 0.4 < sound.duration_s < 3.0
        assert np.isfinite(sound.samples).all()
        assert np.abs(sound.samples).max() < 12


def test_stronger_laughs_are_longer_on_average():
    voice = load_voices()["vera"]
    weak, strong = (
        np.mean([laugh(voice, s, SAMPLE_RATE, np.random.default_rng(i)).duration_s for i in range(8)])
        for s in (0.1, 1.0)
    )
    assert strong > 1.3 * weak


def test_noises_have_unit_rms_and_their_own_colour():
    rng = np.random.default_rng(0)
    breath = inhale(load_voices()["june"], 0.4, SAMPLE_RATE, rng)
    tone = room_tone(SAMPLE_RATE, SAMPLE_RATE, rng)
    assert breath.std() == pytest.approx(1, rel=0.05)
    assert tone.std() == pytest.approx(1, rel=0.05)
    power = np.abs(np.fft.rfft(tone)) ** 2
    decade_db = 10 * np.log10(power[150:300].mean() / power[1500:3000].mean())
    assert decade_db == pytest.approx(10, abs=1.5)  # 3 dB an octave


def test_a_joke_uses_one_word_for_one_slot_throughout():
    writer = Writer(load_shows()[0], np.random.default_rng(5))
    for _ in range(30):
        lines = list(writer.joke(0))
        assert [line.manner for line in lines if line.host == 0] == ["setup", "lead", "punch"]
        assert "{" not in "".join(line.text for line in lines)


def test_a_writer_repeats_no_line_before_all_have_been_used():
    writer = Writer(load_shows()[0], np.random.default_rng(5))
    replies = [writer.line("reply") for _ in range(7)]
    assert len(set(replies)) == 7


def test_the_csv_has_the_columns_of_podcastfillers_and_survives_commas(corpus, truth):
    with (corpus.podcasts / "PodcastFillers.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == CSV_COLUMNS
    assert any("," in row["podcast_filename"] for row in rows)
    episodes = {path.stem: path for path in corpus.podcasts.rglob("*.*") if path.suffix in (".mp3", ".flac")}
    assert {row["podcast_filename"] for row in rows} == set(episodes)
    for row in rows:
        start, end = float(row["event_start_inepisode"]), float(row["event_end_inepisode"])
        clip = float(row["clip_start_inepisode"]), float(row["clip_end_inepisode"])
        assert end - start == pytest.approx(float(row["duration"]), abs=2e-4)
        assert clip[1] - clip[0] == pytest.approx(1, abs=2e-4)
        assert clip[0] <= (start + end) / 2 <= clip[1]
        assert 0 <= float(row["event_start_inclip"]) <= float(row["event_end_inclip"]) <= 1
        assert 0.5 < float(row["confidence"]) <= 1
    laughs = sum(row["label_full_vocab"] == "Laughter" for row in rows)
    assert laughs == sum(event.label == "laughter" for e in truth.episodes for event in e.events)


def test_sidecars_are_in_their_formats(corpus, truth):
    mono, remote = truth.episodes
    labels = (corpus.folder / mono.path).with_name(f"{mono.path.split('/')[-1][:-4]}.labels.txt")
    rows = [line.split("\t") for line in labels.read_text().splitlines()]
    assert all(len(row) == 3 and float(row[0]) < float(row[1]) for row in rows)
    assert [row[2] for row in rows] == [e.label for e in mono.events if e.label != "speech"]

    turns = [
        line.split(" ")
        for line in (corpus.folder / remote.path).with_suffix(".rttm").read_text().splitlines()
    ]
    assert all(len(row) == 10 and row[0] == "SPEAKER" for row in turns)
    assert [row[7] for row in turns] == [turn.speaker for turn in remote.turns]

    words = [
        line.split(" ") for line in (corpus.folder / remote.path).with_suffix(".ctm").read_text().splitlines()
    ]
    assert all(len(row) == 8 and row[6] == "lex" for row in words)
    assert len(words) == len(remote.words)
