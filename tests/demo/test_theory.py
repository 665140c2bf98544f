import mir_eval
import numpy as np
import pytest

from audio_assets.demo.music.theory import (
    FLAT_NAMES,
    QUALITIES,
    SCALES,
    SHARP_NAMES,
    Chord,
    Key,
    hertz,
    voice_chord,
)


@pytest.mark.parametrize("quality", QUALITIES)
def test_a_label_means_to_mir_eval_the_pitches_that_sound(quality):
    key = Key.parse("Eb major")
    chord = Chord(10, quality)
    root, bitmap, _ = mir_eval.chord.encode(chord.label(key))
    heard = {(root + step) % 12 for step in np.flatnonzero(bitmap)}
    assert heard == set(chord.pitch_classes)


@pytest.mark.parametrize("mode", SCALES)
@pytest.mark.parametrize("tonic", sorted({*SHARP_NAMES, *FLAT_NAMES}))
def test_key_names_are_those_of_mir_eval(tonic, mode):
    key = Key.parse(f"{tonic} {mode}")
    mir_eval.key.validate_key(key.name)
    assert mir_eval.key.weighted_score(key.name, f"{tonic} {mode}") == 1


def test_numerals_count_from_the_major_scale_in_either_mode():
    minor = Key.parse("A minor")
    labels = [Chord.parse(n, minor).label(minor) for n in ("i", "bIII", "bVI", "bVII", "V7", "iiø7")]
    assert labels == ["A:min", "C:maj", "F:maj", "G:maj", "E:7", "B:hdim7"]


def test_sevenths_are_diatonic():
    key = Key.parse("C major")
    triads = [Chord.parse(numeral, key) for numeral in ("I", "ii", "iii", "IV", "V", "vi")]
    assert [chord.with_seventh(key).quality for chord in triads] == [
        "maj7", "min7", "min7", "maj7", "7", "min7",
    ]  # fmt: skip


def test_voices_move_as_little_as_they_can():
    key = Key.parse("C major")
    tonic = voice_chord(Chord.parse("I", key), 3, 55, 72, (60, 64, 67))
    minor = voice_chord(Chord.parse("vi", key), 3, 55, 72, tonic)
    assert tonic == (60, 64, 67)
    assert minor == (60, 64, 69)  # one voice, one step


def test_four_voices_sound_every_tone_of_a_seventh_chord():
    key = Key.parse("G minor")
    for numeral in ("i7", "iiø7", "V7", "bIIImaj7"):
        chord = Chord.parse(numeral, key)
        voicing = voice_chord(chord, 4, 53, 74, None)
        assert {pitch % 12 for pitch in voicing} == set(chord.pitch_classes)


@pytest.mark.parametrize("name", ["H major", "C dorian", "c minor", ""])
def test_a_key_that_is_none_is_refused(name):
    with pytest.raises(ValueError, match="is not '<tonic> major'"):
        Key.parse(name)


def test_a_numeral_or_degree_that_is_none_is_refused():
    key = Key.parse("C major")
    with pytest.raises(ValueError, match="not a roman numeral"):
        Chord.parse("Vmaj9", key)
    with pytest.raises(ValueError, match="scale degree '8'"):
        key.pitch("8")


def test_a_register_too_narrow_for_a_chord_is_named():
    with pytest.raises(ValueError, match="widen the part's register"):
        voice_chord(Chord(0, "maj7"), 4, 60, 64, None)


def test_an_octave_doubles_the_frequency():
    assert hertz(81) == pytest.approx(880)
    assert hertz(60) == pytest.approx(261.6256, abs=1e-4)
