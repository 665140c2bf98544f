import numpy as np
import pytest

from audio_assets.demo.music.score import Note, SungLine
from audio_assets.demo.music.singing import find_syllables, sing
from audio_assets.demo.music.works import Line, load_versions
from audio_assets.demo.voice import Espeak, load_voices

VOICES = load_voices()


@pytest.fixture(scope="module")
def espeak():
    with Espeak() as espeak:
        yield espeak


def pitch_hz(samples, rate, low=60, high=500):
    samples = samples - samples.mean()
    power = np.fft.irfft(np.abs(np.fft.rfft(samples, 2 * len(samples))) ** 2)
    lags = np.arange(int(rate / high), int(rate / low))
    return rate / lags[np.argmax(power[lags])]


def test_a_new_espeak_says_the_same_whatever_was_said_before():
    def say():
        with Espeak() as fresh:
            return [
                fresh.speak("Noche, noche de sal, perro y rosa.", VOICES["tenor"], language="es"),
                fresh.speak("The rough river runs around.", VOICES["miles"]),
            ]

    first = say()
    with Espeak() as other:
        other.speak("Something else entirely.", VOICES["june"], words_per_minute=230)
        second = say()
    for a, b in zip(first, second, strict=True):
        assert np.array_equal(a.samples, b.samples)
        assert a.words == b.words


def test_words_follow_each_other_and_end_with_the_sound(espeak):
    text = "Well, I never thought the machine would answer me!"
    spoken = espeak.speak(text, VOICES["vera"])
    assert [word.text for word in spoken.words] == text.replace(",", "").replace("!", "").split()
    times = [time for word in spoken.words for time in (word.start_s, word.end_s)]
    assert times == sorted(times)
    rate = spoken.sample_rate
    after = spoken.samples[int((spoken.words[-1].end_s + 0.02) * rate) :]
    inside = spoken.samples[int(spoken.words[-1].start_s * rate) : int(spoken.words[-1].end_s * rate)]
    assert np.abs(after).max(initial=0) < 0.02 * np.abs(inside).max()


@pytest.mark.parametrize(
    "text", ["on the hill", "only the hum of the wire", "no one in the barley", "I am home"]
)
def test_words_that_espeak_runs_together_are_told_apart(espeak, text):
    spoken = espeak.speak(text, VOICES["alto"])
    assert [word.text for word in spoken.words] == text.split()
    assert all(word.end_s - word.start_s > 0.02 for word in spoken.words)


def test_a_constant_pitch_is_held(espeak):
    spoken = espeak.speak("a", VOICES["alto"], constant_hz=220)
    middle = len(spoken.samples) // 3
    assert pitch_hz(spoken.samples[middle : middle + 2000], spoken.sample_rate) == pytest.approx(
        220, rel=0.02
    )


def test_speakers_sound_different(espeak):
    """By the pitch of the same word, men lower than women."""
    hertz = {}
    for name in ("vera", "miles", "june", "oskar", "priya", "dez", "hollis", "anneke"):
        spoken = espeak.speak("no", VOICES[name], pitch_range=0)
        middle = len(spoken.samples) // 3
        hertz[name] = pitch_hz(spoken.samples[middle : middle + 3000], spoken.sample_rate)
    men = [hertz[name] for name in hertz if VOICES[name].gender == "male"]
    women = [hertz[name] for name in hertz if VOICES[name].gender == "female"]
    assert max(men) < min(women)
    assert len({round(value / 5) for value in hertz.values()}) >= 6


def test_an_unknown_language_is_an_error(espeak):
    with pytest.raises(KeyError, match="xx"):
        espeak.speak("hello", VOICES["alto"], language="xx")


LYRICS = sorted(
    {
        (version.work.language, line)
        for version in load_versions()
        if version.voice
        for line in version.work.verse + version.work.chorus
    },
    key=lambda pair: pair[1].text,
)


@pytest.mark.parametrize(("language", "line"), LYRICS, ids=[line.text for _, line in LYRICS])
def test_every_syllable_of_every_lyric_has_a_vowel_in_order(espeak, language, line):
    spoken = espeak.speak(
        line.text, VOICES["tenor"], language=language, words_per_minute=150, constant_hz=150
    )
    syllables = find_syllables(spoken, [len(word) for word in line.words])
    assert len(syllables) == len(line.degrees)
    for syllable in syllables:
        assert syllable.onset_s <= syllable.vowel_s < syllable.vowel_end_s <= syllable.end_s
    vowels = [syllable.vowel_s for syllable in syllables]
    assert vowels == sorted(vowels)


def sung(harmony=()):
    line = Line.parse("Lu-na cla-ra", "1 3 5 1'")
    notes = tuple(Note(0.5 + 0.6 * i, 0.6, midi, 0.9) for i, midi in enumerate((55, 59, 62, 67)))
    with Espeak() as espeak:
        return notes, sing(SungLine(line, "verse", notes), espeak, VOICES["tenor"], "es", harmony)


def test_every_note_is_sung_at_its_pitch():
    notes, (phrase,) = sung()
    for note in notes:
        at = int((note.start_s - phrase.start_s + 0.12) * 22050)
        wanted = 440 * 2 ** ((note.midi - 69) / 12)
        heard = pitch_hz(phrase.samples[at : at + 2500], 22050, wanted / 1.4, wanted * 1.4)
        assert abs(1200 * np.log2(heard / wanted)) < 35


def test_a_harmony_is_sung_in_the_same_rhythm_at_its_own_pitch():
    notes, (lead, second) = sung(harmony=(59, 62, 67, 71))
    assert lead.start_s == second.start_s
    assert lead.words == second.words
    assert abs(len(lead.samples) - len(second.samples)) < 600
    at = int((notes[0].start_s - second.start_s + 0.12) * 22050)
    wanted = 440 * 2 ** ((59 - 69) / 12)
    heard = pitch_hz(second.samples[at : at + 2500], 22050, wanted / 1.2, wanted * 1.2)
    assert abs(1200 * np.log2(heard / wanted)) < 35


def test_a_vowel_begins_on_its_note_and_the_word_a_consonant_before():
    notes, (phrase,) = sung()
    luna, clara = phrase.words
    assert luna.text, clara.text == ("Luna", "clara")
    assert 0.02 < notes[0].start_s - luna.start_s < 0.2
    assert 0.02 < notes[2].start_s - clara.start_s < 0.3
    assert clara.end_s == pytest.approx(notes[3].start_s + notes[3].duration_s, abs=0.25)
