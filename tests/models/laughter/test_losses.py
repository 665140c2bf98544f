"""Losses against closed forms, numeric gradients and each other."""

import math

import numpy as np
import pytest
import torch

from models.laughter.losses import (
    ClassBalance,
    LossConfig,
    binary_cross_entropy,
    focal_loss,
    make_loss,
    time_loss,
)

generator = torch.Generator().manual_seed(0)
LOGITS = (torch.randn(64, generator=generator, dtype=torch.float64) * 4).requires_grad_()
TARGETS = (torch.rand(64, generator=generator) < 0.3).double()
TIMES_S = torch.rand(64, generator=generator, dtype=torch.float64) * 12


def test_cross_entropy_of_an_undecided_head_is_log_2_and_positives_weigh_pos_weight():
    logits, targets = torch.zeros(4), torch.tensor([1.0, 0, 0, 0])
    assert binary_cross_entropy(logits, targets).item() == pytest.approx(math.log(2))
    weighted = binary_cross_entropy(logits, targets, pos_weight=3).item()
    assert weighted == pytest.approx((3 + 3) / 4 * math.log(2))


@pytest.mark.parametrize(
    ("logit", "target", "wanted"),
    [
        (0.0, 1.0, 0.25 * 0.25 * math.log(2)),
        (0.0, 0.0, 0.75 * 0.25 * math.log(2)),
        (math.log(9), 1.0, 0.25 * 0.1**2 * -math.log(0.9)),
        (math.log(9), 0.0, 0.75 * 0.9**2 * -math.log(0.1)),
    ],
)
def test_focal_loss_has_the_published_value(logit, target, wanted):
    assert focal_loss(torch.tensor([logit]), torch.tensor([target])).item() == pytest.approx(wanted)


@pytest.mark.parametrize("alpha", [0.5, 0.9])
def test_focal_loss_without_focus_is_weighted_cross_entropy(alpha):
    weights = torch.where(TARGETS == 1, alpha, 1 - alpha)
    wanted = torch.nn.functional.binary_cross_entropy_with_logits(LOGITS, TARGETS, weight=weights)
    torch.testing.assert_close(focal_loss(LOGITS, TARGETS, alpha=alpha, gamma=0), wanted)


@pytest.mark.parametrize(
    "loss",
    [
        lambda x: binary_cross_entropy(x, TARGETS, pos_weight=7),
        lambda x: focal_loss(x, TARGETS),
        lambda x: focal_loss(x, TARGETS, alpha=0.95, gamma=0.5),
        lambda x: time_loss(x * 3, TIMES_S, cap_s=10),
        lambda x: time_loss(x * 3, TIMES_S, cap_s=10, huber_delta_s=1),
    ],
)
def test_gradients_agree_with_finite_differences(loss):
    assert torch.autograd.gradcheck(loss, [LOGITS])


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_gradients_stay_finite_where_probabilities_round_to_0_and_1(gamma):
    logits = torch.tensor([-200.0, 200.0, -200.0, 200.0], requires_grad=True)
    loss = focal_loss(logits, torch.tensor([0.0, 0, 1, 1]), gamma=gamma)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()


def test_time_losses_have_their_closed_forms():
    outputs, targets = torch.tensor([1.0, 5.0]), torch.tensor([1.5, 2.0])
    assert time_loss(outputs, targets, cap_s=10).item() == pytest.approx((0.5 + 3) / 2)
    huber = time_loss(outputs, targets, cap_s=10, huber_delta_s=1).item()
    assert huber == pytest.approx((0.5 * 0.5**2 + (3 - 0.5)) / 2)


def test_past_the_cap_all_times_are_the_same():
    assert time_loss(torch.tensor([25.0]), torch.tensor([400.0]), cap_s=10).item() == 0
    assert time_loss(torch.tensor([8.0]), torch.tensor([400.0]), cap_s=10).item() == 2


def test_class_balance_gives_the_weights_of_its_definition():
    balance = ClassBalance.of(np.array([1, 0, 0, 0], dtype=np.float32))
    assert (balance.positive_rate, balance.pos_weight, balance.focal_alpha) == (0.25, 3.0, 0.75)
    unknown = ClassBalance(0, 0)
    assert (unknown.positive_rate, unknown.pos_weight, unknown.focal_alpha) == (None, 1.0, 0.5)


def test_times_given_as_classes_are_refused():
    with pytest.raises(ValueError, match=r"frame 1 has label 2\.5"):
        ClassBalance.of(np.array([0, 2.5], dtype=np.float32))


@pytest.mark.parametrize(
    ("config", "wanted"),
    [
        (LossConfig("bce"), binary_cross_entropy(LOGITS, TARGETS)),
        (LossConfig("bce", pos_weight=2.5), binary_cross_entropy(LOGITS, TARGETS, 2.5)),
        (LossConfig("bce", pos_weight="balanced"), binary_cross_entropy(LOGITS, TARGETS, 9)),
        (LossConfig("focal"), focal_loss(LOGITS, TARGETS, 0.25, 2)),
        (LossConfig("adaptive_focal", gamma=1), focal_loss(LOGITS, TARGETS, 0.9, 1)),
        (LossConfig("l1", cap_s=5), time_loss(LOGITS, TARGETS, 5)),
        (LossConfig("huber", huber_delta_s=2), time_loss(LOGITS, TARGETS, 10, 2)),
    ],
)
def test_a_configuration_makes_the_loss_it_names(config, wanted):
    torch.testing.assert_close(make_loss(config, ClassBalance(10, 90))(LOGITS, TARGETS), wanted)


def test_an_unknown_balance_weighs_both_classes_alike():
    loss = make_loss(LossConfig("adaptive_focal"))(LOGITS, TARGETS)
    torch.testing.assert_close(loss, focal_loss(LOGITS, TARGETS, alpha=0.5))


@pytest.mark.parametrize(
    "values",
    [
        {"kind": "hinge"},
        {"alpha": 1.5},
        {"gamma": -1},
        {"cap_s": 0},
        {"pos_weight": "auto"},
        {"pos_weight": -1},
    ],
)
def test_impossible_constants_are_refused(values):
    with pytest.raises(ValueError, match=r"wanted"):
        LossConfig(**values)
