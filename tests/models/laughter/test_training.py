"""`fit` as a whole: what it learns, when it stops, what it keeps, what it refuses."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.pytorch.loggers import CSVLogger

from models.laughter.config import OptimizerConfig, TrainingConfig
from models.laughter.labels import time_to_laugh
from models.laughter.losses import ClassBalance, LossConfig
from models.laughter.predictor import LaughterPredictor
from models.laughter.training import fit
from models.metrics.frames import frame_metrics
from models.training.checkpoint import read_config
from models.training.frames import InMemoryFrames
from models.training.guards import NonFiniteLossError
from models.training.progress import Monitor
from models.training.settings import Machine
from models.training.shards import SafetensorsFrames
from models.training.streaming import StreamingFrames
from tests.models.laughter.corpus import laughing_files, laughing_frames, laughing_set

FAST = OptimizerConfig(learning_rate=1e-2)


def config(**values):
    return TrainingConfig(**{"optimizer": FAST, "batch_size": 64, "max_epochs": 3, **values})


def train(tmp_path, settings=None, training=None, validation=None, **options):
    return fit(
        training or laughing_set(0, n_frames=4000),
        validation or laughing_set(1),
        settings or config(),
        tmp_path / "out",
        machine=Machine("cpu"),
        **options,
    )


def test_a_separable_problem_is_learned_from_streamed_files_and_holds_on_other_episodes(tmp_path):
    training = StreamingFrames(laughing_files(tmp_path, range(4), separation=6))
    validation = StreamingFrames(laughing_files(tmp_path, [4, 5], separation=6))
    result = train(tmp_path, config(max_epochs=5), training, validation)
    assert result.metrics["val_auprc"] > 0.99
    assert result.metrics["val_base_rate"] == pytest.approx(0.05, abs=0.02)

    test_frames, test_labels = laughing_frames(99, separation=6)
    predictor = LaughterPredictor.load(result.checkpoint)
    called = predictor.predict(test_frames) >= predictor.threshold
    assert (called == test_labels).mean() > 0.99


@pytest.mark.parametrize(
    "loss",
    [
        LossConfig("bce", pos_weight="balanced"),
        LossConfig("focal"),
        LossConfig("adaptive_focal"),
    ],
)
def test_every_classification_loss_learns(tmp_path, loss):
    result = train(tmp_path, config(loss=loss))
    assert result.metrics["val_auprc"] > 0.9
    assert result.history[-1]["train_loss"] < result.history[0]["train_loss"]


def test_a_hidden_layer_learns_what_no_linear_head_can(tmp_path):
    def exclusive_or(seed):
        signs = np.random.default_rng(seed).choice([-1, 1], (4000, 2)).astype(np.float32)
        labels = (signs[:, 0] != signs[:, 1]).astype(np.float32)
        return InMemoryFrames(torch.from_numpy(signs), labels)

    data = {"training": exclusive_or(0), "validation": exclusive_or(1)}
    assert train(tmp_path, config(), **data).metrics["val_auprc"] < 0.8
    assert train(tmp_path, config(hidden_dim=16), **data).metrics["val_auprc"] > 0.95


def test_the_time_to_the_next_laugh_is_learned_better_than_the_best_constant(tmp_path):
    def countdown(seed):
        onsets = np.cumsum(np.random.default_rng(seed).uniform(4, 12, 50))
        labels = time_to_laugh(np.stack([onsets, onsets + 1], axis=1), 4000, cap_s=5)
        noise = np.random.default_rng(seed + 9).standard_normal((4000, 4)).astype(np.float32)
        noise[:, 0] = labels + 0.1 * noise[:, 0]
        return InMemoryFrames(torch.from_numpy(noise), labels)

    settings = config(loss=LossConfig("huber", cap_s=5), max_epochs=5)
    result = train(tmp_path, settings, countdown(0), countdown(1))
    assert result.monitor == Monitor("val_loss", higher_is_better=False)
    assert result.metrics["val_mae_s"] < 0.5 * result.metrics["val_baseline_mae_s"]
    predicted = LaughterPredictor.load(result.checkpoint).predict(countdown(1).frames)
    assert 0 <= predicted.min() <= predicted.max() <= 5
    error = np.abs(predicted - countdown(1).labels).mean()
    assert error == pytest.approx(result.metrics["val_mae_s"], abs=1e-5)


def test_features_of_unlike_scale_need_standardising(tmp_path):
    def scaled(seed):
        frames, labels = laughing_frames(seed, n_frames=4000)
        frames[:, 0] *= 1e-3
        frames[:, 1] = frames[:, 1] * 1e3 - 300
        return InMemoryFrames(frames, labels)

    data = {"training": scaled(0), "validation": scaled(1)}
    assert train(tmp_path, config(), **data).metrics["val_auprc"] < 0.3
    result = train(tmp_path, config(standardise=True), **data)
    assert result.metrics["val_auprc"] > 0.9
    probabilities = LaughterPredictor.load(result.checkpoint).predict(scaled(1).frames)
    assert probabilities[scaled(1).labels == 1].mean() > 0.4


def test_the_same_seed_gives_the_same_training_and_another_seed_another(tmp_path):
    settings = config(hidden_dim=8)
    first, second = train(tmp_path, settings), train(tmp_path, settings)
    for one, other in zip(first.history, second.history, strict=True):
        assert one == pytest.approx(other, abs=1e-6)
    assert train(tmp_path, config(hidden_dim=8, seed=1)).history[0] != first.history[0]


def test_training_leaves_the_random_numbers_of_the_caller_alone(tmp_path):
    torch.manual_seed(5)
    wanted = torch.rand(1)
    torch.manual_seed(5)
    train(tmp_path, config(max_epochs=1))
    assert torch.equal(torch.rand(1), wanted)


def test_it_stops_when_patience_runs_out_and_keeps_the_best_epoch(tmp_path):
    settings = config(optimizer=OptimizerConfig(learning_rate=1e-12), max_epochs=9, patience=2)
    result = train(tmp_path, settings)
    assert (len(result.history), result.best_epoch, result.stopped_early) == (3, 0, True)
    assert not train(tmp_path, config(max_epochs=2)).stopped_early


def test_the_checkpoint_says_what_it_was_made_from_and_how_good_it_is(tmp_path):
    result = train(tmp_path, lineage={"snapshot": 17, "label": "onset"})
    frames, labels = laughing_frames(1)
    predictor = LaughterPredictor.load(result.checkpoint)
    document = read_config(result.checkpoint)
    assert document["lineage"] == {"snapshot": 17, "label": "onset"}
    assert document["training"]["loss"]["kind"] == "bce"
    assert document["metrics"]["epoch"] == result.best_epoch
    measured = frame_metrics(predictor.predict(frames), labels, predictor.threshold)
    for name in ("auprc", "f1", "mcc", "brier", "ece"):
        wanted = result.metrics[f"val_{name}"]
        assert getattr(measured, name) == pytest.approx(wanted, abs=1e-5)
        assert document["metrics"][f"val_{name}"] == wanted


def test_prediction_does_not_depend_on_how_much_is_read_at_a_time(tmp_path):
    result = train(tmp_path, config(hidden_dim=8))
    shards = laughing_files(tmp_path, [7])
    predictor = LaughterPredictor.load(result.checkpoint)
    frames = shards[0].open()
    assert isinstance(frames, SafetensorsFrames)
    np.testing.assert_allclose(predictor.predict(frames), predictor.predict(frames, 13), atol=1e-6)
    with pytest.raises(ValueError, match="frames have 3 features, the checkpoint wants 16"):
        predictor.predict(np.zeros((5, 3), np.float32))


def test_a_new_head_predicts_the_base_rate_unless_told_not_to(tmp_path):
    still = OptimizerConfig(learning_rate=1e-12)
    training = laughing_set(0, n_frames=4000, rate=0.01, separation=0)
    training.frames *= 0.01
    with_prior = train(tmp_path, config(optimizer=still, max_epochs=1), training)
    p = ClassBalance.of(training.labels).positive_rate
    entropy = -p * math.log(p) - (1 - p) * math.log(1 - p)
    assert with_prior.metrics["train_loss"] == pytest.approx(entropy, abs=1e-3)
    without = train(tmp_path, config(optimizer=still, max_epochs=1, prior_bias=False), training)
    assert without.metrics["train_loss"] > 0.5


def test_loggers_get_every_defined_metric_of_every_epoch(tmp_path):
    logger = CSVLogger(tmp_path, name="log")
    result = train(tmp_path, loggers=[logger])
    with Path(logger.log_dir, "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["val_auprc"]]
    logged = [float(row["val_auprc"]) for row in rows]
    assert logged == pytest.approx([epoch["val_auprc"] for epoch in result.history], abs=1e-6)
    assert {"train_loss", "train_auprc", "val_loss", "val_base_rate", "val_ece"} <= rows[0].keys()


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_validation_of_one_class_is_watched_by_its_loss(tmp_path, label):
    frames, _ = laughing_frames(1)
    validation = InMemoryFrames(frames, np.full(len(frames), label, np.float32))
    result = train(tmp_path, validation=validation)
    assert result.monitor.metric == "val_loss"
    assert result.metrics["val_auroc"] is None
    assert (result.metrics["val_auprc"] is None) == (label == 0)
    threshold = LaughterPredictor.load(result.checkpoint).threshold
    assert (threshold is None) == (label == 0)


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_one_class_to_learn_from_is_refused(tmp_path, label):
    training = InMemoryFrames(torch.zeros(100, 16), np.full(100, label, np.float32))
    with pytest.raises(ValueError, match=r"training set has .* wanted some of both"):
        train(tmp_path, training=training)


def test_empty_and_unlike_data_are_refused(tmp_path):
    with pytest.raises(ValueError, match="the validation set has no frames"):
        train(tmp_path, validation=InMemoryFrames(torch.zeros(0, 16), np.zeros(0, np.float32)))
    with pytest.raises(ValueError, match="training frames have 16 features, validation frames 5"):
        train(tmp_path, validation=laughing_set(1, dim=5))


def test_a_loss_that_is_not_finite_names_its_epoch_its_step_and_its_frames(tmp_path):
    training = laughing_set(0, n_frames=4000)
    training.frames[:, 3] = torch.nan
    with pytest.raises(NonFiniteLossError, match=r"loss is nan in epoch 0, step 0 .* 64 of its 64 frames"):
        train(tmp_path, training=training)


def test_outputs_that_are_not_finite_in_validation_are_named(tmp_path):
    validation = laughing_set(1)
    validation.frames[:7, 3] = torch.inf
    with pytest.raises(NonFiniteLossError, match="7 of 1000 val outputs are not finite in epoch 0"):
        train(tmp_path, validation=validation)


def test_a_finished_training_is_not_trained_again_and_may_be_made_longer(tmp_path):
    first = train(tmp_path, config(max_epochs=2))
    before = (tmp_path / "out" / "state.safetensors").stat().st_mtime_ns
    again = train(tmp_path, config(max_epochs=2), resume=True)
    assert again == first
    assert (tmp_path / "out" / "state.safetensors").stat().st_mtime_ns == before
    longer = train(tmp_path, config(max_epochs=4), resume=True)
    assert longer.history[:2] == first.history
    straight = train(tmp_path, config(max_epochs=4))
    for one, other in zip(longer.history, straight.history, strict=True):
        assert one == pytest.approx(other, abs=1e-6)


def test_a_training_stopped_by_patience_stays_stopped_when_resumed(tmp_path):
    settings = config(optimizer=OptimizerConfig(learning_rate=1e-12), max_epochs=9, patience=1)
    assert train(tmp_path, settings, resume=True) == train(tmp_path, settings, resume=True)


def test_another_training_is_not_resumed(tmp_path):
    train(tmp_path, config(max_epochs=1))
    with pytest.raises(ValueError, match=r"holds another training .*seed: 0 then, 3 now"):
        train(tmp_path, config(max_epochs=2, seed=3), resume=True)
    with pytest.raises(ValueError, match=r"train: '4000 frames .* then, '3000 frames .* now"):
        train(tmp_path, config(max_epochs=2), training=laughing_set(0, n_frames=3000), resume=True)
    assert len(train(tmp_path, config(max_epochs=2, seed=3)).history) == 2


def test_beginning_anew_leaves_nothing_of_the_training_before(tmp_path):
    result = train(tmp_path, config(max_epochs=1))
    training = laughing_set(0, n_frames=4000)
    training.frames[:, 3] = torch.nan
    with pytest.raises(NonFiniteLossError):
        train(tmp_path, config(max_epochs=1), training)
    assert not result.checkpoint.exists()
    assert train(tmp_path, config(max_epochs=1), resume=True).history == result.history


@pytest.mark.parametrize("name", ["batch_size", "max_epochs", "patience"])
def test_a_training_of_nothing_is_refused(name):
    with pytest.raises(ValueError, match=f"{name} is 0; wanted at least 1"):
        TrainingConfig(**{name: 0})


def test_nothing_it_writes_is_a_pickle(tmp_path):
    train(tmp_path)
    names = {path.name for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert names == {"state.safetensors", "model.safetensors", "config.json"}
