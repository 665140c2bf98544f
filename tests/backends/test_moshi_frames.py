"""Dialogue frames from Moshi, on miniature models saved in the published format.

What the frames must be is asked of transformers itself: its own delay pattern, its own embedding of
the streams, its own forward pass.
"""

import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import MimiConfig, MimiModel, MoshiConfig, MoshiForConditionalGeneration

from audio_assets.backends.dialogue_frames import moshi as module
from audio_assets.backends.dialogue_frames.moshi import (
    FRAME_LENGTH,
    MIMI,
    MOSHI,
    SAMPLE_RATE,
    TEXT_PADDING,
    MoshiDialogueFrames,
    delayed,
)
from audio_assets.backends.weights import MissingWeightsError, Weights

CODEBOOKS, WIDTH = 8, 32
_MIMI = {
    "hidden_size": 32,
    "num_filters": 4,
    "codebook_size": 64,
    "codebook_dim": 16,
    "vector_quantization_hidden_dimension": 16,
    "num_quantizers": 12,
    "num_hidden_layers": 2,
    "intermediate_size": 64,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "upsample_groups": 32,
    "sliding_window": 20,
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Miniature Moshi and Mimi with random weights, as `save_pretrained` writes them."""
    torch.manual_seed(0)
    mimi = MimiModel(MimiConfig(**_MIMI))
    quantizer = mimi.quantizer
    for part in (quantizer.semantic_residual_vector_quantizer, quantizer.acoustic_residual_vector_quantizer):
        for layer in part.layers:
            layer.codebook.embed_sum.normal_()
    config = MoshiConfig(
        vocab_size=48,
        hidden_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        ffn_dim=64,
        num_codebooks=CODEBOOKS,
        audio_encoder_config={"model_type": "mimi", **_MIMI},
        depth_decoder_config={
            "hidden_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "ffn_dim": 32,
        },
    )
    folder = tmp_path_factory.mktemp("weights")
    mimi.save_pretrained(folder / "mimi")
    MoshiForConditionalGeneration(config).save_pretrained(folder / "moshi")
    return folder


@pytest.fixture(scope="module")
def backend(folders):
    return MoshiDialogueFrames(
        folders, moshi=Weights(str(folders / "moshi")), mimi=Weights(str(folders / "mimi"))
    )


@pytest.fixture(scope="module")
def reference(folders):
    """The models as transformers loads them, and the codes of `streams` encoded in one go."""
    return SimpleNamespace(
        moshi=MoshiForConditionalGeneration.from_pretrained(folders / "moshi").eval(),
        mimi=MimiModel.from_pretrained(folders / "mimi").eval(),
    )


@pytest.fixture(scope="module")
def streams():
    """Two streams of 60 frames, the last one not full."""
    samples = np.random.default_rng(0).normal(0, 0.1, (2, 60 * FRAME_LENGTH - 700))
    return samples.astype(np.float32)


@pytest.fixture(scope="module")
def codes(reference, streams):
    """[2, 8, 60] of both streams, each encoded as a whole."""
    filled = np.pad(streams, ((0, 0), (0, 700)))
    with torch.inference_mode():
        encoded = reference.mimi.encode(torch.from_numpy(filled[:, None]), num_quantizers=CODEBOOKS)
    return encoded.audio_codes


def expected_frames(moshi, codes, user):
    """The hidden states of transformers for the delayed streams that it prepares for generation."""
    pair = (codes[[1 - user]], codes[[user]])
    text = torch.full((1, codes.shape[-1]), TEXT_PADDING)
    with torch.inference_mode():
        embedded, *_ = moshi._prepare_inputs_embeds_for_generation(
            input_ids=text,
            moshi_audio_codes=pair[0],
            user_audio_codes=pair[1],
            generation_config=SimpleNamespace(max_length=codes.shape[-1] + 2),
            apply_delay_pattern_mask=True,
            concat_unconditional_inputs=True,
        )
        hidden = moshi.decoder.model(inputs_embeds=embedded, use_cache=False).last_hidden_state
    return hidden[0, 1:].numpy()


@pytest.mark.parametrize("user", [0, 1])
def test_frames_are_moshis_hidden_states_with_each_speaker_as_the_user(
    backend, reference, streams, codes, user
):
    frames = backend.frames([streams])[user]
    assert frames.dtype == np.float16
    assert frames.shape == (60, WIDTH)
    expected = expected_frames(reference.moshi, codes, user)
    np.testing.assert_allclose(frames, expected, atol=2e-3 * np.abs(expected).max())


def test_the_delay_is_the_one_of_transformers(reference, codes):
    start = reference.moshi.config.audio_vocab_size
    started = torch.nn.functional.pad(codes, (1, 0), value=start)
    theirs, _ = reference.moshi.build_delay_pattern_mask(started, start, start, codes.shape[-1] + 2)
    np.testing.assert_array_equal(delayed(codes.numpy(), start), theirs.numpy())


def test_exchanging_the_streams_exchanges_the_users(backend, streams):
    first, second = backend.frames([streams])
    other_first, other_second = backend.frames([streams[::-1]])
    np.testing.assert_allclose(first, other_second, atol=1e-2)
    np.testing.assert_allclose(second, other_first, atol=1e-2)
    assert np.abs(first - second).max() > 0.1


@pytest.mark.parametrize("size", [1_000, FRAME_LENGTH, 7 * FRAME_LENGTH + 1])
def test_how_a_stream_is_cut_changes_nothing(backend, streams, size):
    blocks = np.split(streams, range(size, streams.shape[1], size), axis=1)
    for found, whole in zip(backend.frames(blocks), backend.frames([streams]), strict=True):
        np.testing.assert_array_equal(found, whole)


@pytest.mark.parametrize("frames_at_a_time", [1, 7, 25])
def test_codes_encoded_bit_by_bit_are_those_of_the_whole(
    backend, streams, codes, frames_at_a_time, monkeypatch
):
    monkeypatch.setattr(module, "ENCODED_FRAMES", frames_at_a_time)
    found = np.concatenate(list(backend._encode([streams])), axis=2)
    np.testing.assert_array_equal(found, codes.numpy())


def test_every_chunk_begins_without_a_past(backend, reference, streams, codes, monkeypatch):
    monkeypatch.setattr(module, "CHUNK_FRAMES", 25)
    frames = backend.frames([streams])[0]
    parts = [expected_frames(reference.moshi, part, 0) for part in codes.split(25, dim=2)]
    expected = np.concatenate(parts)
    np.testing.assert_allclose(frames, expected, atol=2e-3 * np.abs(expected).max())


def test_a_chunk_with_its_start_frame_fits_into_moshis_context():
    assert module.CHUNK_FRAMES == 210 * 12.5
    assert module.CHUNK_FRAMES + 1 <= MoshiConfig().max_position_embeddings == 3000


def test_a_frame_knows_nothing_of_what_comes_later(backend, streams):
    changed = streams.copy()
    changed[:, 30 * FRAME_LENGTH :] *= -0.5
    for before, after in zip(backend.frames([streams]), backend.frames([changed]), strict=True):
        np.testing.assert_allclose(before[:30], after[:30], atol=1e-2)
        assert np.abs(before[30:] - after[30:]).max() > 0.1


def test_what_mimi_remembers_does_not_grow(backend, monkeypatch):
    encode, remembered = backend._mimi.encode, []

    def watched(*args, **kwargs):
        encoded = encode(*args, **kwargs)
        layers = encoded.encoder_past_key_values.layers
        held = [layer.keys for layer in layers] + encoded.padding_cache.padding_cache
        remembered.append(sum(tensor.numel() for tensor in held))
        return encoded

    monkeypatch.setattr(backend._mimi, "encode", watched)
    frames = backend.frames(np.zeros((2, 8 * SAMPLE_RATE), np.float32) for _ in range(6))
    assert frames[0].shape == (600, WIDTH)
    assert len(remembered) == 5
    assert len(set(remembered)) == 1


def test_installed_weights_are_found_by_repository_and_revision_without_network(folders, tmp_path):
    commit = "0123456789abcdef0123456789abcdef01234567"
    for weights, name in ((MOSHI, "moshi"), (MIMI, "mimi")):
        cached = tmp_path / "hub" / f"models--{weights.repo.replace('/', '--')}"
        is_commit = len(weights.revision) == 40
        shutil.copytree(folders / name, cached / "snapshots" / (weights.revision if is_commit else commit))
        if not is_commit:
            (cached / "refs").mkdir()
            (cached / "refs" / weights.revision).write_text(commit)
    code = (
        "import numpy as np, sys\n"
        "from pathlib import Path\n"
        "from audio_assets.backends.dialogue_frames.moshi import MoshiDialogueFrames\n"
        "frames = MoshiDialogueFrames(Path(sys.argv[1])).frames([np.zeros((2, 5000), np.float32)])\n"
        "print([f.shape for f in frames])\n"
    )
    done = _run(code, tmp_path / "none", HF_HOME=str(tmp_path))
    assert done.stdout.strip() == f"[(3, {WIDTH}), (3, {WIDTH})]", done.stderr


def test_weights_that_are_not_there_are_told_by_repository_revision_and_command(tmp_path):
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from audio_assets.backends.dialogue_frames.moshi import MoshiDialogueFrames\n"
        "MoshiDialogueFrames(Path(sys.argv[1]))\n"
    )
    done = _run(code, tmp_path / "weights", HF_HOME=str(tmp_path))
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert f"MissingWeightsError: {MIMI.repo} at revision {MIMI.revision}" in last
    assert f"hf download {MIMI.repo} --revision {MIMI.revision}" in last
    assert str(tmp_path / "weights" / MIMI.repo) in last


def test_weights_in_the_weights_folder_need_no_cache(folders, tmp_path):
    for weights, name in ((MOSHI, "moshi"), (MIMI, "mimi")):
        shutil.copytree(folders / name, tmp_path / weights.repo)
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from audio_assets.backends.dialogue_frames.moshi import MoshiDialogueFrames\n"
        "print(MoshiDialogueFrames(Path(sys.argv[1])).sample_rate)\n"
    )
    done = _run(code, tmp_path, HF_HOME=str(tmp_path / "cache"))
    assert done.stdout.strip() == "24000", done.stderr


def test_a_folder_without_weights_is_named(tmp_path):
    with pytest.raises(MissingWeightsError, match=f"{tmp_path}: found no weights"):
        Weights(str(tmp_path)).load(tmp_path, MimiModel, torch.float32)


def _run(code, weights, **environment):
    return subprocess.run(
        [sys.executable, "-c", code, str(weights)],
        env={**os.environ, "HF_HUB_OFFLINE": "1", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
