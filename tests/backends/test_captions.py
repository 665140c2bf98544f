"""Backends of captions: those composed from what was measured, and Music Flamingo in miniature."""

import itertools
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from audio_assets.audio.signal import Signal
from audio_assets.backends.captions import generation, music_flamingo
from audio_assets.backends.captions.embedded import ComposedCaptions, FactCorrection
from audio_assets.backends.captions.generation import first_minutes
from audio_assets.backends.captions.music_flamingo import MusicFlamingoCaptions
from audio_assets.backends.captions.prompts import PROMPTS
from audio_assets.backends.weights import MissingWeightsError, Weights
from audio_assets.captions import KINDS, Facts
from audio_assets.captions.claims import Key, claimed_bpm, claimed_instruments, claimed_keys
from audio_assets.captions.text import normalise
from audio_assets.engine.declare.outcomes import NotApplicable
from audio_assets.resources.accelerator import Accelerator
from tests.backends.flamingo_model import write_model
from tests.captions.facts import ALL

RATE = 16_000
NOWHERE = Path("no folder of weights")
NONE = Signal.from_array(np.ones(10), 44_100)


def noise(seconds, rate=22_050, channels=2):
    return Signal.from_array(np.random.default_rng(0).normal(0, 0.1, (channels, int(seconds * rate))), rate)


# --- embedded


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


@pytest.mark.parametrize("facts", [Facts(), Facts(duration_s=30.0), Facts(bpm=None, genres=(), moods=())])
def test_of_nothing_measured_there_is_no_caption(facts):
    with pytest.raises(NotApplicable, match="nothing was measured"):
        ComposedCaptions().captions(NONE, facts)
    with pytest.raises(NotApplicable, match="nothing was measured"):
        ComposedCaptions().describe(NONE, facts, ())


def test_a_caption_is_revised_by_what_was_measured():
    assert FactCorrection().revise("A song at 90 bpm in C major.", ALL) == "A song at 128 bpm in Eb minor."


# --- Music Flamingo


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("flamingo"))


@pytest.fixture(scope="module")
def flamingo(folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(music_flamingo, "choose_accelerator", lambda device: Accelerator("cpu", "bfloat16"))
        return MusicFlamingoCaptions(NOWHERE, model=Weights(str(folder)))


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
        MusicFlamingoCaptions(NOWHERE, model=Weights(str(tmp_path)))
