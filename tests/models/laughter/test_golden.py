"""Trainings end with the numbers they ended with when these were written, on one thread.

`python -m tests.models.laughter.test_golden` writes the numbers anew, which is right only where a training
is meant to end otherwise.
"""

import json
import sys
import tempfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from models.laughter.config import OptimizerConfig, TrainingConfig
from models.laughter.losses import LossConfig
from models.laughter.training import fit
from models.training.settings import Machine
from tests.models.laughter.corpus import laughing_files, laughing_set, streamed, waiting_set

GOLDEN = Path(__file__).resolve().parents[2] / "data" / "laughter_trainings.json"
QUICK = {"optimizer": OptimizerConfig(learning_rate=1e-2), "batch_size": 64, "max_epochs": 3}
CONFIGS = {
    "linear": TrainingConfig(**QUICK),
    "hidden layer with dropout, standardised": TrainingConfig(
        **QUICK, hidden_dim=8, standardise=True, loss=LossConfig("adaptive_focal"), seed=3
    ),
    "streamed": TrainingConfig(**QUICK, hidden_dim=4, loss=LossConfig("bce", pos_weight="balanced"), seed=1),
    "times": TrainingConfig(**QUICK, hidden_dim=8, loss=LossConfig("huber", cap_s=5)),
}


def train(name, folder):
    training, validation = laughing_set(0, n_frames=2000), laughing_set(1)
    if name == "streamed":
        training = streamed(laughing_files(folder, range(4), n_frames=700))
    if name == "times":
        training, validation = waiting_set(0), waiting_set(1)
    result = fit(training, validation, CONFIGS[name], folder / "fit", machine=Machine("cpu"))
    weights = load_file(result.checkpoint / "model.safetensors")
    return {
        "best_epoch": result.best_epoch,
        "history": result.history,
        "weights": {key: value.flatten().tolist() for key, value in weights.items()},
    }


@pytest.mark.parametrize("name", CONFIGS)
def test_a_training_ends_with_the_numbers_it_always_had(name, tmp_path):
    found, wanted = train(name, tmp_path), json.loads(GOLDEN.read_text())[name]
    assert found["best_epoch"] == wanted["best_epoch"]
    assert len(found["history"]) == len(wanted["history"])
    for one, other in zip(found["history"], wanted["history"], strict=True):
        assert one == pytest.approx(other, abs=1e-6)
    assert found["weights"].keys() == wanted["weights"].keys()
    for key, values in wanted["weights"].items():
        assert found["weights"][key] == pytest.approx(values, abs=1e-6), key


if __name__ == "__main__":
    torch.set_num_threads(1)
    golden = {}
    for case in CONFIGS:
        with tempfile.TemporaryDirectory() as scratch:
            golden[case] = train(case, Path(scratch))
    GOLDEN.write_text(json.dumps(golden, indent=1) + "\n")
    print(f"{GOLDEN} written", file=sys.stderr)
