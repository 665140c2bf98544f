"""`predict` and the model in MLflow tell the same, and say what to do where they cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import mlflow
import numpy as np
import pytest
import soundfile
import torch
from safetensors.numpy import save

from audio_assets.assets.podcasts import predict as laughter
from audio_assets.assets.podcasts.laughter_predictor import laughter_predictor
from audio_assets.backends.weights import MissingWeightsError
from audio_assets.engine import PredictError, Role
from audio_assets.engine.run import predict as engine
from audio_assets.engine.run.predict import backend_choices, predict
from audio_assets.engine.run.pyfunc import pyfunc_of
from audio_assets.engine.state.checkpoints import Checkpoint
from audio_assets.resources.objects import Objects
from audio_assets.resources.tracking import Tracker
from audio_assets.settings import Settings
from models.laughter.losses import LossConfig
from models.laughter.network import HeadConfig, LaughterHead
from models.training.checkpoint import save_checkpoint
from tests.assets.podcasts.conversation import RATE
from tests.conftest import write_tone


class Unweighted:
    name, revision, licence = "unweighted", "1", "Apache-2.0"

    def __init__(self) -> None:
        raise MissingWeightsError("org/model: found no installed weights; then copy it to W")


@pytest.fixture
def checkpoint() -> Checkpoint:
    return Checkpoint("c1", "laughter_predictor", "laughter_predictor/c1", "", {})


@pytest.fixture
def platform(tmp_path, monkeypatch, checkpoint):
    """A platform with a checkpoint for frames of six values, and a file in which one speaker speaks."""
    settings = Settings(home=tmp_path / "home")
    put_checkpoint(settings, 6)
    monkeypatch.setattr(engine, "latest_checkpoint", lambda *_: checkpoint)
    objects = Objects.from_settings(settings)
    return SimpleNamespace(settings=settings, lake=None, objects=objects, trainings=(laughter_predictor,))


def put_checkpoint(settings: Settings, input_dim: int) -> Path:
    """A head with random weights that are the same every time."""
    head = {
        "input_dim": input_dim, "hidden_dim": None, "dropout": 0.5, "output_bias": None, "standardise": False,
    }  # fmt: skip
    folder = Path(settings.objects) / "laughter_predictor" / "c1"
    network = LaughterHead(HeadConfig(**head))
    torch.manual_seed(0)
    for values in network.parameters():
        torch.nn.init.normal_(values, std=0.02)
        values.data -= values.data.mean()
    *_, bias = network.parameters()
    bias.data.fill_(-5.5)  # about what the weights make of speech: half of it is laughter
    save_checkpoint(
        folder,
        network,
        {"head": head, "training": {"loss": asdict(LossConfig("bce"))}, "metrics": {}},
    )
    return folder


def with_frames(monkeypatch, width: int) -> None:
    data = save({"frames": np.zeros((50, width), np.float32)})
    row = {"user_speaker": "A", "context_frames": 0, "frames": SimpleNamespace(data=data)}
    monkeypatch.setattr(laughter, "speaker_turns", lambda *_, **__: [])
    monkeypatch.setattr(laughter, "dialogue_frames", lambda *_, **__: [row])


def test_the_model_in_mlflow_gives_the_numbers_of_predict(
    platform, tmp_path, conversation, new_mlflow: Callable[[Path], str]
):
    folder = put_checkpoint(platform.settings, 1134)
    file = tmp_path / "talk.wav"
    soundfile.write(file, conversation.samples.T, RATE)
    tracker = Tracker(new_mlflow(tmp_path / "mlflow.db"), tmp_path / "training")
    tracker.start("laughter_predictor", "run", {})
    choices = backend_choices(platform, laughter.laughs)
    pyfunc = pyfunc_of(laughter.laughs, choices, file)
    tracker.model(
        "laughter_predictor", folder, {"checkpoint": "c1"}, summary="", description="", pyfunc=pyfunc
    )
    tracker.alias("laughter_predictor", "c1")

    told = predict(platform, "laughter", file)
    assert len(told) > 10 and {row["speaker"] for row in told} == {"left", "right"}
    model = mlflow.pyfunc.load_model("models:/laughter_predictor@adopted")
    found = model.predict([{"path": str(file)}])
    assert list(found.columns) == ["path", "start_s", "end_s", "speaker", "confidence"]
    assert found.drop(columns="path").to_dict("records") == told
    assert predict(platform, "laughter_predictor", file) == told


def test_frames_of_another_backend_are_told_with_the_setting_that_chooses_it(platform, tmp_path, monkeypatch):
    with_frames(monkeypatch, 6)
    tone = write_tone(tmp_path / "a.wav", 200)
    assert isinstance(predict(platform, "laughter", tone), list)
    with_frames(monkeypatch, 9)
    with pytest.raises(PredictError, match="frames have 9 features, the checkpoint wants 6") as caught:
        predict(platform, "laughter", tone)
    assert "AUDIO_ASSETS_DIALOGUE_FRAMES_BACKEND" in str(caught.value)
    assert "acoustic" in str(caught.value)


def test_a_damaged_checkpoint_is_told_with_the_way_to_a_new_one(platform, tmp_path):
    folder = Path(platform.settings.objects) / "laughter_predictor" / "c1"
    (folder / "config.json").write_text("{ half a file")
    with pytest.raises(PredictError, match=r"config\.json is not JSON") as caught:
        predict(platform, "laughter", tmp_path / "never read.wav")
    assert "checkpoint = 'c1'" in str(caught.value) and str(folder) in str(caught.value)


def test_missing_weights_are_told_with_their_role_and_place(platform, tmp_path):
    role = Role("dialogue_frames", {"embedded": f"{__name__}:Unweighted"})
    unweighted = replace(laughter_predictor, predict=replace(laughter.laughs, roles=(role,)))
    platform.trainings = (unweighted,)
    with pytest.raises(PredictError, match=r"'embedded' of dialogue_frames cannot be loaded.*copy it to W"):
        predict(platform, "laughter", tmp_path / "never read.wav")
