"""Modules that are measured on all outputs of an epoch at once, gathered from all processes.

Metrics of whole sets (average precision, retrieval) are not means over batches, and so do not depend on how
the examples were spread over batches and ranks.
"""

from collections.abc import Mapping
from typing import Any, Literal, cast

import torch
from lightning.pytorch import LightningModule

from models.training.guards import NonFiniteLossError, rows_not_finite

Stage = Literal["train", "val"]
Metrics = dict[str, float | None]


class WholeSetModule(LightningModule):
    """Keeps tensors of every step and has them measured when the epoch ends.

    A subclass calls `keep` in its steps and overrides `measure`.

    Attributes:
        epoch_metrics: of the epoch so far, `train_*` and `val_*`; None where something is not defined.
    """

    def __init__(self) -> None:
        super().__init__()
        self.epoch_metrics: Metrics = {}
        self._kept: dict[Stage, list[dict[str, torch.Tensor]]] = {"train": [], "val": []}

    def keep(self, stage: Stage, **tensors: torch.Tensor) -> None:
        """Remember tensors [n, ...] of a batch, the same names in every step."""
        self._kept[stage].append({name: value.detach() for name, value in tensors.items()})

    def measure(self, stage: Stage, outputs: dict[str, torch.Tensor]) -> Mapping[str, float | None]:
        """Metrics by name, of all that was kept: [N, ...] on the CPU, the same on every rank."""
        raise NotImplementedError(f"{type(self).__name__} keeps outputs; it must override measure()")

    def on_train_epoch_start(self) -> None:
        self.epoch_metrics = {}

    def on_train_epoch_end(self) -> None:
        self._finish("train")

    def on_validation_epoch_end(self) -> None:
        self._finish("val")

    def epoch_state(self) -> list[dict[str, torch.Tensor]]:
        """What this process kept of the training outputs of an epoch that is not over."""
        return list(self._kept["train"])

    def load_epoch_state(self, state: list[dict[str, torch.Tensor]]) -> None:
        """The inverse of `epoch_state`."""
        self._kept["train"] = [
            {name: value.to(self.device) for name, value in step.items()} for step in state
        ]

    def _finish(self, stage: Stage) -> None:
        kept = self._kept[stage]
        if not kept:
            return
        outputs = {name: gathered(self, torch.cat([step[name] for step in kept])).cpu() for name in kept[0]}
        kept.clear()
        for name, values in outputs.items():
            self._check_finite(stage, name, values)
        measured = self.measure(stage, outputs)
        metrics = {f"{stage}_{name}": value for name, value in measured.items()}
        self.epoch_metrics |= metrics
        defined = {name: float(value) for name, value in metrics.items() if value is not None}
        self.log_dict(defined, sync_dist=True)

    def _check_finite(self, stage: Stage, name: str, values: torch.Tensor) -> None:
        if wrong := rows_not_finite(values):
            raise NonFiniteLossError(
                f"{wrong} of {len(values)} {stage} {name} are not finite in epoch "
                f"{self.current_epoch}: look for examples that are not finite"
            )


def gathered(module: LightningModule, local: torch.Tensor) -> torch.Tensor:
    """The rows [n, ...] of all ranks, which may have different numbers of them, rank by rank."""
    if module.trainer.world_size == 1:
        return local
    counts = cast(torch.Tensor, module.all_gather(torch.tensor(len(local), device=local.device)))
    padding = [0, 0] * (local.ndim - 1) + [0, int(counts.max()) - len(local)]
    padded = cast(Any, module.all_gather(torch.nn.functional.pad(local, padding)))
    return torch.cat([rank[:n] for rank, n in zip(padded, counts.tolist(), strict=True)])
