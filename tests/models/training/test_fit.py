"""`fit` with modules that know nothing of it: what it keeps, when it stops, what it refuses."""

import itertools

import pytest
import torch
from lightning.pytorch import LightningModule
from torch import nn

from models.training.checkpoint import load_weights, read_config
from models.training.examples import ExampleData
from models.training.fit import fit
from models.training.guards import NonFiniteLossError
from models.training.progress import STATE_FILE, Kept, Monitor, has_state
from models.training.samplers import Shuffled
from models.training.schedules import Schedule
from models.training.settings import FitSettings, Machine
from tests.models.training.toys import Adversaries, points, train

LOSS = Monitor("val_loss", higher_is_better=False)


class Line(LightningModule):
    """y = w x, as plain a module as there is."""

    def __init__(self, rate=0.1, schedule=None):
        super().__init__()
        self.network = nn.Linear(1, 1, bias=False)
        self.rate, self.schedule, self.seen = rate, schedule or Schedule(), []
        nn.init.zeros_(self.network.weight)

    def configure_optimizers(self):
        return self.schedule.configure(torch.optim.SGD(self.parameters(), lr=self.rate))

    def training_step(self, batch, batch_idx):
        loss = ((self.network(batch["x"]) - batch["y"]) ** 2).mean()
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(batch["x"]))
        return loss

    def on_before_optimizer_step(self, optimizer):
        self.seen.append((float(self.network.weight.grad), optimizer.param_groups[0]["lr"]))

    def validation_step(self, batch, batch_idx):
        loss = ((self.network(batch["x"]) - batch["y"]) ** 2).mean()
        self.log("val_loss", loss, batch_size=len(batch["x"]))


def line(n=16, slope=2.0):
    return ExampleData([{"x": torch.tensor([1.0]), "y": torch.tensor([slope])} for _ in range(n)])


def run(tmp_path, module, *, data=None, validation=None, options=None, **settings):
    return fit(
        module,
        data or line(),
        validation or line(4),
        FitSettings(**{"batch_size": 4, "max_epochs": 2, **settings}),
        tmp_path,
        kept=Kept("network", {"width": 1}),
        machine=Machine("cpu"),
        **{"monitor": LOSS, **(options or {})},
    )


def test_a_plain_module_is_trained_and_its_best_epoch_kept_with_what_it_logged(tmp_path):
    module = Line()
    found = run(tmp_path, module)
    # Each of 8 steps takes the weight from w to w - 0.2 (w - 2).
    assert float(module.network.weight) == pytest.approx(2 * (1 - 0.8**8))
    assert found.best_epoch == 1
    assert found.metrics["val_loss"] == pytest.approx((2 * 0.8**8) ** 2, rel=1e-5)
    assert found.history[0]["train_loss"] == pytest.approx(sum(4 * 0.8 ** (2 * k) for k in range(4)) / 4)
    document = read_config(found.checkpoint)
    assert (document["architecture"], document["width"]) == ("Linear", 1)
    assert document["metrics"] == {"epoch": 1, **found.metrics}
    again = nn.Linear(1, 1, bias=False)
    load_weights(found.checkpoint, again)
    assert torch.equal(again.weight, module.network.weight)


def test_gradients_are_accumulated_and_clipped(tmp_path):
    module = Line()
    run(tmp_path, module, accumulate=2, max_epochs=1)
    assert [gradient for gradient, _ in module.seen] == pytest.approx([-4.0, -3.2])  # two steps of 8 examples
    module = Line()
    run(tmp_path, module, clip_norm=0.5, max_epochs=1)
    assert float(module.network.weight) == pytest.approx(4 * 0.1 * 0.5)


def test_the_learning_rate_follows_its_schedule_step_by_step(tmp_path):
    module = Line(schedule=Schedule("cosine", warmup_steps=2, total_steps=6, floor=0.5))
    run(tmp_path, module)
    # Half, full, then a cosine over 4 steps to a half.
    wanted = [0.5, 1, 1, 0.9267767, 0.75, 0.5732233, 0.5, 0.5]
    assert [rate for _, rate in module.seen] == pytest.approx([0.1 * factor for factor in wanted])


@pytest.mark.parametrize(
    "values", [{"kind": "linear"}, {"kind": "cosine", "total_steps": 0}, {"warmup_steps": -1}, {"floor": 2}]
)
def test_impossible_schedules_are_refused(values):
    with pytest.raises(ValueError, match="wanted"):
        Schedule(**values)


def test_the_average_of_weights_is_validated_and_kept_not_the_weights(tmp_path):
    module = Line()
    found = run(tmp_path, module, averaging=0.5, max_epochs=1)
    weights = [2 * (1 - 0.8**step) for step in range(1, 5)]
    average = weights[0]
    for weight in weights[1:]:
        average = 0.5 * average + 0.5 * weight
    assert float(module.network.weight) == pytest.approx(weights[-1])
    kept = nn.Linear(1, 1, bias=False)
    load_weights(found.checkpoint, kept)
    assert float(kept.weight) == pytest.approx(average)
    assert found.metrics["val_loss"] == pytest.approx((2 - average) ** 2)


def test_accumulated_batches_are_one_step_of_the_average(tmp_path):
    found = run(tmp_path, Line(), averaging=0.5, accumulate=2, max_epochs=1)
    kept = nn.Linear(1, 1, bias=False)
    load_weights(found.checkpoint, kept)
    assert float(kept.weight) == pytest.approx((0.4 + 0.72) / 2)


def test_without_validation_the_best_epoch_is_told_by_training(tmp_path):
    found = fit(
        Line(), line(), None, FitSettings(4, 2), tmp_path,
        kept=Kept("network", {}), monitor=Monitor("train_loss", False), machine=Machine("cpu"),
    )  # fmt: skip
    assert found.best_epoch == 1
    assert found.history[0].keys() == {"train_loss"}


def test_it_stops_when_patience_runs_out(tmp_path):
    found = run(tmp_path, Line(rate=0.0), max_epochs=9, patience=2)
    assert (len(found.history), found.best_epoch, found.stopped_early) == (3, 0, True)


def test_validation_may_have_batches_of_another_size(tmp_path):
    sizes = []

    class Watched(Line):
        def validation_step(self, batch, batch_idx):
            sizes.append(len(batch["x"]))
            super().validation_step(batch, batch_idx)

    run(tmp_path, Watched(), validation=line(7), validation_batch_size=7, max_epochs=1)
    assert sizes == [7]


def test_a_training_of_other_settings_or_another_identity_is_not_resumed(tmp_path):
    one, other = ({"resume": True, "identity": {"data": name}} for name in "ab")
    run(tmp_path, Line(), max_epochs=1, options=one)
    assert has_state(tmp_path)
    with pytest.raises(ValueError, match=r"another .*\(data: 'a' then, 'b' now; seed: 0 then, 1 now\)"):
        run(tmp_path, Line(), seed=1, options=other)
    longer = run(tmp_path, Line(), patience=5, state_every_s=1, options=one)
    assert len(longer.history) == 2


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[:-1], lambda data: b"x" * 99])
def test_a_state_that_cannot_be_read_is_none(tmp_path, damage):
    wanted = run(tmp_path, Line())
    state = tmp_path / STATE_FILE
    state.write_bytes(damage(state.read_bytes()))
    assert not has_state(tmp_path)
    assert run(tmp_path, Line(), options={"resume": True}).history == wanted.history
    assert has_state(tmp_path)


def test_a_metric_that_is_never_logged_is_named_with_those_that_are(tmp_path):
    with pytest.raises(ValueError, match=r"no epoch has the metric val_map .* it has train_loss, val_loss"):
        run(tmp_path, Line(), options={"monitor": Monitor("val_map", True)})


def test_settings_that_manual_optimisation_cannot_follow_are_refused(tmp_path):
    for settings in ({"clip_norm": 1.0}, {"accumulate": 2}):
        with pytest.raises(ValueError, match="Adversaries optimises by hand"):
            fit(
                Adversaries(), ExampleData(points(0)), None, FitSettings(8, 1, **settings), tmp_path,
                kept=Kept("generator", {}), monitor=LOSS,
            )  # fmt: skip


@pytest.mark.parametrize("name", ["batch_size", "max_epochs", "patience", "accumulate"])
def test_settings_of_nothing_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} is 0; wanted at least 1"):
        FitSettings(**{"batch_size": 4, "max_epochs": 1, name: 0})


def test_a_network_the_module_does_not_have_is_refused_before_anything_is_trained(tmp_path):
    with pytest.raises(AttributeError, match="encoder"):
        fit(Line(), line(), line(), FitSettings(4, 1), tmp_path, kept=Kept("encoder", {}), monitor=LOSS)


def test_a_loss_that_is_not_finite_names_the_examples_or_the_rate(tmp_path):
    rows = [{"x": torch.tensor([1.0]), "y": torch.tensor([2.0])} for _ in range(16)]
    rows[5]["y"] = torch.tensor([torch.inf])
    with pytest.raises(NonFiniteLossError, match=r"loss is inf in epoch 0, step \d .* 1 of its 4 y hold"):
        run(tmp_path, Line(), data=ExampleData(rows, Shuffled()))
    with pytest.raises(NonFiniteLossError, match=r"largest values are x 1, y 2: try a lower learning rate"):
        run(tmp_path, Line(rate=1e30))


def test_a_loss_of_manual_optimisation_that_is_not_finite_stops_the_training(tmp_path):
    rows = points(0)
    rows[5]["point"] = torch.tensor([torch.nan, 0.0])
    with pytest.raises(NonFiniteLossError, match=r"1 of its 8 point hold values that are not finite"):
        fit(
            Adversaries(), ExampleData(rows), None, FitSettings(8, 1), tmp_path,
            kept=Kept("generator", {}), monitor=Monitor("train_told_apart", False), machine=Machine("cpu"),
        )  # fmt: skip


def test_a_monitored_metric_that_is_not_finite_stops_the_training(tmp_path):
    with pytest.raises(NonFiniteLossError, match="val_loss is nan in epoch 0"):
        run(tmp_path, Line(), validation=line(4, slope=torch.nan))


@pytest.mark.parametrize(
    ("kind", "metric", "first", "last"),
    [
        ("adversarial", "val_distance", 1.4, 0.5),  # as far as 2.2 apart at first
        ("metric", "val_map", 0.35, 0.4),  # .25 before training
        ("contrastive", "val_mr1", 8.0, 2.0),
    ],
)
def test_the_toys_learn(kind, metric, first, last, tmp_path):
    values = [epoch[metric] for epoch in train(kind, tmp_path).history]
    better = (lambda a, b: a > b) if metric == "val_map" else (lambda a, b: a < b)
    assert better(values[-1], last) and not better(values[0], first), values
    assert all(better(b, a) for a, b in itertools.pairwise(values))
