"""A second model's captions and a text model's revision: Qwen2.5-Omni and Qwen2.5 in miniature."""

from dataclasses import fields, replace

import numpy as np
import pytest

from audio_assets.audio.signal import Signal
from audio_assets.backends.captions import generation, qwen_omni, text_model
from audio_assets.backends.captions.absent import NoSecondCaptions
from audio_assets.backends.captions.prompts import PROMPTS, REVISION, facts_in_words
from audio_assets.backends.captions.qwen_omni import SYSTEM, QwenOmniCaptions
from audio_assets.backends.captions.text_model import TextModelRevision
from audio_assets.backends.weights import MissingWeightsError, Weights
from audio_assets.captions import KINDS, Facts
from audio_assets.captions.text import normalise
from audio_assets.engine.declare.outcomes import NotApplicable
from audio_assets.resources.accelerator import Accelerator
from tests.backends.qwen_models import write_omni, write_spoiled, write_text_model
from tests.backends.test_captions import NOWHERE, RATE, noise
from tests.captions.facts import ALL

TEXT = "A slow song at 64 BPM."


@pytest.fixture(autouse=True)
def few_words(monkeypatch):
    monkeypatch.setattr(generation, "MOST_TOKENS", 8)
    for module in (qwen_omni, text_model):
        monkeypatch.setattr(module, "choose_accelerator", lambda device: Accelerator("cpu", "bfloat16"))


@pytest.fixture(scope="module")
def omni_folder(tmp_path_factory):
    return write_omni(tmp_path_factory.mktemp("omni"))


@pytest.fixture
def omni(omni_folder):
    return QwenOmniCaptions(NOWHERE, model=Weights(str(omni_folder)))


@pytest.fixture(scope="module")
def text_folder(tmp_path_factory):
    return write_text_model(tmp_path_factory.mktemp("text"))


@pytest.fixture
def reviser(text_folder):
    return TextModelRevision(NOWHERE, model=Weights(str(text_folder)))


def said(model, tokens):
    """Make a model say these tokens one after the other."""
    import torch

    turn = iter(tokens)
    size = model.config.get_text_config().vocab_size

    def forward(hidden):
        logits = torch.zeros(*hidden.shape[:2], size)
        logits[..., next(turn)] = 1
        return logits

    model.lm_head.forward = forward


# --- Qwen2.5-Omni


def asked(prompt, audio_tokens):
    audio = f"<|audio_bos|>{'<|AUDIO|>' * audio_tokens}<|audio_eos|>"
    return (
        f"<|im_start|>system\n{SYSTEM}<|im_end|>\n"
        f"<|im_start|>user\n{prompt}{audio}<|im_end|>\n<|im_start|>assistant\n"
    )


def test_the_thinker_of_a_whole_model_answers_as_within_it(omni_folder, omni):
    import torch
    from transformers import AutoTokenizer, Qwen2_5OmniForConditionalGeneration, WhisperFeatureExtractor

    track = noise(35)
    whole = Qwen2_5OmniForConditionalGeneration.from_pretrained(omni_folder, dtype=torch.bfloat16)
    tokenizer = AutoTokenizer.from_pretrained(omni_folder)
    features = WhisperFeatureExtractor.from_pretrained(omni_folder)(
        [track.mono(RATE)], sampling_rate=RATE, return_tensors="pt", return_attention_mask=True
    )
    inputs = tokenizer(asked(PROMPTS["full"], 35 * 25), return_tensors="pt")
    tokens = whole.thinker.generate(
        **inputs,
        input_features=features["input_features"].to(torch.bfloat16),
        feature_attention_mask=features["attention_mask"],
        max_new_tokens=8,
        do_sample=False,
    )
    (expected,) = tokenizer.batch_decode(tokens[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    assert omni.describe(track, Facts(), ()) == normalise(expected)


def test_the_prompt_has_the_system_prompt_the_genres_and_25_tokens_a_second(omni, monkeypatch):
    seen = []

    def answer(model, processor, inputs, **_):
        seen.extend(processor.batch_decode(inputs["input_ids"]))
        return "x"

    monkeypatch.setattr(qwen_omni, "answer", answer)
    omni.describe(noise(4), ALL, ())
    omni.describe(noise(4), ALL, ALL.genres)
    hint = " A classifier hears deep house and techno in it, and may be wrong."
    assert seen == [asked(PROMPTS["full"], 100), asked(PROMPTS["full"] + hint, 100)]
    assert list(omni.captions(noise(4), ALL)) == list(KINDS)


def test_as_much_is_heard_as_the_extractor_keeps(omni):
    assert omni.longest_s == 300


def test_an_answer_ends_where_the_turn_ends(omni):
    tokenizer = omni._processor.tokenizer
    said(
        omni._model,
        [*tokenizer("Yes.")["input_ids"], tokenizer.eos_token_id, *tokenizer("More")["input_ids"]],
    )
    assert omni.describe(noise(2), ALL, ()) == "Yes."


@pytest.mark.parametrize(
    ("track", "reason"),
    [(Signal.from_array(np.zeros((2, 44_100)), 22_050), "silent"), (noise(0.5), "shorter than")],
)
def test_a_silent_or_too_short_track_is_not_described(omni, track, reason):
    with pytest.raises(NotApplicable, match=reason):
        omni.describe(track, ALL, ())


@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (48_000, 8)])
def test_any_rate_and_number_of_channels_is_described(omni, rate, channels):
    assert omni.describe(noise(2, rate, channels), ALL, ())


@pytest.mark.parametrize("weight", ["thinker.lm_head.weight", "thinker.audio_tower.conv1.weight"])
def test_a_thinker_with_nan_weights_fails(omni_folder, tmp_path, weight):
    spoiled = QwenOmniCaptions(
        NOWHERE, model=Weights(str(write_spoiled(omni_folder, tmp_path / "spoiled", weight)))
    )
    with pytest.raises(ValueError, match=r"qwen2\.5-omni gives NaN"):
        spoiled.describe(noise(2), ALL, ())


def test_an_empty_answer_of_the_thinker_fails(omni):
    said(omni._model, [omni._processor.tokenizer.eos_token_id])
    with pytest.raises(ValueError, match=r"qwen2\.5-omni gave an empty answer to 'Describe"):
        omni.describe(noise(2), ALL, ())


def test_without_weights_there_is_no_second_caption_but_a_reason():
    with pytest.raises(NotApplicable, match="AUDIO_ASSETS_SECOND_CAPTIONS_BACKEND=published"):
        NoSecondCaptions().describe(noise(2), ALL, ())


@pytest.mark.parametrize("backend", [QwenOmniCaptions, TextModelRevision])
def test_a_folder_without_weights_is_named(tmp_path, backend):
    with pytest.raises(MissingWeightsError, match=f"{tmp_path}: found no weights"):
        backend(NOWHERE, model=Weights(str(tmp_path)))


@pytest.mark.parametrize("backend", [QwenOmniCaptions, TextModelRevision])
def test_weights_are_pinned_to_a_commit(backend):
    assert len(backend.revision(NOWHERE)) == 40
    assert backend.licence == "Apache-2.0"


# --- a text model's revision

LINES = {
    "duration_s": "- length: 3 minutes and 24 seconds",
    "bpm": "- tempo: 127.6 BPM",
    "has_tempo": "- steady tempo: yes",
    "key": "- key: Eb minor",
    "scale": "- key: Eb minor",
    "beats_per_bar": "- beats in a bar: 4",
    "bar_count": "- number of bars: 108",
    "lufs": "- integrated loudness: -9.7 LUFS",
    "lra": "- loudness range: 5.2 LU",
    "brightness": "- brightness: 66.0 of 100",
    "warmth": "- warmth: 57.0 of 100",
    "chords": "- chords, by the time they take: Eb minor and B major",
    "mean_chord_s": "- mean length of a chord: 1.9 seconds",
    "genres": "- likely genres: deep house and techno",
    "moods": "- likely moods and themes: dark and party",
    "instruments": "- likely instruments: synthesizer, drum machine and voice",
    "voice": "- probability of a voice: 0.90",
    "female": "- probability that the singer is female: 0.10",
}


def prompt_of(reviser, monkeypatch, facts):
    monkeypatch.setattr(
        text_model, "answer", lambda model, tokenizer, inputs, **_: tokenizer.decode(inputs["input_ids"][0])
    )
    return reviser.revise(TEXT, facts)


def test_the_prompt_has_the_text_and_every_fact(reviser, monkeypatch):
    prompt = prompt_of(reviser, monkeypatch, ALL)
    measured = "\n".join(dict.fromkeys(LINES.values()))
    assert prompt == (
        f"<|im_start|>system\n{REVISION}<|im_end|>\n<|im_start|>user\nDescription:\n{TEXT}\n\n"
        f"Measured:\n{measured}\n\nThe corrected description:<|im_end|>\n<|im_start|>assistant\n"
    )
    assert set(LINES) == {field.name for field in fields(Facts)}


@pytest.mark.parametrize("name", LINES)
def test_a_fact_that_was_not_measured_is_not_in_the_prompt(reviser, monkeypatch, name):
    lines = prompt_of(reviser, monkeypatch, replace(ALL, **{name: None})).splitlines()
    assert set(LINES.values()) - set(lines) == {LINES[name]}
    assert not any("None" in line for line in lines)


def test_that_no_label_is_likely_contradicts_nothing():
    assert facts_in_words(Facts(genres=(), moods=(), instruments=(), chords=())) == []


def test_where_nothing_was_measured_the_text_stays(reviser):
    assert reviser.revise(TEXT, Facts()) == TEXT


def test_a_revision_is_the_most_likely_one_whatever_the_published_settings(text_folder, reviser, monkeypatch):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with monkeypatch.context() as patch:
        prompt = prompt_of(reviser, patch, ALL)
    tokenizer = AutoTokenizer.from_pretrained(text_folder)
    model = AutoModelForCausalLM.from_pretrained(text_folder, dtype=torch.bfloat16).eval()
    tokens = tokenizer(prompt, return_tensors="pt")["input_ids"]
    start = tokens.shape[1]
    for _ in range(8):
        tokens = torch.cat([tokens, model(tokens).logits[:, -1:].argmax(-1)], 1)
    expected = tokenizer.decode(tokens[0, start:], skip_special_tokens=True)
    assert reviser.revise(TEXT, ALL) == normalise(expected) == reviser.revise(TEXT, ALL)


def test_a_revision_is_one_normalised_line(reviser, monkeypatch):
    monkeypatch.setattr(generation, "MOST_TOKENS", 20)
    said(reviser._model, [*reviser._tokenizer("“A”\n b")["input_ids"], reviser._tokenizer.eos_token_id])
    assert reviser.revise(TEXT, ALL) == '"A" b'


def test_a_text_model_with_nan_weights_fails_and_an_empty_answer_too(text_folder, tmp_path, reviser):
    weight = "model.layers.1.mlp.down_proj.weight"
    spoiled = TextModelRevision(
        NOWHERE, model=Weights(str(write_spoiled(text_folder, tmp_path / "spoiled", weight)))
    )
    with pytest.raises(ValueError, match=r"qwen2\.5-instruct gives NaN"):
        spoiled.revise(TEXT, ALL)
    said(reviser._model, [reviser._tokenizer.eos_token_id])
    with pytest.raises(ValueError, match=r"qwen2\.5-instruct gave an empty answer to 'Description"):
        reviser.revise(TEXT, ALL)
