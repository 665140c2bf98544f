"""The assets of captions: facts from the tables, rows, and the comparison."""

import numpy as np
import pytest

from audio_assets.assets.music.captions import caption_comparison, caption_facts, captions
from audio_assets.audio.signal import Signal
from audio_assets.backends.captions import CAPTIONS_ROLE
from audio_assets.backends.captions.absent import NoSecondCaptions
from audio_assets.backends.captions.embedded import ComposedCaptions, FactCorrection
from audio_assets.captions import KINDS
from audio_assets.engine import NotApplicable
from audio_assets.settings import Settings

TRACK = Signal.from_array(np.ones(10), 44_100)
RECORD = {"duration_s": 64.0}
LOUDNESS = {"lufs": -11.0, "lra": 6.0}
TEMPO = {"bpm": 120.0, "bpm_is_defined": True}
TONAL = {"key": "A", "scale": "minor"}
BEATS = [{"time_s": i / 2, "beat_in_bar": i % 4 + 1, "is_downbeat": i % 4 == 0} for i in range(128)]
CHORDS = [
    {"start_s": 0.0, "end_s": 10.0, "chord": "A:min", "strength": 0.9},
    {"start_s": 10.0, "end_s": 12.0, "chord": "N", "strength": None},
    {"start_s": 12.0, "end_s": 30.0, "chord": "F:maj", "strength": 0.9},
    {"start_s": 30.0, "end_s": 44.0, "chord": "A:min", "strength": 0.9},
]
TAGS = [
    {"family": "genre", "label": "Electronic---House", "probability": 0.3},
    {"family": "genre", "label": "Electronic---Disco", "probability": 0.5},
    {"family": "mood_theme", "label": "happy", "probability": 0.0999},
    {"family": "instrument", "label": "piano", "probability": 0.1},
]
VOICE = {"voice_probability": 0.1, "female_probability": None}


def facts(**changed):
    tables = {
        "loudness": LOUDNESS,
        "tempo": TEMPO,
        "tonal": TONAL,
        "beats": BEATS,
        "chords": CHORDS,
        "timbre": None,
        "tags": TAGS,
        "binary_labels": VOICE,
        **changed,
    }
    return caption_facts(TRACK, *tables.values(), record=RECORD)


def test_facts_are_read_from_the_tables():
    (row,) = caption_facts.table.check_rows(facts())
    assert (row["bpm"], row["key"], row["beats_per_bar"], row["bar_count"]) == (120.0, "A", 4, 32)
    assert row["chords"] == ["A:min", "F:maj"]
    assert row["mean_chord_s"] == pytest.approx(42 / 3)
    assert row["genres"] == ["Electronic---Disco", "Electronic---House"]
    assert (row["moods"], row["instruments"], row["voice"]) == ([], ["piano"], 0.1)
    assert row["brightness"] is None


def test_what_is_not_there_is_null():
    row = facts(
        tempo={"bpm": None, "bpm_is_defined": False},
        tonal={"key": None, "scale": None},
        beats=[],
        chords=[],
        tags=None,
        binary_labels=None,
    )
    measured = {name for name, value in row.items() if value is not None}
    assert measured == {"duration_s", "has_tempo", "lufs", "lra"}


def test_beats_without_bars_make_no_metre():
    beats = [{"time_s": i / 2, "beat_in_bar": None, "is_downbeat": None} for i in range(20)]
    row = facts(beats=beats)
    assert (row["beats_per_bar"], row["bar_count"]) == (None, None)


def test_a_silent_track_is_not_applicable():
    with pytest.raises(NotApplicable, match="silent"):
        facts(loudness={"lufs": None, "lra": None})


def test_captions_have_a_row_for_each_kind_there_is_something_to_say_of():
    rows = captions.table.check_rows(captions(TRACK, facts(), captions=ComposedCaptions()))
    assert [row["kind"] for row in rows] == list(KINDS)
    untagged = facts(tags=None, binary_labels=None)
    rows = captions(TRACK, untagged, captions=ComposedCaptions())
    assert [row["kind"] for row in rows] == ["full", "technical", "genre_mood", "structure"]


class Heard:
    """A model that says what it is made to say."""

    def __init__(self, said):
        self.said = said

    def describe(self, track, facts, genres):
        if isinstance(self.said, Exception):
            raise self.said
        return f"{self.said} A classifier hears {genres[0]}." if genres else self.said


def compared(row, captioner=None, second=None):
    return caption_comparison(
        TRACK,
        row,
        captions=captioner or ComposedCaptions(),
        caption_revision=FactCorrection(),
        second_captions=second or NoSecondCaptions(),
    )


def test_without_weights_the_comparison_has_the_variants_that_need_none():
    rows = compared(facts())
    assert [row["variant"] for row in rows] == ["baseline", "genre_hint", "revision", "ensemble"]
    caption_comparison.table.check_rows(rows)
    by_variant = {row["variant"]: row for row in rows}
    assert by_variant["baseline"]["tag_agreement"] == 0
    assert by_variant["genre_hint"]["tag_agreement"] == 1
    assert all(row["tempo_agreement"] == row["key_agreement"] == 1 for row in rows)
    assert by_variant["revision"]["text"] == by_variant["baseline"]["text"]
    assert by_variant["ensemble"]["agreement"] >= by_variant["baseline"]["agreement"]
    rows = compared(facts(tags=None))
    assert [(row["variant"], row["tag_agreement"]) for row in rows] == [
        ("baseline", None),
        ("revision", None),
        ("ensemble", None),
    ]


def test_with_a_second_model_there_are_all_five_variants():
    wrong = Heard("A song at 60 bpm in C major.")
    rows = compared(facts(), wrong, Heard("Disco on a piano at 125 bpm."))
    caption_comparison.table.check_rows(rows)
    assert {row["variant"]: (row["text"], row["tempo_agreement"], row["key_agreement"]) for row in rows} == {
        "baseline": ("A song at 60 bpm in C major.", 0.5, 0.3),
        "genre_hint": (
            "A song at 60 bpm in C major. A classifier hears Electronic---Disco.",
            0.5,
            0.3,
        ),
        "revision": ("A song at 120 bpm in A minor.", 1.0, 1.0),
        "second_model": ("Disco on a piano at 125 bpm.", 0.0, None),
        "ensemble": ("A song at 120 bpm in A minor.", 1.0, 1.0),
    }


def test_a_second_model_that_has_nothing_to_say_leaves_its_variant_out_and_one_that_fails_does_not():
    rows = compared(facts(), second=Heard(NotApplicable("the track is shorter than 1.0 s")))
    assert [row["variant"] for row in rows] == ["baseline", "genre_hint", "revision", "ensemble"]
    with pytest.raises(ValueError, match="gives NaN"):
        compared(facts(), second=Heard(ValueError("qwen2.5-omni gives NaN")))


def test_the_comparison_names_all_that_made_it(tmp_path):
    settings = Settings(home=tmp_path, second_captions_backend="published")
    choices = {role.name: role.player(settings) for role in caption_comparison.roles}
    recipe = caption_comparison.recipe({}, choices)
    assert recipe.backend == "composed+fact-correction+qwen2.5-omni"
    assert recipe.licence == "Apache-2.0+Apache-2.0+Apache-2.0"
    assert set(choices) == {"captions", "caption_revision", "second_captions"}


def test_captions_wait_for_what_they_state_and_do_without_what_needs_weights(tmp_path):
    assert caption_facts.upstream[:5] == ("loudness", "tempo", "tonal", "beats", "chords")
    assert caption_facts.optional_upstream == {"timbre", "tags", "binary_labels"}
    choices = {"captions": CAPTIONS_ROLE.player(Settings(home=tmp_path))}
    assert captions.recipe({}, choices).backend == "composed"
    assert CAPTIONS_ROLE.backend("published").licence == "NVIDIA-OneWay-Noncommercial"
