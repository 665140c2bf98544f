"""Aesthetics from a miniature in the published format, against values of the original package."""

import shutil
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from audio_assets.backends.aesthetics import published as module
from audio_assets.backends.aesthetics.embedded import NoAesthetics
from audio_assets.backends.aesthetics.published import AudioboxAesthetics
from audio_assets.backends.weights import MissingWeightsError, Weights
from audio_assets.engine.declare.outcomes import NotApplicable
from tests.backends.audiobox_model import samples, write_model

NOWHERE = Path("no folder of weights")

# Enjoyment, usefulness, complexity, quality by `AesMultiOutput` and `make_inference_batch` of
# audiobox-aesthetics 0.0.4, its WavLM configured to the sizes of the miniature, on the same tensors.
GOLDEN = {
    3.7: (5.393613338, 5.686108589, 6.327205181, 7.064077377),
    10.0: (5.387623787, 5.677129745, 6.323794842, 7.067789555),
    25.3: (5.386740685, 5.675885201, 6.323964596, 7.068293571),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("audiobox"))


@pytest.fixture(scope="module")
def judge(folder):
    return AudioboxAesthetics(NOWHERE, model=Weights(str(folder)))


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


@pytest.mark.parametrize("seconds", GOLDEN)
def test_ratings_are_those_of_the_original_package(judge, seconds):
    assert astuple(judge.rate(samples(seconds))) == pytest.approx(GOLDEN[seconds], abs=1e-5)


def test_how_many_windows_go_at_a_time_changes_nothing(judge, monkeypatch):
    monkeypatch.setattr(module, "BATCH_SIZE", 2)
    assert astuple(judge.rate(samples(25.3))) == pytest.approx(GOLDEN[25.3], abs=1e-5)


def test_ratings_stay_on_the_scale(judge, monkeypatch):
    monkeypatch.setitem(judge._network.scale, "CE", (14.0, 1.0))
    monkeypatch.setitem(judge._network.scale, "PQ", (-3.0, 1.0))
    found = judge.rate(samples(3.7))
    assert (found.content_enjoyment, found.production_quality) == (10.0, 1.0)


@pytest.mark.parametrize(
    ("sound", "reason"),
    [
        (np.zeros(160_000, np.float32), "silent"),
        (np.zeros(0, np.float32), "silent"),
        (samples(0.4), "shorter"),
    ],
)
def test_a_silent_or_too_short_track_is_not_rated(judge, sound, reason):
    with pytest.raises(NotApplicable, match=reason):
        judge.rate(sound)


def test_weights_that_make_nan_fail_the_track(copy):
    tensors = load_file(copy / "model.safetensors")
    tensors["proj_layer.PC.0.bias"][3] = np.nan
    save_file(tensors, copy / "model.safetensors")
    with pytest.raises(ValueError, match=r"production_complexity': nan.*are its weights damaged"):
        AudioboxAesthetics(NOWHERE, model=Weights(str(copy))).rate(samples(3.7))


def broken(copy):
    (copy / "model.safetensors").write_bytes(b"not tensors")


def truncated(copy):
    (copy / "model.safetensors").write_bytes((copy / "model.safetensors").read_bytes()[:-100])


def of_another_model(copy):
    save_file({"a": np.zeros(3, np.float32)}, copy / "model.safetensors")


def with_a_tensor_too_few(copy):
    tensors = load_file(copy / "model.safetensors")
    del tensors["proj_layer.PQ.3.weight"]
    save_file(tensors, copy / "model.safetensors")


def without_scale(copy):
    (copy / "config.json").write_text("{}")


def without_tensors(copy):
    (copy / "model.safetensors").unlink()


@pytest.mark.parametrize(
    "damage", [broken, truncated, of_another_model, with_a_tensor_too_few, without_scale, without_tensors]
)
def test_a_folder_with_other_things_in_it_is_named(copy, damage):
    damage(copy)
    with pytest.raises(MissingWeightsError, match=rf"{copy}: found no weights of Audiobox Aesthetics \("):
        AudioboxAesthetics(NOWHERE, model=Weights(str(copy)))


def test_without_weights_there_is_no_answer_but_how_to_get_one():
    with pytest.raises(NotApplicable, match="set AUDIO_ASSETS_AESTHETICS_BACKEND=published"):
        NoAesthetics()
