"""The head that turns a frame of features into one number.

The number is a logit when laughter is classified and seconds when the time to the next laugh is
predicted; the network is the same.
"""

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import nn

from models.training.frames import FeatureStatistics


@dataclass(frozen=True)
class HeadConfig:
    """What is needed to build a `LaughterHead`.

    Attributes:
        input_dim: D, features of a frame.
        hidden_dim: width of the hidden layer of Linear-ReLU-Dropout-Linear; None: Linear alone.
        dropout: share of hidden units dropped in training, [0, 1).
        output_bias: start of the last bias, see `prior_logit`; None: PyTorch's default.
        standardise: bring every feature to mean 0 and deviation 1 first. For features of unlike
            scale, such as MFCC beside energy; hidden states after a norm do not need it.
    """

    input_dim: int
    hidden_dim: int | None = None
    dropout: float = 0.5
    output_bias: float | None = None
    standardise: bool = False

    def __post_init__(self) -> None:
        if self.input_dim < 1:
            raise ValueError(f"input_dim is {self.input_dim}; wanted at least 1")
        if self.hidden_dim is not None and self.hidden_dim < 1:
            raise ValueError(f"hidden_dim is {self.hidden_dim}; wanted at least 1, or None")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}; wanted 0 <= dropout < 1")


class LaughterHead(nn.Module):
    """One number per frame.

    Shape:
        - input: [*, D], any floating dtype
        - output: [*], float32
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, config: HeadConfig) -> None:
        super().__init__()
        self.config = config
        if config.standardise:
            self.register_buffer("mean", torch.zeros(config.input_dim))
            self.register_buffer("std", torch.ones(config.input_dim))
        if config.hidden_dim is None:
            output = nn.Linear(config.input_dim, 1)
            self.layers = nn.Sequential(output)
        else:
            output = nn.Linear(config.hidden_dim, 1)
            self.layers = nn.Sequential(
                nn.Linear(config.input_dim, config.hidden_dim),
                nn.ReLU(),
                nn.Dropout(config.dropout),
                output,
            )
        if config.output_bias is not None:
            nn.init.constant_(output.bias, config.output_bias)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        frames = frames.float()
        if self.config.standardise:
            frames = (frames - self.mean) / self.std
        return cast(torch.Tensor, self.layers(frames)).squeeze(-1).float()

    def set_statistics(self, statistics: FeatureStatistics) -> None:
        """Standardise with these from now on; they become part of the checkpoint."""
        if not self.config.standardise:
            raise ValueError("this head has standardise=False; it takes no feature statistics")
        self.mean.copy_(torch.from_numpy(statistics.mean))
        self.std.copy_(torch.from_numpy(statistics.std))


def prior_logit(positive_rate: float) -> float:
    """log(pi / (1 - pi)): the output bias at which a head predicts the base rate from the start.

    Without it the first steps on rare events are spent learning that they are rare (Lin et al.,
    Focal Loss for Dense Object Detection, 2017, section 4.1).

    Raises:
        ValueError: a rate outside (0, 1).

    >>> prior_logit(0.5)
    0.0
    """
    if not 0 < positive_rate < 1:
        raise ValueError(f"positive rate is {positive_rate}; wanted 0 < rate < 1")
    return math.log(positive_rate / (1 - positive_rate))
