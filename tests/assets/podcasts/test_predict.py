"""`predict` says what to do where its checkpoint or its backends cannot be used."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import save

from audio_assets.assets.podcasts import predict
from audio_assets.assets.podcasts.predict import PredictError, predict_laughter
from audio_assets.audio.decode import AudioError
from audio_assets.backends.weights import MissingWeightsError
from audio_assets.engine.declare.outcomes import NotApplicable
from audio_assets.engine.declare.roles import Role
from audio_assets.engine.state.checkpoints import Checkpoint
from audio_assets.engine.workers.local import LocalSession
from audio_assets.engine.workers.session import Limits
from audio_assets.resources.objects import Objects
from audio_assets.settings import Settings
from models.common.checkpoint import save_checkpoint
from models.laughter.losses import LossConfig
from models.laughter.network import HeadConfig, LaughterHead
from tests.conftest import write_tone


class Unweighted:
    name, revision, licence = "unweighted", "1", "Apache-2.0"

    def __init__(self) -> None:
        raise MissingWeightsError("org/model: found no installed weights; then copy it to W")


@pytest.fixture
def platform(tmp_path, monkeypatch):
    """A platform with a checkpoint for frames of six values, and a file in which one speaker speaks."""
    settings = Settings(home=tmp_path / "home")
    found = Checkpoint("c1", "laughter_predictor", "laughter_predictor/c1", "", {})
    head = {"input_dim": 6, "hidden_dim": None, "dropout": 0.5, "output_bias": None, "standardise": False}
    save_checkpoint(
        Path(settings.objects) / found.folder,
        LaughterHead(HeadConfig(**head)),
        {"head": head, "training": {"loss": asdict(LossConfig("bce"))}, "metrics": {}},
    )
    monkeypatch.setattr(predict, "latest_checkpoint", lambda *_: found)
    monkeypatch.setattr(predict, "speaker_turns", lambda *_, **__: [])
    with LocalSession() as session:
        objects = Objects.from_settings(settings)
        yield SimpleNamespace(settings=settings, lake=None, objects=objects, session=session)


def predicted_here(platform, path: Path) -> list:
    """What the worker computes, in this process, where parts can be exchanged."""
    found = predict.latest_checkpoint()
    folder = found.local(platform.objects, platform.settings.home / "cache")
    roles = [(role, "embedded") for role in (predict.VOICE_ACTIVITY, predict.BACKENDS)]
    return predict.predictor(predict.Model(found, folder, *roles, Limits()), lambda _: None)(path)


def with_frames(monkeypatch, width: int) -> None:
    data = save({"frames": np.zeros((50, width), np.float32)})
    row = {"user_speaker": "A", "context_frames": 0, "frames": SimpleNamespace(data=data)}
    monkeypatch.setattr(predict, "dialogue_frames", lambda *_, **__: [row])


def test_frames_of_the_backend_it_was_trained_on_are_predicted(platform, tmp_path, monkeypatch):
    with_frames(monkeypatch, 6)
    assert isinstance(predicted_here(platform, write_tone(tmp_path / "a.wav", 200)), list)


def test_frames_of_another_backend_are_told_with_the_setting_that_chooses_it(platform, tmp_path, monkeypatch):
    with_frames(monkeypatch, 9)
    with pytest.raises(PredictError, match="frames have 9 features, the checkpoint wants 6") as caught:
        predicted_here(platform, write_tone(tmp_path / "a.wav", 200))
    assert "AUDIO_ASSETS_DIALOGUE_FRAMES_BACKEND" in str(caught.value)
    assert "acoustic" in str(caught.value)


class Crashing:
    name, revision, licence = "crashing", "1", "MIT"

    def __init__(self) -> None:
        import ctypes

        ctypes.string_at(0)


def test_what_crashes_on_a_file_ends_with_a_message(platform, tmp_path, monkeypatch):
    monkeypatch.setattr(predict, "BACKENDS", Role("dialogue_frames", {"embedded": f"{__name__}:Crashing"}))
    with pytest.raises(PredictError, match=r"a\.wav: the worker died: killed by SIGSEGV, while"):
        predict_laughter(platform, write_tone(tmp_path / "a.wav", 200))


def test_a_file_that_is_no_audio_and_one_without_speech_are_told_apart(platform, tmp_path):
    with pytest.raises(AudioError, match="nowhere"):
        predict_laughter(platform, tmp_path / "nowhere.wav")
    with pytest.raises(NotApplicable):
        predict_laughter(platform, write_tone(tmp_path / "a.wav", 200))


def test_a_damaged_checkpoint_is_told_with_the_way_to_a_new_one(platform, tmp_path, monkeypatch):
    with_frames(monkeypatch, 6)
    folder = Path(platform.settings.objects) / "laughter_predictor" / "c1"
    (folder / "config.json").write_text("{ half a file")
    with pytest.raises(PredictError, match=r"config\.json is not JSON") as caught:
        predict_laughter(platform, write_tone(tmp_path / "a.wav", 200))
    assert "checkpoint = 'c1'" in str(caught.value) and str(folder) in str(caught.value)


def test_missing_weights_are_told_with_their_role_and_place(platform, tmp_path, monkeypatch):
    role = Role("dialogue_frames", {"embedded": f"{__name__}:Unweighted"})
    monkeypatch.setattr(predict, "BACKENDS", role)
    with pytest.raises(PredictError, match=r"'embedded' of dialogue_frames has no weights.*copy it to W"):
        predict_laughter(platform, write_tone(tmp_path / "a.wav", 200))
