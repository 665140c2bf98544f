"""What a process has gathered in an epoch that is not over, so that it can be taken up again.

Lightning's state has weights, optimizers and counters; this adds what it leaves out: random numbers, the
means logged with `on_epoch`, torchmetrics of the module, and what the module itself wants to remember
(`epoch_state`, `load_epoch_state`). Each process has its own.
"""

from typing import Any, Protocol, runtime_checkable

import torch
from lightning.fabric.utilities.apply_func import move_data_to_device
from lightning.pytorch import LightningModule, Trainer
from torchmetrics import Metric

from models.training.randomness import random_state, set_random_state


@runtime_checkable
class Remembers(Protocol):
    """A module that gathers something during an epoch: JSON values and tensors, of this process."""

    def epoch_state(self) -> Any:
        """What it gathered so far."""

    def load_epoch_state(self, state: Any) -> None:
        """The inverse of `epoch_state`."""


def epoch_state(trainer: Trainer, module: LightningModule) -> dict[str, Any]:
    """Of this process, after a step."""
    state = {"random": random_state(), "means": _means(trainer), "metrics": _metrics(module)}
    if isinstance(module, Remembers):
        state["module"] = module.epoch_state()
    return state


def restore_epoch(module: LightningModule, state: dict[str, Any]) -> None:
    """Take up all but the means, which `restore_means` adds as soon as they are logged again."""
    set_random_state(state["random"])
    for name, metric in _torchmetrics(module).items():
        saved = state["metrics"][name]
        for key, value in saved["state"].items():
            setattr(metric, key, move_data_to_device(value, metric.device))
        metric._update_count = saved["updates"]
    if isinstance(module, Remembers):
        module.load_epoch_state(state["module"])


def restore_means(trainer: Trainer, means: dict[str, Any]) -> None:
    """Add the sums of the steps before the interruption to those logged since; `means` is emptied."""
    results = trainer.fit_loop.epoch_loop._results
    for key in [key for key in means if key in results and not results[key].has_reset]:
        metric, (value, weight) = results[key], means.pop(key)
        value = value.to(metric.value.device)
        if metric.meta.is_max_reduction or metric.meta.is_min_reduction:
            metric.value = metric.meta.reduce_fx(torch.stack([metric.value, value]))
        else:
            metric.value = metric.value + value
        if metric.meta.is_mean_reduction:
            metric.cumulated_batch_size = metric.cumulated_batch_size + weight


def gather_states(trainer: Trainer, state: dict[str, Any]) -> list[dict[str, Any]]:
    """The states of all ranks, in their order."""
    if trainer.world_size == 1:
        return [state]
    states: list[Any] = [None] * trainer.world_size
    torch.distributed.all_gather_object(states, state)
    return states


def _means(trainer: Trainer) -> dict[str, Any]:
    # Lightning 2 kept these in its checkpoints once and no longer does: there is no public way to them.
    return {
        key: (metric.value.detach().cpu(), int(getattr(metric, "cumulated_batch_size", 0)))
        for key, metric in trainer.fit_loop.epoch_loop._results.items()
        if metric.is_tensor and metric.meta.on_epoch and not metric.has_reset
    }


def _metrics(module: LightningModule) -> dict[str, Any]:
    return {
        name: {"state": move_data_to_device(metric.metric_state, "cpu"), "updates": metric.update_count}
        for name, metric in _torchmetrics(module).items()
    }


def _torchmetrics(module: LightningModule) -> dict[str, Metric]:
    return {name: child for name, child in module.named_modules() if isinstance(child, Metric)}
