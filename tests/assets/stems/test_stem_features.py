"""Features of stems: where the music is known, so are they; a silent stem has none."""

import numpy as np
import pytest

from audio_assets.assets.music.stem_features import stem_harmony, stem_loudness, stem_rhythm
from audio_assets.audio.signal import Signal
from audio_assets.backends.separation import SAMPLE_RATE
from audio_assets.engine import NotApplicable
from audio_assets.features import shared
from audio_assets.features.tonal import chroma_frames, measure_harmonic_change
from tests.conftest import CHECKOUT


@pytest.fixture
def track(song):
    _, known = song
    return Signal.from_array(sum(known.values()), SAMPLE_RATE)


@pytest.fixture
def beats(song):
    beats_s, _ = song
    return [{"time_s": time_s} for time_s in beats_s]


def checked(asset, row):
    (found,) = asset.table.check_rows(row)
    return found


def test_loudness_is_that_of_the_stems_and_null_where_one_is_silent(track, stored):
    row = checked(stem_loudness, stem_loudness(track, stored.rows))
    measured = {stem["stem"]: stem for stem in stored.rows}
    for stem in ("bass", "drums", "other"):
        assert row[f"lufs_{stem}"] == measured[stem]["lufs"]
        assert row[f"lra_{stem}"] == measured[stem]["lra"]
    assert row["lufs_vocals"] is None
    assert row["lra_vocals"] is None


def test_drums_on_the_beat_are_even_and_not_syncopated_and_a_bass_between_is(track, stored, beats):
    row = checked(stem_rhythm, stem_rhythm(track, stored.rows, beats, objects=stored.objects))
    assert row["onset_density_average_drums"] == pytest.approx(2.0, abs=0.1)
    assert row["onset_density_variance_drums"] == pytest.approx(0.0, abs=0.05)
    assert row["syncopation_drums"] < 0.05
    assert row["syncopation_bass"] > 0.95
    assert row["rhythmic_evenness_drums"] > 0.95
    assert row["rhythmic_complexity_drums"] < 0.05
    assert row["onset_density_average_other"] < 1.0


def test_harmony_is_that_of_the_stem_itself_and_moves_where_its_chords_do(track, stored, song):
    _, known = song
    row = checked(stem_harmony, stem_harmony(track, stored.rows, objects=stored.objects))
    for stem in ("bass", "other"):
        magnitudes = shared.constant_q_magnitudes(Signal.from_array(known[stem][0], SAMPLE_RATE))
        change = measure_harmonic_change(chroma_frames(magnitudes))
        assert row[f"harmonic_movement_{stem}"] == pytest.approx(change.harmonic_movement, abs=0.02)
        assert row[f"harmonic_variance_{stem}"] == pytest.approx(change.harmonic_variance, abs=0.01)
    single = Signal.from_array(np.tile(known["other"][0][: 2 * SAMPLE_RATE], 6), SAMPLE_RATE)
    steady = measure_harmonic_change(chroma_frames(shared.constant_q_magnitudes(single)))
    assert row["harmonic_variance_other"] > 3 * steady.harmonic_variance


def test_the_stems_are_decoded_once_for_all_assets(track, stored, beats):
    stem_rhythm(track, stored.rows, beats, objects=stored.objects)
    stored.objects.delete([row["audio"] for row in stored.rows if row["stem"] != "drums"])
    try:
        stem_harmony(track, stored.rows, objects=stored.objects)
    finally:
        _restore(track, stored)


def _restore(track, stored):
    """The objects again, since other tests read them."""
    from audio_assets.assets.music.stems import mono_stem
    from audio_assets.audio.encode import encode_flac

    for row in stored.rows:
        signal = mono_stem(track, stored.rows, row["stem"], stored.objects)
        if signal is not None:
            stored.objects.put(
                row["audio"], encode_flac(np.repeat(signal.samples, 2, axis=0), SAMPLE_RATE, 16)
            )


@pytest.mark.parametrize("silent", ["bass", "drums", "other"])
def test_the_columns_of_a_silent_stem_are_null_and_only_these(silent, track, stored, beats):
    some = stored.without(silent)
    row = checked(stem_rhythm, stem_rhythm(track, some.rows, beats, objects=some.objects))
    assert {name.rpartition("_")[2] for name, value in row.items() if value is None} == {silent}


def test_without_beats_there_is_no_syncopation_but_density(track, stored):
    row = checked(stem_rhythm, stem_rhythm(track, stored.rows, [], objects=stored.objects))
    assert row["syncopation_drums"] is None
    assert row["onset_density_average_drums"] == pytest.approx(2.0, abs=0.1)


def test_an_a_cappella_track_has_no_rhythm_or_harmony_of_stems_but_a_loudness(track, stored, beats):
    rows = stored.without("drums", "bass", "other").rows
    rows = [{**row, "is_silent": False, "lufs": -20.0} if row["stem"] == "vocals" else row for row in rows]
    with pytest.raises(NotApplicable, match="the bass, drums, other stems are silent"):
        stem_rhythm(track, rows, beats, objects=stored.objects)
    with pytest.raises(NotApplicable, match="the bass, other stems are silent"):
        stem_harmony(track, rows, objects=stored.objects)
    assert stem_loudness(track, rows)["lufs_vocals"] == -20.0


def test_drums_alone_have_a_rhythm_and_no_harmony(track, stored, beats):
    some = stored.without("bass", "other")
    row = stem_rhythm(track, some.rows, beats, objects=some.objects)
    assert row["syncopation_drums"] is not None
    with pytest.raises(NotApplicable):
        stem_harmony(track, some.rows, objects=some.objects)


def test_where_all_stems_are_silent_nothing_is_applicable(track, stored, beats):
    none = stored.without("drums", "bass", "other", "vocals")
    with pytest.raises(NotApplicable, match="stems are silent"):
        stem_loudness(track, none.rows)


def test_every_column_is_one_of_the_view_of_all_features():
    view = (CHECKOUT / "sql/views/track_features.sql").read_text()
    tables = (stem_loudness.table, stem_rhythm.table, stem_harmony.table)
    names = [column.name for table in tables for column in table.columns]
    assert len(names) == 8 + 15 + 4
    assert all(name in view for name in names)
