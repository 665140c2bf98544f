"""Lightning's metrics on their way to MLflow, by way of the tracker that never loses them."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from typing import Any

from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from audio_assets.resources.tracking import Tracker

# What Lightning says of hardware and intervals is no news for someone who watches a run.
logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
warnings.filterwarnings("ignore", module=r"lightning\.pytorch\..*")


class TrackerLogger(Logger):
    """Gives the metrics of every epoch to a `Tracker`."""

    def __init__(self, tracker: Tracker) -> None:
        super().__init__()
        self._tracker = tracker

    @property
    def name(self) -> str:
        """Lightning asks for it."""
        return "tracker"

    @property
    def version(self) -> str:
        """Lightning asks for it."""
        return self._tracker.run_id or ""

    def log_hyperparams(self, *_: Any, **__: Any) -> None:
        """Nothing: the parameters of a training are logged when it begins."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Metrics at the end of an epoch; steps within an epoch are not sent."""
        values = dict(metrics)
        epoch = values.pop("epoch", None)
        if epoch is not None and values:
            self._tracker.metrics({name: float(value) for name, value in values.items()}, int(epoch))
