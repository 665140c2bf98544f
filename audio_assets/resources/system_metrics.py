"""What the machine does while a training runs: processor, memory, disk, network and GPU, in MLflow's terms.

MLflow's own monitors measure; the values go through the training's `Tracker`, which loses none while the
server is away.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import Any

from audio_assets.resources.tracking import Tracker

INTERVAL_S = 10.0
PREFIX = "system/"


@contextmanager
def system_metrics(tracker: Tracker, interval_s: float = INTERVAL_S) -> Iterator[None]:
    """Sample the machine at the beginning of the block, every `interval_s` in it, and at its end."""
    stopped = Event()
    thread = Thread(target=_watch, args=(tracker, interval_s, stopped), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def _watch(tracker: Tracker, interval_s: float, stopped: Event) -> None:
    monitors = _monitors()
    step = tracker.count("metrics", PREFIX)  # a resumed training goes on counting
    while True:
        last = stopped.is_set()
        tracker.metrics({f"{PREFIX}{name}": value for name, value in _sample(monitors)}, step)
        step += 1
        if last:
            return
        stopped.wait(interval_s)


def _sample(monitors: list[Any]) -> Iterator[tuple[str, float]]:
    for monitor in monitors:
        monitor.collect_metrics()
        yield from monitor.aggregate_metrics().items()
        monitor.clear_metrics()


def _monitors() -> list[Any]:
    from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
    from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
    from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor
    from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor
    from mlflow.system_metrics.metrics.rocm_monitor import ROCMMonitor

    monitors: list[Any] = [CPUMonitor, DiskMonitor, NetworkMonitor, GPUMonitor, ROCMMonitor]
    found = []
    for monitor in monitors:
        with suppress(Exception):  # there is no such GPU, or no library to ask it with
            found.append(monitor())
    return found
