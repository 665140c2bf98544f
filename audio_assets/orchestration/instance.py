"""The Dagster instance of this home: its storage and configuration stand under AUDIO_ASSETS_HOME."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from audio_assets.resources.files import write_file
from audio_assets.settings import Settings, shipped

if TYPE_CHECKING:
    from dagster import DagsterInstance

MARKER = b"# Written by audio-assets;"
"""How a ``dagster.yaml`` begins that this product wrote, and so may replace."""

ENVIRONMENT = {
    # one planned event per asset and run instead of one per partition
    "DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS": "1",
    # materializations of a chunk of items are stored together
    "DAGSTER_EVENT_BATCH_SIZE": "1000",
    "DAGSTER_DISABLE_TELEMETRY": "yes",
}


def prepare_dagster_home(settings: Settings) -> Path:
    """Make the Dagster home under the settings' home, with the shipped ``dagster.yaml`` or somebody's own."""
    folder = settings.dagster_home
    folder.mkdir(parents=True, exist_ok=True)
    source, target = shipped("dagster.yaml"), folder / "dagster.yaml"
    there = target.read_bytes() if target.exists() else MARKER
    if there.startswith(MARKER) and there != source.read_bytes():
        write_file(target, source.read_bytes())
    return folder


_opened: set[str] = set()


def open_instance(settings: Settings) -> DagsterInstance:
    """The Dagster instance of this home."""
    os.environ.update(ENVIRONMENT)
    folder = prepare_dagster_home(settings)
    os.environ["DAGSTER_HOME"] = str(folder)
    _opened.add(str(folder))

    from dagster import DagsterInstance

    return DagsterInstance.from_config(str(folder))


def surrounding_instance() -> DagsterInstance | None:
    """The instance that the `dagster` command around this process works on.

    None without DAGSTER_HOME, and if this process has opened it itself.
    """
    folder = os.environ.get("DAGSTER_HOME")
    if not folder or folder in _opened:
        return None

    from dagster import DagsterInstance

    return DagsterInstance.get()
