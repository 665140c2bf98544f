"""The exponential moving average of a network's weights, which is often better than the last ones."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class WeightAveraging(Callback):
    """Averages the parameters of a submodule after every step; validation sees the average.

    Lightning has such a callback for whole modules; this one leaves alone what is not kept (discriminators,
    frozen teachers). Buffers are not averaged but copied: statistics and codebooks are averages already.

    Args:
        network: name of the submodule.
        decay: of the average, [0, 1).
    """

    def __init__(self, network: str, decay: float) -> None:
        self._network, self._decay = network, decay
        self._average: AveragedModel | None = None
        self._loaded: dict[str, torch.Tensor] | None = None
        self._last_step = 0

    @contextmanager
    def applied(self, pl_module: LightningModule) -> Iterator[None]:
        """Within it, the submodule has the averaged weights."""
        self._swap(pl_module)
        try:
            yield
        finally:
            self._swap(pl_module)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # Not before: only now the network has its weights and is where it is trained.
        rule = get_ema_multi_avg_fn(self._decay)  # type: ignore[no-untyped-call]
        self._average = AveragedModel(pl_module.get_submodule(self._network), multi_avg_fn=rule)
        if self._loaded is not None:
            self._average.load_state_dict(self._loaded)
        self._loaded = None
        self._last_step = trainer.global_step

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        # Batches whose gradients are only accumulated make no step.
        if trainer.global_step > self._last_step:
            assert self._average is not None
            self._average.update_parameters(pl_module.get_submodule(self._network))
            self._last_step = trainer.global_step

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._swap(pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._swap(pl_module)

    def state_dict(self) -> dict[str, Any]:
        return {} if self._average is None else {"average": self._average.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._loaded = state_dict.get("average")

    @torch.no_grad()
    def _swap(self, pl_module: LightningModule) -> None:
        assert self._average is not None
        averaged: nn.Module = self._average.module
        current = pl_module.get_submodule(self._network)
        for mean, value in zip(averaged.parameters(), current.parameters(), strict=True):
            kept = value.detach().clone()
            value.copy_(mean)
            mean.copy_(kept)
