"""`predict` and the model in MLflow tell the same, and say what to do where they cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import mlflow
import pytest
import soundfile
import torch

from audio_assets.assemble import build_platform
from audio_assets.assets.podcasts.predict import laughs
from audio_assets.backends.dialogue_frames import DIALOGUE_FRAMES_ROLE
from audio_assets.backends.weights import MissingWeightsError
from audio_assets.engine import PredictError
from audio_assets.engine.platform import Platform
from audio_assets.engine.run.predict import players_of, predict
from audio_assets.engine.run.pyfunc import pyfunc_of
from audio_assets.engine.state.adoption import adopt
from audio_assets.engine.state.checkpoints import CHECKPOINTS, read_checkpoint
from audio_assets.engine.state.rows import arrow_table, insert_rows
from audio_assets.resources.tracking import Tracker
from audio_assets.settings import Settings
from models.laughter.losses import LossConfig
from models.laughter.network import HeadConfig, LaughterHead
from models.training.checkpoint import save_checkpoint
from tests.assets.podcasts.conversation import RATE

DIMENSIONS = 1134
"""Of the frames that the embedded backend makes."""


class Unweighted:
    name, revision, licence = "unweighted", "1", "Apache-2.0"

    def __init__(self) -> None:
        raise MissingWeightsError("org/model: found no installed weights; then copy it to W")


@pytest.fixture
def platform(tmp_path):
    """A platform without episodes, whose adopted checkpoint is of a head with random weights."""
    platform = build_platform(Settings(home=tmp_path / "home"))
    platform.prepare()
    put_checkpoint(platform, DIMENSIONS)
    row = {
        "checkpoint": "c1", "asset": "laughter_predictor", "folder": "laughter_predictor/c1",
        "licences": "", "metrics_json": "{}", "items": 3, "recipe": "",
    }  # fmt: skip
    rows = arrow_table(CHECKPOINTS.columns, [row])
    platform.lake.write(lambda connection: insert_rows(connection, CHECKPOINTS.name, rows))
    checkpoint = read_checkpoint(platform.lake, "c1")
    platform.lake.write(lambda connection: adopt(connection, checkpoint, is_pinned=False))
    with platform.session:
        yield platform


@pytest.fixture
def talk(tmp_path, conversation) -> Path:
    """A file in which two speak, each on a channel."""
    path = tmp_path / "talk.wav"
    soundfile.write(path, conversation.samples.T, RATE)
    return path


def put_checkpoint(platform: Platform, input_dim: int) -> Path:
    """A head with random weights that are the same every time, in the place of the one before."""
    head = {
        "input_dim": input_dim, "hidden_dim": None, "dropout": 0.5, "output_bias": None, "standardise": False,
    }  # fmt: skip
    folder = Path(platform.settings.objects) / "laughter_predictor" / "c1"
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


def test_the_model_in_mlflow_gives_the_numbers_of_predict(
    platform, tmp_path, talk, new_mlflow: Callable[[Path], str]
):
    folder = put_checkpoint(platform, DIMENSIONS)
    tracker = Tracker(new_mlflow(tmp_path / "mlflow.db"), tmp_path / "training")
    tracker.start("laughter_predictor", "run", {})
    choices = {role: player.choice for role, player in players_of(platform, laughs).items()}
    pyfunc = pyfunc_of(laughs, choices, talk)
    tracker.model(
        "laughter_predictor", folder, {"checkpoint": "c1"}, summary="", description="", pyfunc=pyfunc
    )
    tracker.alias("laughter_predictor", "c1")

    told = predict(platform, "laughter", talk)
    assert len(told) > 10 and {row["speaker"] for row in told} == {"left", "right"}
    model = mlflow.pyfunc.load_model("models:/laughter_predictor@adopted")
    found = model.predict([{"path": str(talk)}])
    assert list(found.columns) == ["path", "start_s", "end_s", "speaker", "confidence"]
    assert found.drop(columns="path").to_dict("records") == told
    assert predict(platform, "laughter_predictor", talk) == told


def test_frames_of_another_backend_are_told_with_the_setting_that_chooses_it(platform, talk):
    put_checkpoint(platform, DIMENSIONS)
    assert isinstance(predict(platform, "laughter", talk), list)
    put_checkpoint(platform, 6)
    wanted = f"the adopted laughter_predictor .* frames have {DIMENSIONS} features, the checkpoint wants 6"
    with pytest.raises(PredictError, match=wanted) as caught:
        predict(platform, "laughter", talk)
    assert "AUDIO_ASSETS_DIALOGUE_FRAMES_BACKEND" in str(caught.value)
    assert "acoustic" in str(caught.value)


def test_a_damaged_checkpoint_is_told_with_the_way_to_a_new_one(platform, tmp_path):
    folder = Path(platform.settings.objects) / "laughter_predictor" / "c1"
    (folder / "config.json").write_text("{ half a file")
    with pytest.raises(PredictError, match=r"config\.json is not JSON") as caught:
        predict(platform, "laughter", tmp_path / "never read.wav")
    assert "checkpoint = 'c1'" in str(caught.value) and str(folder) in str(caught.value)


def test_missing_weights_are_told_with_their_role_and_place(platform, tmp_path, monkeypatch):
    monkeypatch.setitem(DIALOGUE_FRAMES_ROLE.backends, "embedded", f"{__name__}:Unweighted")
    with pytest.raises(PredictError, match=r"'embedded' of dialogue_frames cannot be loaded.*copy it to W"):
        predict(platform, "laughter", tmp_path / "never read.wav")
