"""The programme as a whole: enough music, varied where it should vary, equal where it should not."""

from collections import Counter, defaultdict

import numpy as np
import pytest

from audio_assets.demo.music import players
from audio_assets.demo.music.arrangement import arrange
from audio_assets.demo.music.instruments import INSTRUMENTS
from audio_assets.demo.music.melody import _FOUR, _FOUR_SYNCOPATED, _THREE, third_above
from audio_assets.demo.music.theory import Key
from audio_assets.demo.music.works import DATA, Line, load_styles, load_versions
from audio_assets.demo.voice import load_voices

VERSIONS = load_versions()
STYLES = load_styles()
SCORES = {v.key_slug: arrange(v, STYLES[v.subgenre], np.random.default_rng(0)) for v in VERSIONS}


def by_work():
    works = defaultdict(list)
    for version in VERSIONS:
        works[version.work.work_id].append(version)
    return works


def test_there_are_enough_recordings_of_a_length_that_stays_processable():
    seconds = [score.end_s for score in SCORES.values()]
    assert len(VERSIONS) >= 40
    assert len(SCORES) == len(VERSIONS)  # keys are unique
    assert min(seconds) > 20
    assert max(seconds) < 40
    assert 18 < sum(seconds) / 60 < 25


def test_each_genre_has_two_subgenres_and_each_subgenre_several_works_and_artists():
    subgenres = Counter(style.genre for style in STYLES.values())
    assert len(subgenres) >= 4
    assert set(subgenres.values()) == {2}
    for subgenre in STYLES:
        own = [version for version in VERSIONS if version.subgenre == subgenre]
        assert len({version.artist for version in own}) >= 3
        assert len({version.work.work_id for version in own}) >= 3


def test_some_artists_have_several_works():
    works = defaultdict(set)
    for version in VERSIONS:
        works[version.artist].add(version.work.work_id)
    assert sum(len(own) > 1 for own in works.values()) >= 4


@pytest.mark.parametrize(("work", "versions"), by_work().items())
def test_versions_of_a_work_differ_in_key_and_tempo_but_not_in_words(work, versions):
    assert 2 <= len(versions) <= 4
    assert len({version.key.tonic for version in versions}) == len(versions)
    assert len({version.bpm for version in versions}) == len(versions)
    assert len({version.key.mode for version in versions}) == 1
    assert len({version.work.lyrics for version in versions}) == 1


@pytest.mark.parametrize(("work", "versions"), by_work().items())
def test_versions_of_a_work_share_the_melody_up_to_transposition(work, versions):
    """The tune of the first six lines: intervals from note to note."""
    tunes = set()
    for version in versions:
        score = SCORES[version.key_slug]
        notes = [note.midi for note in score.melody][:20]
        if not version.voice:  # the instrument also plays the introduction
            sung = score.bars[[bar.section for bar in score.bars].index("verse")]
            start_s = score.tempo.seconds(sung.beat) - 0.05
            notes = [note.midi for note in score.melody if note.start_s >= start_s][:20]
        tunes.add(tuple(np.diff(notes)))
    assert len(tunes) == 1


def test_a_grouped_split_can_hold_every_subgenre_on_both_sides():
    """Recordings tied by artist or work go to one side; no subgenre may be one such bundle."""
    group = {version.key_slug: version.key_slug for version in VERSIONS}
    for tie in ("artist", "work_id"):
        first = {}
        for version in VERSIONS:
            name = version.artist if tie == "artist" else version.work.work_id
            old, new = group[version.key_slug], group[first.setdefault(name, version.key_slug)]
            group = {key: new if value == old else value for key, value in group.items()}
    for subgenre in STYLES:
        bundles = {group[v.key_slug] for v in VERSIONS if v.subgenre == subgenre}
        assert len(bundles) >= 3, subgenre


def test_held_notes_of_the_melody_belong_to_their_chord():
    agree = []
    for score in SCORES.values():
        for line in score.sung:
            last = line.notes[-1]
            middle_s = last.start_s + 0.4 * last.duration_s
            bar = [b for b in score.bars if score.tempo.seconds(b.beat) <= middle_s][-1]
            beat = np.interp(middle_s, score.tempo.beat_times_s, np.arange(len(score.tempo.beat_times_s)))
            agree.append(last.midi % 12 in bar.chord_at(beat - bar.beat).pitch_classes)
    assert np.mean(agree) > 0.95


def test_rhythms_divide_lines_where_the_written_melodies_have_their_bar_line():
    import tomllib

    for row in tomllib.loads((DATA / "works.toml").read_text("utf-8"))["works"].values():
        for text in row["verse_melody"] + row["chorus_melody"]:
            *_, first, second = (half.split() for half in text.split("|"))
            count = len(first) + len(second)
            for templates in (_FOUR, _FOUR_SYNCOPATED, _THREE):
                for template in templates[count]:
                    assert template.count("x") == count
                    assert template[: len(template) // 2].count("x") == len(first), text


def test_everything_a_style_or_version_names_exists():
    for style in STYLES.values():
        names = {part.name for part in style.parts}
        for part in style.parts:
            assert part.instrument in INSTRUMENTS
            assert set("".join(part.pattern)) <= set("Xxor356812345678an.-")
        for version in VERSIONS:
            if version.subgenre == style.subgenre:
                assert set(version.swap) <= names
                assert set(version.drop) <= names | {"drums"}
                assert version.lead is None or version.lead in INSTRUMENTS
                assert version.voice is None or version.voice in load_voices()


def test_each_subgenre_has_its_own_tempo_range_or_metre():
    house = [v.bpm for v in VERSIONS if v.subgenre == "house"]
    ambient = [v.bpm for v in VERSIONS if v.subgenre == "ambient"]
    swing = [v.bpm for v in VERSIONS if v.subgenre == "swing"]
    assert max(ambient) < min(house) < max(house) < min(swing)
    assert STYLES["waltz"].meter == 3


def test_a_line_whose_melody_has_another_length_is_refused():
    with pytest.raises(ValueError, match="3 syllables but its melody '1 2' has 2"):
        Line.parse("one two-three", "1 2")


def test_a_third_above_stays_in_the_scale():
    key = Key.parse("A minor")
    assert [third_above(midi, key) for midi in (57, 59, 60, 64)] == [60, 62, 64, 67]


def test_players_are_loose_but_never_by_more_than_two_deviations():
    score = SCORES["the-copper-foxes-wrong-side-of-summer-studio"]
    player = players.Player(score.tempo, 0.004, np.random.default_rng(0))
    offs = [player.off_s() for _ in range(1000)]
    assert 0.003 < np.std(offs) < 0.005
    assert np.max(np.abs(offs)) <= 0.008
