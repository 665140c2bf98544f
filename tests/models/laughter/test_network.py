"""The head: its two forms, its bias, its standardisation."""

import json

import numpy as np
import pytest
import torch

from models.laughter.network import HeadConfig, LaughterHead, prior_logit
from models.training.config import config_from_json, config_to_json
from models.training.frames import FeatureStatistics


def test_the_linear_head_is_one_dot_product_and_a_bias():
    head = LaughterHead(HeadConfig(input_dim=4))
    frames = torch.randn(7, 4)
    weight, bias = head.layers[0].weight, head.layers[0].bias
    torch.testing.assert_close(head(frames), frames @ weight[0] + bias)
    assert sum(p.numel() for p in head.parameters()) == 5


def test_the_hidden_head_drops_half_of_its_units_in_training_only():
    head = LaughterHead(HeadConfig(input_dim=4, hidden_dim=64))
    frames = torch.randn(7, 4)
    assert not torch.equal(head(frames), head(frames))
    head.eval()
    assert torch.equal(head(frames), head(frames))
    assert [type(layer).__name__ for layer in head.layers] == ["Linear", "ReLU", "Dropout", "Linear"]


def test_leading_dimensions_and_half_precision_are_taken_as_they_come():
    head = LaughterHead(HeadConfig(input_dim=4))
    outputs = head(torch.randn(2, 3, 4).bfloat16())
    assert outputs.shape == (2, 3)
    assert outputs.dtype == torch.float32


@pytest.mark.parametrize("hidden_dim", [None, 16])
def test_a_prior_bias_makes_a_new_head_predict_the_base_rate(hidden_dim):
    torch.manual_seed(0)
    config = HeadConfig(4, hidden_dim=hidden_dim, output_bias=prior_logit(0.01))
    probability = torch.sigmoid(LaughterHead(config).eval()(torch.zeros(4)))
    # Hidden units of a zero frame still add their own small biases.
    assert probability.item() == pytest.approx(0.01, rel=1e-6 if hidden_dim is None else 0.5)


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1])
def test_a_rate_without_a_logit_is_refused(rate):
    with pytest.raises(ValueError, match="0 < rate < 1"):
        prior_logit(rate)


def test_standardised_features_have_mean_0_and_deviation_1_and_are_part_of_the_state():
    head = LaughterHead(HeadConfig(2, standardise=True))
    head.set_statistics(FeatureStatistics(np.float32([10, -300]), np.float32([2, 100])))
    weight, bias = head.layers[0].weight[0], head.layers[0].bias
    torch.testing.assert_close(head(torch.tensor([[12.0, -200.0]])), (weight.sum() + bias))
    assert {"mean", "std"} <= head.state_dict().keys()
    assert not {"mean", "std"} & {name for name, _ in head.named_parameters()}


def test_statistics_are_refused_by_a_head_that_would_not_use_them():
    with pytest.raises(ValueError, match="standardise=False"):
        LaughterHead(HeadConfig(1)).set_statistics(FeatureStatistics(np.zeros(1), np.ones(1)))


def test_a_head_is_rebuilt_from_its_json():
    config = HeadConfig(12, hidden_dim=5, dropout=0.1, output_bias=-3.0, standardise=True)
    again = config_from_json(HeadConfig, json.loads(json.dumps(config_to_json(config))))
    assert again == config
    LaughterHead(again).load_state_dict(LaughterHead(config).state_dict())


@pytest.mark.parametrize("values", [{"input_dim": 0}, {"hidden_dim": 0}, {"dropout": 1.0}])
def test_impossible_sizes_are_refused(values):
    with pytest.raises(ValueError, match="wanted"):
        HeadConfig(**{"input_dim": 4, **values})
