"""A laughter training that fails within an epoch and is taken up again, from memory and streamed."""

from itertools import count

import pytest
from lightning.pytorch import Callback

from models.laughter.config import OptimizerConfig, TrainingConfig
from models.laughter.losses import LossConfig
from models.laughter.training import fit
from models.training.checkpoint import WEIGHTS_FILE
from models.training.progress import BEST_FOLDER, STATE_FILE
from models.training.settings import Machine
from models.training.state import load_state
from tests.models.laughter.corpus import laughing_files, laughing_set, streamed

CONFIG = TrainingConfig(
    hidden_dim=8,  # with dropout, so that the random numbers of an epoch count
    standardise=True,
    loss=LossConfig("adaptive_focal"),
    optimizer=OptimizerConfig(learning_rate=1e-2),
    batch_size=64,
    max_epochs=4,
)


class FailAt(Callback):
    """An exception in the middle of an epoch."""

    def __init__(self, epoch, step):
        self.when = (epoch, step)

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if (trainer.current_epoch, batch_idx) == self.when:
            raise RuntimeError("pulled the plug")


@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_training_that_fails_within_an_epoch_ends_as_if_it_had_not(is_streamed, tmp_path, monkeypatch):
    # Time passes by how often one looks: a state every few steps.
    monkeypatch.setattr("models.training.progress.monotonic", count(step=15).__next__)
    data = streamed(laughing_files(tmp_path, range(2))) if is_streamed else laughing_set(0, n_frames=2000)

    def train(name, **options):
        return fit(data, laughing_set(9), CONFIG, tmp_path / name, machine=Machine("cpu"), **options)

    with pytest.raises(RuntimeError, match="pulled the plug"):
        train("failed", callbacks=[FailAt(2, 19)])
    saved = load_state(tmp_path / "failed" / STATE_FILE, "progress")
    assert len(saved["history"]) == 2
    assert 0 < saved["batches_done"] < 19

    resumed, undisturbed = train("failed", resume=True), train("undisturbed")
    assert len(undisturbed.history) == CONFIG.max_epochs
    for one, other in zip(resumed.history, undisturbed.history, strict=True):
        assert one == pytest.approx(other, abs=1e-6)
    assert resumed.best_epoch == undisturbed.best_epoch
    assert (resumed.checkpoint / WEIGHTS_FILE).read_bytes() == (
        undisturbed.checkpoint / WEIGHTS_FILE
    ).read_bytes()
    assert sorted(path.name for path in (tmp_path / "failed").iterdir()) == [BEST_FOLDER, STATE_FILE]
