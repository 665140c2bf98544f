"""Learning rates over the steps of a training: a linear warm-up, then constant or a cosine."""

import math
from dataclasses import dataclass
from typing import Any, Literal

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


@dataclass(frozen=True)
class Schedule:
    """By what the learning rate is multiplied at every step.

    Attributes:
        kind: what follows the warm-up.
        warmup_steps: steps in which the rate rises to its full value, the last of them at it.
        total_steps: step at which the cosine reaches `floor`, where it stays.
        floor: share of the full rate at the end of the cosine.

    >>> [Schedule("cosine", 2, 6, 0.1).factor(step) for step in (0, 1, 4, 9)]
    [0.5, 1.0, 0.55, 0.1]
    """

    kind: Literal["constant", "cosine"] = "constant"
    warmup_steps: int = 0
    total_steps: int = 0
    floor: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in ("constant", "cosine"):
            raise ValueError(f"kind is {self.kind!r}; wanted constant or cosine")
        if self.warmup_steps < 0:
            raise ValueError(f"warmup_steps is {self.warmup_steps}; wanted at least 0")
        if self.kind == "cosine" and self.total_steps <= self.warmup_steps:
            raise ValueError(
                f"total_steps is {self.total_steps} after {self.warmup_steps} of warm-up; wanted more"
            )
        if not 0 <= self.floor <= 1:
            raise ValueError(f"floor is {self.floor}; wanted 0 <= floor <= 1")

    def factor(self, step: int) -> float:
        """At a step, counted from 0."""
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        if self.kind == "constant":
            return 1.0
        done = min((step - self.warmup_steps) / (self.total_steps - self.warmup_steps), 1.0)
        return round(self.floor + (1 - self.floor) * (1 + math.cos(math.pi * done)) / 2, 12)

    def scheduler(self, optimizer: Optimizer) -> LambdaLR:
        """For manual optimisation: to be stepped after every step of the optimizer."""
        return LambdaLR(optimizer, self.factor)

    def configure(self, optimizer: Optimizer) -> dict[str, Any]:
        """What `configure_optimizers` of a module with automatic optimisation returns."""
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": self.scheduler(optimizer), "interval": "step"},
        }
