"""A training stops where its numbers are not finite, and says where that was."""

from collections.abc import Mapping
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer


class NonFiniteLossError(ArithmeticError):
    """A loss became NaN or infinite; says in which step, and what may be the cause."""


class FiniteLosses(Callback):
    """Looks at every loss before its gradients are computed, those of manual optimisation too."""

    def __init__(self) -> None:
        self._batch: Any = None
        self._index = 0

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self._batch, self._index = batch, batch_idx

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: torch.Tensor) -> None:
        if not torch.isfinite(loss).all():
            # Accumulated gradients are of a loss that was divided already, which NaN and inf survive.
            raise NonFiniteLossError(
                f"loss is {float(loss)} in epoch {trainer.current_epoch}, step {self._index} of the epoch; "
                f"{_cause(self._batch)}"
            )

    def on_train_batch_end(self, *_: Any) -> None:
        self._batch = None


def rows_not_finite(values: torch.Tensor) -> int:
    """How many of the rows [n, ...] hold something that is NaN or infinite."""
    return int((~torch.isfinite(values)).reshape(len(values), -1).any(dim=1).sum())


def _cause(batch: Any) -> str:
    tensors = batch if isinstance(batch, Mapping) else {}
    floats = {name: x.detach() for name, x in tensors.items() if _has_floating_rows(x)}
    for name, values in floats.items():
        if wrong := rows_not_finite(values):
            return (
                f"{wrong} of its {len(values)} {name} hold values that are not finite: "
                "compute those examples again"
            )
    largest = ", ".join(f"{name} {float(x.abs().max()):.3g}" for name, x in floats.items())
    return f"its batch is finite, the largest values are {largest or 'unknown'}: try a lower learning rate"


def _has_floating_rows(value: Any) -> bool:
    return (
        isinstance(value, torch.Tensor) and value.is_floating_point() and value.ndim > 0 and value.numel() > 0
    )
