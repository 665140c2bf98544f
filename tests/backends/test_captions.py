"""Captions: what is composed, what is claimed, how claims are scored, and Music Flamingo in miniature."""

import itertools
import re
from dataclasses import fields, replace
from types import SimpleNamespace

import mir_eval
import numpy as np
import pytest

from audio_assets.audio.signal import Signal
from audio_assets.backends.captions import KINDS, Facts, generation, music_flamingo
from audio_assets.backends.captions.agreement import (
    Agreement,
    ensemble,
    instrument_score,
    key_score,
    measure_agreement,
    tempo_score,
)
from audio_assets.backends.captions.claims import (
    Key,
    claimed_bpm,
    claimed_instruments,
    claimed_keys,
    metre_claims,
)
from audio_assets.backends.captions.embedded import ComposedCaptions, compose
from audio_assets.backends.captions.generation import first_minutes
from audio_assets.backends.captions.music_flamingo import MusicFlamingoCaptions
from audio_assets.backends.captions.prompts import PROMPTS
from audio_assets.backends.captions.text import normalise
from audio_assets.backends.captions.vocabulary import INSTRUMENTS
from audio_assets.backends.weights import MissingWeightsError, Weights
from audio_assets.engine.declare.outcomes import NotApplicable
from audio_assets.resources.accelerator import Accelerator
from tests.backends.flamingo_model import write_model

RATE = 16_000
ALL = Facts(
    duration_s=204.3,
    bpm=127.6,
    has_tempo=True,
    key="Eb",
    scale="minor",
    beats_per_bar=4,
    bar_count=108,
    lufs=-9.7,
    lra=5.2,
    brightness=66.0,
    warmth=57.0,
    chords=("Eb:min", "B:maj"),
    mean_chord_s=1.9,
    genres=("Electronic---Deep House", "Electronic---Techno"),
    moods=("dark", "party"),
    instruments=("synthesizer", "drummachine", "voice"),
    voice=0.9,
    female=0.1,
)
NONE = Signal.from_array(np.ones(10), 44_100)


def noise(seconds, rate=22_050, channels=2):
    return Signal.from_array(np.random.default_rng(0).normal(0, 0.1, (channels, int(seconds * rate))), rate)


# --- composed captions


def test_a_composed_caption_states_what_was_measured():
    found = ComposedCaptions().captions(NONE, ALL)
    assert list(found) == list(KINDS)
    assert claimed_bpm(found["full"]) == [128]
    assert claimed_bpm(found["technical"]) == [127.6]
    assert claimed_keys(found["full"])[0] == claimed_keys(found["technical"])[0] == Key(3, "minor")
    assert {"-9.7 LUFS", "5.2 LU"} <= set(re.findall(r"-?[\d.]+ LUF?S?", found["technical"]))
    assert claimed_instruments(found["instrumentation"]) == {"synthesizer", "drummachine", "voice"}
    assert "The vocals are male." in found["instrumentation"]
    assert "deep house and techno" in found["genre_mood"]
    assert "dark" in found["genre_mood"]
    assert "108 bars of four beats in 3 minutes and 24 seconds" in found["structure"]
    assert "Eb minor and B major" in found["structure"]


WORDS_OF = {
    "bpm": r"bpm|brisk|tempo of|the tempo",
    "key": r"\bEb\b(?! minor and)",
    "lufs": r"LUFS|loud|quiet",
    "lra": r"\bLU\b|dynamics",
    "brightness": r"bright|dark sound|mellow|balanced",
    "warmth": r"warm",
    "chords": r"harmony|chord",
    "genres": r"house|techno",
    "moods": r"mood|feels|theme",
    "instruments": r"synth|drum|instrument",
    "voice": r"vocals|instrumental\b",
    "beats_per_bar": r"beats",
    "bar_count": r"bars",
    "duration_s": r"minute|second(?!s on average)",
}


@pytest.mark.parametrize("name", WORDS_OF)
def test_what_was_not_measured_is_not_stated(name):
    gone = {"key": ("key", "scale"), "bpm": ("bpm", "has_tempo"), "voice": ("voice", "female")}
    without = replace(ALL, **dict.fromkeys(gone.get(name, (name,))))
    texts = [compose(without, kind) for kind in KINDS]
    assert any(re.search(WORDS_OF[name], compose(ALL, kind)) for kind in KINDS)
    for text in texts:
        assert not re.search(WORDS_OF[name], text), text


def some_facts(seed):
    """Facts of which about half are missing."""
    rng = np.random.default_rng(seed)
    values = {
        "duration_s": float(rng.uniform(5, 8000)),
        "bpm": float(rng.uniform(40, 300)),
        "has_tempo": True,
        "key": str(rng.choice(["C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"])),
        "scale": str(rng.choice(["major", "minor"])),
        "beats_per_bar": int(rng.integers(1, 13)),
        "bar_count": int(rng.integers(1, 200)),
        "lufs": float(rng.uniform(-40, -4)),
        "lra": float(rng.uniform(0, 25)),
        "brightness": float(rng.uniform(0, 100)),
        "warmth": float(rng.uniform(0, 100)),
        "chords": tuple(
            map(str, rng.choice(["A:min", "C:maj", "Bb:maj"], rng.integers(1, 4), replace=False))
        ),
        "mean_chord_s": 1.0,
        "genres": ("Jazz---Bossa Nova", "Pop---J-pop")[: rng.integers(0, 3)],
        "moods": ("happy", "film", "calm")[: rng.integers(0, 4)],
        "instruments": tuple(map(str, rng.choice(list(INSTRUMENTS), rng.integers(0, 6), replace=False))),
        "voice": float(rng.uniform()),
        "female": float(rng.uniform()),
    }
    return Facts(**{name: value for name, value in values.items() if rng.uniform() < 0.6})


def test_captions_are_grammatical_whatever_is_missing():
    for seed in range(400):
        for kind in KINDS:
            text = compose(some_facts(seed), kind)
            assert text == normalise(text)
            assert not re.search(r"  |\.\.|,,| \.| ,|None|nan|\bwith\.|\bin\.|; \.|^\W", text), text
            assert not re.search(r"\ba [aeio]|\ban [^aeiou]", text), text
            assert all(re.match(r"[A-Z]", part) for part in re.split(r"(?<=[a-z]\.) ", text) if part), text
            assert not re.search(r"\b1 (?:minutes|seconds|hours|bars)\b|\bone beats", text), text


def test_captions_vary_from_track_to_track_and_not_from_time_to_time():
    texts = [compose(replace(ALL, duration_s=float(n)), "full") for n in range(100, 160)]
    shapes = {re.sub(r"\d+ minutes?.*|\d+", "", text) for text in texts}
    assert len(shapes) > 5
    assert texts == [compose(replace(ALL, duration_s=float(n)), "full") for n in range(100, 160)]


def test_no_steady_tempo_is_stated_as_that():
    found = ComposedCaptions().captions(NONE, Facts(duration_s=12, has_tempo=False, key="A", scale="minor"))
    assert found["technical"] == "It is in A minor and has no steady tempo."
    assert claimed_bpm(" ".join(found.values())) == []


@pytest.mark.parametrize("facts", [Facts(), Facts(duration_s=30.0), Facts(bpm=None, genres=(), moods=())])
def test_of_nothing_measured_there_is_no_caption(facts):
    with pytest.raises(NotApplicable, match="nothing was measured"):
        ComposedCaptions().captions(NONE, facts)
    with pytest.raises(NotApplicable, match="nothing was measured"):
        ComposedCaptions().describe(NONE, facts, ())


# --- text


def test_text_is_one_line_of_plain_characters():
    assert normalise("“Soft”\u00a0pads — it’s\n\tﬁne… ½") == '"Soft" pads - it\'s fine... 1⁄2'
    assert normalise("a\u200bb\x00c\u0301") == "ab ć"
    for text in ("“x” – ﬁ\u3000", "…´`", "  "):
        assert normalise(normalise(text)) == normalise(text)


# --- claims


@pytest.mark.parametrize(
    ("text", "bpm"),
    [
        ("A house track at 124 BPM.", [124]),
        ("It moves at around 92.5 beats per minute", [92.5]),
        ("a tempo of roughly 140, in 4/4", [140]),
        ("a 170-bpm roller", [170]),
        ("between 118 to 122 bpm", [120]),
        ("between 118 and 122 BPM", [120]),
        ("a tempo of about 118-122 BPM, then 90 bpm", [120, 90]),
        ("tempo: 88", [88]),
        ("released in 1998 at -14 LUFS, 44 bars", []),
        ("999 bpm", []),
    ],
)
def test_tempi_are_read_from_text(text, bpm):
    assert claimed_bpm(text) == bpm


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("in the key of C# minor", [Key(1, "minor")]),
        ("It is in D-flat major.", [Key(1, "major")]),
        ("in B♭ minor", [Key(10, "minor")]),
        ("key: F sharp maj", [Key(6, "major")]),
        ("in A minor", [Key(9, "minor")]),
        ("A minor flaw. A major success. It has a minor key", []),
        ("from Ab major to Fmin", [Key(8, "major"), Key(5, "minor")]),
        ("the DJ mixes; Eminor", [Key(4, "minor")]),
        ("A-minor ballad", [Key(9, "minor")]),
        ("The key is F# Minor. Later in C Major.", [Key(6, "minor"), Key(0, "major")]),
        ("an F major chord, a G majority", []),
    ],
)
def test_keys_are_read_from_text(text, keys):
    assert claimed_keys(text) == keys


@pytest.mark.parametrize(
    ("text", "beats"),
    [
        ("in 3/4 time", [3]),
        ("12/8, common time, seven beats per bar", [12, 4, 7]),
        ("Four beats to the bar, then 5 beats in each measure", [4, 5]),
        ("3/4 of the song, on 4/4/2020, at 1/2 speed; two beats later", []),
    ],
)
def test_metres_are_read_from_text(text, beats):
    assert [claim.beats for claim in metre_claims(text)] == beats


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("Bass and drums", {"bass", "drums"}),
        ("a double bass", {"doublebass"}),
        ("an acoustic bass guitar", {"acousticbassguitar", "guitar"}),
        ("drum machines with synths", {"drummachine", "synthesizer"}),
        ("singers without any strings and no drums", {"voice"}),
        ("a pianist's pianos, electric pianos", {"piano", "electricpiano"}),
        ("basement, organise, hornet", set()),
    ],
)
def test_instruments_are_read_from_text(text, labels):
    assert claimed_instruments(text) == labels


def test_every_instrument_is_found_by_the_name_that_captions_give_it():
    for label, words in INSTRUMENTS.items():
        assert label in claimed_instruments(f"{words} can be heard"), label


# --- agreement


def test_the_key_score_is_that_of_mir_eval():
    names = ["C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"]
    keys = [
        (Key(tonic, scale), f"{names[tonic]} {scale}") for tonic in range(12) for scale in ("major", "minor")
    ]
    for (claimed, claimed_name), (measured, measured_name) in itertools.product(keys, keys):
        expected = mir_eval.key.weighted_score(measured_name, claimed_name)
        assert key_score(claimed, measured) == expected, (claimed_name, measured_name)


@pytest.mark.parametrize(
    ("claimed", "score"),
    [
        (120, 1),
        (124.8, 1),
        (125, 0),
        (115.2, 1),
        (115, 0),
        (240, 0.5),
        (249.6, 0.5),
        (60, 0.5),
        (40, 0.5),
        (360, 0.5),
    ],
)
def test_the_tempo_score_has_the_tolerance_of_accuracy_one_and_two(claimed, score):
    assert tempo_score(claimed, 120) == score


def test_instruments_are_scored_by_f1():
    assert instrument_score({"piano", "drums", "bass"}, ("piano", "drums")) == pytest.approx(0.8)
    assert instrument_score(set(), ("piano",)) == 0
    assert instrument_score(set(), ()) is None
    assert instrument_score({"piano"}, None) is None


def test_a_caption_is_scored_on_what_it_claims_and_what_was_measured():
    text = "Deep house at 64 BPM in Gb major with synths, drum machines and a singer; a dark mood."
    found = measure_agreement(text, ALL)
    assert found == Agreement(tempo=0.5, key=0.3, instruments=1.0, tags=0.5)
    assert found.mean == pytest.approx(0.575)
    assert measure_agreement("Some music.", ALL) == Agreement(None, None, 0.0, 0.0)
    assert measure_agreement(text, Facts()) == Agreement(None, None, None, None)
    assert measure_agreement(text, Facts()).mean is None


def test_composed_captions_agree_with_what_they_were_composed_from():
    found = measure_agreement(compose(ALL, "full"), ALL)
    assert (found.tempo, found.key, found.instruments) == (1.0, 1.0, 1.0)


def test_an_ensemble_takes_the_best_and_adds_what_it_leaves_out():
    texts = {
        "a": "Deep house with a dark mood. It is in C major.",
        "b": "A techno track at 128 BPM. It lasts long.",
        "c": "Synths and drum machines under vocals. Slow, at 70 bpm.",
    }
    found = ensemble(texts, ALL)
    assert found == "A techno track at 128 BPM. It lasts long. Synths and drum machines under vocals."
    assert measure_agreement(found, ALL).mean >= max(measure_agreement(t, ALL).mean for t in texts.values())
    assert ensemble({"a": "One."}, ALL) == "One."


def test_an_ensemble_takes_over_no_sentence_that_contradicts_what_was_measured():
    texts = {"a": "In Eb minor.", "b": "Synths and a drum machine at 100 bpm in C major.", "c": "At 128 bpm."}
    assert ensemble(texts, ALL) == "In Eb minor. At 128 bpm."


# --- Music Flamingo


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("flamingo"))


@pytest.fixture(scope="module")
def flamingo(folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(music_flamingo, "choose_accelerator", lambda: Accelerator("cpu", "bfloat16"))
        return MusicFlamingoCaptions(Weights(str(folder)))


@pytest.fixture
def few_words(monkeypatch):
    monkeypatch.setattr(generation, "MOST_TOKENS", 8)


def reference_answer(folder, samples, prompt):
    """What transformers answers by itself, the conversation tokenized by its processor in one go."""
    import torch
    from transformers import AutoProcessor, MusicFlamingoForConditionalGeneration

    processor = AutoProcessor.from_pretrained(folder)
    model = MusicFlamingoForConditionalGeneration.from_pretrained(folder, dtype=torch.bfloat16)
    content = [{"type": "text", "text": prompt}, {"type": "audio", "audio": samples}]
    inputs = processor.apply_chat_template(
        [{"role": "user", "content": content}], tokenize=True, add_generation_prompt=True, return_dict=True
    )
    inputs["input_features"] = inputs["input_features"].to(torch.bfloat16)
    tokens = model.generate(**inputs, max_new_tokens=8, do_sample=False)
    return processor.batch_decode(tokens[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)[0]


def test_an_answer_is_that_of_transformers_over_windows_of_thirty_seconds(folder, flamingo, few_words):
    track = noise(35)
    expected = reference_answer(folder, track.mono(RATE), PROMPTS["full"])
    assert flamingo.describe(track, Facts(), ()) == normalise(expected)


def test_there_is_a_caption_of_each_kind(flamingo, few_words):
    found = flamingo.captions(noise(3), Facts())
    assert list(found) == list(KINDS)
    assert all(found.values())


def test_a_hint_at_the_genres_is_part_of_the_prompt(flamingo, monkeypatch):
    monkeypatch.setattr(flamingo, "_answer", lambda samples, prompt: prompt)
    prompt = flamingo.describe(noise(3), ALL, ALL.genres)
    assert prompt.startswith(PROMPTS["full"])
    assert "deep house and techno" in prompt
    assert flamingo.describe(noise(3), ALL, ()) == PROMPTS["full"]


def test_only_the_first_minutes_are_read():
    read = []

    class Long:
        def blocks(self, block_s, rate, mono):
            for second in itertools.count():
                read.append(second)
                yield np.full((1, int(block_s * rate)), 0.1, np.float32)

    assert len(first_minutes(Long(), 45.0)) == 45 * RATE
    assert len(read) == 2
    assert MusicFlamingoCaptions.longest_s == 1200


@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (48_000, 8)])
def test_any_rate_and_number_of_channels_is_heard(rate, channels):
    assert first_minutes(noise(3, rate, channels), 60.0).shape == (3 * RATE,)


@pytest.mark.parametrize(
    ("track", "reason"),
    [(Signal.from_array(np.zeros((2, 44_100)), 22_050), "silent"), (noise(0.5), "shorter than")],
)
def test_a_silent_or_too_short_track_has_no_caption(flamingo, track, reason):
    with pytest.raises(NotApplicable, match=reason):
        flamingo.captions(track, ALL)


def test_a_model_that_gives_nan_fails_and_an_empty_answer_too(flamingo, few_words, monkeypatch):
    import torch

    head = flamingo._model.lm_head
    monkeypatch.setattr(head, "forward", lambda hidden: torch.full((*hidden.shape[:2], 262), torch.nan))
    with pytest.raises(ValueError, match="gives NaN"):
        flamingo.describe(noise(3), ALL, ())
    monkeypatch.undo()
    processor = SimpleNamespace(
        apply_chat_template=flamingo._processor.apply_chat_template,
        batch_decode=lambda tokens, **_: [" \n "],
    )
    called = flamingo._processor

    class Mute:
        def __call__(self, **inputs):
            return called(**inputs)

        def __getattr__(self, name):
            return getattr(processor, name)

    monkeypatch.setattr(flamingo, "_processor", Mute())
    monkeypatch.setattr(generation, "MOST_TOKENS", 2)
    with pytest.raises(ValueError, match="gave an empty answer"):
        flamingo.describe(noise(3), ALL, ())


def test_a_folder_without_weights_is_named(tmp_path):
    with pytest.raises(MissingWeightsError, match=f"{tmp_path}: found no weights"):
        MusicFlamingoCaptions(Weights(str(tmp_path)))


def test_facts_are_the_columns_of_their_table():
    from audio_assets.assets.music.captions import CAPTION_FACTS

    assert [column.name for column in CAPTION_FACTS.columns] == [field.name for field in fields(Facts)]
