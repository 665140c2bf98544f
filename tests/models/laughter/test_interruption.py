"""A training that is killed and taken up again, and one that several processes share."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from models.laughter.config import OptimizerConfig, TrainingConfig
from models.laughter.training import fit
from models.training.checkpoint import WEIGHTS_FILE
from models.training.frames import InMemoryFrames
from models.training.progress import BEST_FOLDER, STATE_FILE
from models.training.settings import Machine
from models.training.state import load_state
from models.training.streaming import StreamingFrames
from tests.models.laughter.corpus import laughing_files
from tests.models.laughter.killed_training import CONFIG, train

CHECKOUT = Path(__file__).resolve().parents[3]


def assert_same_history(found, wanted, tolerance):
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert one == pytest.approx(other, abs=tolerance)


def test_a_training_killed_within_an_epoch_ends_as_if_it_had_not_been(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tests.models.laughter.killed_training", str(tmp_path / "killed")],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    saved = load_state(tmp_path / "killed" / STATE_FILE)
    assert len(saved["progress"]["history"]) == 2

    resumed = train(tmp_path / "killed", resume=True)
    undisturbed = train(tmp_path / "undisturbed")
    assert len(undisturbed.history) == CONFIG.max_epochs
    assert_same_history(resumed.history, undisturbed.history, 1e-6)
    assert resumed.best_epoch == undisturbed.best_epoch
    assert (resumed.checkpoint / WEIGHTS_FILE).read_bytes() == (
        undisturbed.checkpoint / WEIGHTS_FILE
    ).read_bytes()
    assert sorted(path.name for path in (tmp_path / "killed").iterdir()) == [BEST_FOLDER, STATE_FILE]


@pytest.mark.slow
def test_two_processes_train_as_one_does(tmp_path):
    train_set = StreamingFrames(laughing_files(tmp_path, range(4), n_frames=1998))
    # An odd number of frames, so that the ranks hold different numbers of them.
    validation = InMemoryFrames.from_shards(laughing_files(tmp_path, [4], n_frames=999))
    config = TrainingConfig(
        optimizer=OptimizerConfig(learning_rate=1e-2), batch_size=128, max_epochs=2, standardise=True
    )

    def run(name, devices):
        return fit(train_set, validation, config, tmp_path / name, machine=Machine("cpu", devices))

    one, two = run("one", 1), run("two", 2)
    assert one.metrics["val_auprc"] > 0.9
    assert_same_history(two.history, one.history, 1e-5)
