"""One epoch of training and validating a laughter head, as a LightningModule.

Conventions: a batch is `models.laughter.data.Batch`. Losses and metrics of an epoch are computed
from all its outputs at once, gathered from all ranks, so they do not depend on how the frames were
spread over batches and ranks. `train_*` values come from the outputs made while training, which
change within the epoch and have dropout.
"""

from dataclasses import asdict
from typing import Any, Literal, cast

import numpy as np
import torch
from lightning.pytorch import LightningModule

from models.laughter.config import OptimizerConfig
from models.laughter.data import Batch
from models.laughter.losses import Loss, LossConfig
from models.laughter.metrics import best_threshold, frame_metrics, time_metrics
from models.laughter.network import LaughterHead

Stage = Literal["train", "val"]
Metrics = dict[str, float | None]


class NonFiniteLossError(ArithmeticError):
    """The training loss became NaN or infinite; says in which step, and what may be the cause."""


class LaughterModule(LightningModule):
    """Trains `head`.

    Args:
        head: the network, changed in place.
        loss: of outputs and labels, see `make_loss`.
        loss_config: what `loss` was made from; says whether the head classifies or predicts times.
        optimizer_config: of AdamW.
        seed: of dropout.
    """

    def __init__(
        self,
        head: LaughterHead,
        loss: Loss,
        loss_config: LossConfig,
        optimizer_config: OptimizerConfig,
        seed: int,
    ) -> None:
        super().__init__()
        self.head = head
        self.epoch_metrics: Metrics = {}
        self._loss, self._loss_config, self._optimizer = loss, loss_config, optimizer_config
        self._seed = seed
        self._outputs: dict[Stage, list[torch.Tensor]] = {"train": [], "val": []}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(
            self.parameters(),
            lr=self._optimizer.learning_rate,
            weight_decay=self._optimizer.weight_decay,
        )

    def on_train_epoch_start(self) -> None:
        # Dropout depends on nothing but the epoch, so an epoch can be done again after a crash.
        seeds = np.random.SeedSequence([self._seed, self.current_epoch, self.global_rank])
        torch.manual_seed(int(seeds.generate_state(1)[0]))
        self.epoch_metrics = {}

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        outputs = self.head(batch.frames)
        loss = self._loss(outputs, batch.labels)
        if not torch.isfinite(loss):
            raise NonFiniteLossError(self._describe(float(loss), batch, batch_idx))
        self._keep("train", outputs, batch)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self._keep("val", self.head(batch.frames), batch)

    def on_train_epoch_end(self) -> None:
        self._finish("train")

    def on_validation_epoch_end(self) -> None:
        self._finish("val")

    def _keep(self, stage: Stage, outputs: torch.Tensor, batch: Batch) -> None:
        self._outputs[stage].append(torch.stack([outputs.detach(), batch.labels]))

    def _finish(self, stage: Stage) -> None:
        kept = self._outputs[stage]
        local = torch.cat(kept, dim=1) if kept else torch.empty(2, 0, device=self.device)
        kept.clear()
        outputs, labels = self._gather(local).cpu().double()
        if not torch.isfinite(outputs).all():
            raise NonFiniteLossError(
                f"{int((~torch.isfinite(outputs)).sum())} of {len(outputs)} {stage} outputs are not "
                f"finite in epoch {self.current_epoch}: look for frames that are not finite"
            )
        values = {"loss": float(self._loss(outputs, labels)), **self._measure(outputs, labels)}
        if stage == "train":
            names = ("loss", "auprc", "base_rate", "mae_s")
            values = {name: values[name] for name in names if name in values}
        metrics = {f"{stage}_{name}": value for name, value in values.items()}
        self.epoch_metrics |= metrics
        defined = {name: float(value) for name, value in metrics.items() if value is not None}
        self.log_dict(defined, sync_dist=True)

    def _measure(self, outputs: torch.Tensor, labels: torch.Tensor) -> dict[str, Any]:
        if self._loss_config.is_regression:
            cap_s = self._loss_config.cap_s
            return asdict(time_metrics(outputs.clamp(0, cap_s).numpy(), labels.clamp(max=cap_s).numpy()))
        probabilities, truth = torch.sigmoid(outputs).numpy(), labels.numpy()
        threshold = best_threshold(probabilities, truth)
        metrics = asdict(frame_metrics(probabilities, truth, 0.5 if threshold is None else threshold))
        return {**metrics, "threshold": threshold}

    def _gather(self, local: torch.Tensor) -> torch.Tensor:
        """The columns of all ranks, [2, n]; ranks may have different numbers of them."""
        if self.trainer.world_size == 1:
            return local
        counts = cast(torch.Tensor, self.all_gather(torch.tensor(local.shape[1], device=local.device)))
        padding = int(counts.max()) - local.shape[1]
        padded = self.all_gather(torch.nn.functional.pad(local, (0, padding)))
        return torch.cat([rank[:, :n] for rank, n in zip(padded, counts.tolist(), strict=True)], dim=1)

    def _describe(self, loss: float, batch: Batch, batch_idx: int) -> str:
        wrong = int((~torch.isfinite(batch.frames)).any(dim=1).sum())
        cause = (
            f"{wrong} of its {len(batch.labels)} frames hold values that are not finite: "
            "compute the frames of those episodes again"
            if wrong
            else f"its frames are finite, the largest is {float(batch.frames.abs().max()):.3g}: "
            "try a lower learning rate, or standardise"
        )
        return f"loss is {loss} in epoch {self.current_epoch}, step {batch_idx} of the epoch; {cause}"
