"""A laughter head as a LightningModule: its loss, and what an epoch is measured by.

Conventions: a batch has `frames` [n, D] and `labels` [n]. `train_*` values come from the outputs made while
training, which change within the epoch and have dropout.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch

from models.laughter.config import OptimizerConfig
from models.laughter.losses import Loss, LossConfig
from models.laughter.network import LaughterHead
from models.metrics.frames import best_threshold, frame_metrics
from models.metrics.times import time_metrics
from models.training.epochs import Batch
from models.training.whole_sets import Stage, WholeSetModule

TRAIN_METRICS = ("loss", "auprc", "base_rate", "mae_s")


class LaughterModule(WholeSetModule):
    """Trains `head`.

    Args:
        head: the network, changed in place.
        loss: of outputs and labels, see `make_loss`.
        loss_config: what `loss` was made from; says whether the head classifies or predicts times.
        optimizer_config: of AdamW.
    """

    def __init__(
        self, head: LaughterHead, loss: Loss, loss_config: LossConfig, optimizer_config: OptimizerConfig
    ) -> None:
        super().__init__()
        self.head = head
        self._loss, self._loss_config, self._optimizer = loss, loss_config, optimizer_config

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(
            self.parameters(),
            lr=self._optimizer.learning_rate,
            weight_decay=self._optimizer.weight_decay,
        )

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        outputs = self.head(batch["frames"])
        self.keep("train", outputs=outputs, labels=batch["labels"])
        return self._loss(outputs, batch["labels"])

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self.keep("val", outputs=self.head(batch["frames"]), labels=batch["labels"])

    def measure(self, stage: Stage, outputs: dict[str, torch.Tensor]) -> Mapping[str, float | None]:
        values, labels = outputs["outputs"].double(), outputs["labels"].double()
        metrics = {"loss": float(self._loss(values, labels)), **self._metrics(values, labels)}
        if stage == "train":
            return {name: metrics[name] for name in TRAIN_METRICS if name in metrics}
        return metrics

    def _metrics(self, outputs: torch.Tensor, labels: torch.Tensor) -> dict[str, Any]:
        if self._loss_config.is_regression:
            cap_s = self._loss_config.cap_s
            return asdict(time_metrics(outputs.clamp(0, cap_s).numpy(), labels.clamp(max=cap_s).numpy()))
        probabilities, truth = torch.sigmoid(outputs).numpy(), labels.numpy()
        threshold = best_threshold(probabilities, truth)
        metrics = asdict(frame_metrics(probabilities, truth, 0.5 if threshold is None else threshold))
        return {**metrics, "threshold": threshold}
