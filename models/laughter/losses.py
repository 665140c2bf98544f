"""Losses of a batch of frames.

Conventions: `logits`, `outputs` and `targets` are [n] float tensors; a loss is their mean, a
differentiable scalar. Classification targets are exactly 0 or 1; times are in seconds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
LossKind = Literal["bce", "focal", "adaptive_focal", "huber", "l1"]


@dataclass(frozen=True)
class ClassBalance:
    """How many frames of a training set are positive."""

    n_positive: int
    n_negative: int

    @classmethod
    def of(cls, labels: npt.NDArray[np.float32]) -> "ClassBalance":
        """Count the classes of `labels`, [n].

        Raises:
            ValueError: a label that is neither 0 nor 1.
        """
        positive, negative = labels == 1, labels == 0
        wrong = np.flatnonzero(~(positive | negative))
        if len(wrong):
            raise ValueError(
                f"frame {wrong[0]} has label {labels[wrong[0]]:g}; classification wants 0 or 1 "
                f"({len(wrong)} of {len(labels)} are neither): for times use the huber or l1 loss"
            )
        return cls(int(positive.sum()), int(negative.sum()))

    @property
    def positive_rate(self) -> float | None:
        """Share of positive frames, the base rate; None without frames."""
        total = self.n_positive + self.n_negative
        return self.n_positive / total if total else None

    @property
    def pos_weight(self) -> float:
        """N- / N+, which gives both classes the same say; 1 if either class is absent."""
        return self.n_negative / self.n_positive if self.n_positive and self.n_negative else 1.0

    @property
    def focal_alpha(self) -> float:
        """N- / N, the weight of a positive in adaptive focal loss; 0.5 if there is no N."""
        total = self.n_positive + self.n_negative
        return self.n_negative / total if total else 0.5


@dataclass(frozen=True)
class LossConfig:
    """Which loss, and its constants.

    Attributes:
        kind: `bce`, `focal` and `adaptive_focal` classify; `huber` and `l1` predict the time to the
            next laugh.
        pos_weight: of `bce`; "balanced" is N- / N+ of the training set.
        alpha, gamma: of the focal losses; `adaptive_focal` takes alpha from the training set.
        cap_s: of `huber` and `l1`, the longest time told apart.
        huber_delta_s: error at which `huber` turns from a parabola to a line.
    """

    kind: LossKind = "bce"
    pos_weight: float | Literal["balanced"] = 1.0
    alpha: float = 0.25
    gamma: float = 2.0
    cap_s: float = 10.0
    huber_delta_s: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in get_args(LossKind):
            raise ValueError(f"loss is {self.kind!r}; wanted one of {', '.join(get_args(LossKind))}")
        if isinstance(self.pos_weight, str) and self.pos_weight != "balanced":
            raise ValueError(f"pos_weight is {self.pos_weight!r}; wanted a number or 'balanced'")
        for name in ("pos_weight", "cap_s", "huber_delta_s"):
            value = getattr(self, name)
            if not isinstance(value, str) and not value > 0:
                raise ValueError(f"{name} is {value}; wanted more than 0")
        if not 0 <= self.alpha <= 1:
            raise ValueError(f"alpha is {self.alpha}; wanted 0 <= alpha <= 1")
        if not self.gamma >= 0:
            raise ValueError(f"gamma is {self.gamma}; wanted at least 0")

    @property
    def is_regression(self) -> bool:
        """Whether targets are seconds to the next laugh rather than classes."""
        return self.kind in ("huber", "l1")


def make_loss(config: LossConfig, balance: ClassBalance | None = None) -> Loss:
    """The loss that `config` describes, as a function of outputs and targets.

    Args:
        config: the loss.
        balance: of the training set, for what adapts to it; None: unknown.
    """
    balance = balance or ClassBalance(0, 0)
    if config.kind == "bce":
        weight = balance.pos_weight if config.pos_weight == "balanced" else config.pos_weight
        return partial(binary_cross_entropy, pos_weight=float(weight))
    if config.kind == "focal":
        return partial(focal_loss, alpha=config.alpha, gamma=config.gamma)
    if config.kind == "adaptive_focal":
        return partial(focal_loss, alpha=balance.focal_alpha, gamma=config.gamma)
    delta_s = config.huber_delta_s if config.kind == "huber" else None
    return partial(time_loss, cap_s=config.cap_s, huber_delta_s=delta_s)


def binary_cross_entropy(
    logits: torch.Tensor, targets: torch.Tensor, pos_weight: float = 1.0
) -> torch.Tensor:
    """Mean cross entropy, positives counted `pos_weight` times."""
    return functional.binary_cross_entropy_with_logits(
        logits, targets, pos_weight=torch.as_tensor(pos_weight).to(logits)
    )


def focal_loss(
    logits: torch.Tensor, targets: torch.Tensor, alpha: float = 0.25, gamma: float = 2.0
) -> torch.Tensor:
    """Mean of alpha_t (1 - p_t)^gamma times the cross entropy (Lin et al. 2017, equation 5).

    p_t is the probability given to the true class; alpha_t is `alpha` for positives and
    `1 - alpha` for negatives. `gamma` 0 leaves a weighted cross entropy.
    """
    margin = (2 * targets - 1) * logits
    alpha_t = alpha * targets + (1 - alpha) * (1 - targets)
    # As exp(gamma log(1 - p_t)): a power of a 1 - p_t that rounds to 0 has no finite gradient.
    modulation = torch.exp(gamma * functional.logsigmoid(-margin))
    return (-alpha_t * modulation * functional.logsigmoid(margin)).mean()


def time_loss(
    outputs_s: torch.Tensor,
    targets_s: torch.Tensor,
    cap_s: float,
    huber_delta_s: float | None = None,
) -> torch.Tensor:
    """Mean absolute error of times, targets capped; with `huber_delta_s` the Huber loss.

    An output past the cap is not an error where the target is the cap: both say "not soon".
    """
    targets_s = targets_s.clamp(max=cap_s)
    outputs_s = torch.where(targets_s >= cap_s, outputs_s.clamp(max=cap_s), outputs_s)
    if huber_delta_s is None:
        return functional.l1_loss(outputs_s, targets_s)
    return functional.huber_loss(outputs_s, targets_s, delta=huber_delta_s)
