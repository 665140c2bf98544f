"""A toy asset that would compute on a GPU: its rows say which worker computed them, and what that sees."""

from __future__ import annotations

import os
import signal
import time

from audio_assets.engine import INTEGER, TEXT, Column, Role, Table, item_asset
from tests.engine.toys import NOTE

TUNABLE_WHEN_IMPORTED = os.environ.get("PYTORCH_TUNABLEOP_ENABLED")


class Eye:
    """A backend of either kind."""

    name = "eye"
    revision = "1"
    licence = "CC0-1.0"


SIGHT = Role("sight", dict.fromkeys(("embedded", "published"), f"{__name__}:Eye"))

SIGHTS = Table(
    "sights",
    NOTE,
    [
        Column("process", INTEGER, nullable=False, doc="Identifier of the worker's process"),
        Column("gpus", TEXT, doc="The GPUs it sees"),
        Column("tunable", TEXT, doc="A setting of ROCm, as it was when this module was imported"),
    ],
)


@item_asset(table=SIGHTS, group="toys", code_version="1", roles=(SIGHT,), pool="gpu")
def sights(note: str, *, sight: Eye) -> dict[str, object]:
    if note == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.2)
    gpus = os.environ.get("HIP_VISIBLE_DEVICES", os.environ.get("CUDA_VISIBLE_DEVICES"))
    return {"process": os.getpid(), "gpus": gpus, "tunable": TUNABLE_WHEN_IMPORTED}
