"""A training with nothing to learn, whose configuration says what becomes of it."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
from pydantic import BaseModel
from safetensors.numpy import save_file

from audio_assets.engine import NotApplicable, Trained, Training, training_asset
from audio_assets.resources.files import write_file
from tests.engine import toys
from tests.engine.conftest import ALL, Bench, make_bench


class StepsConfig(BaseModel):
    act: str = ""
    epochs: int = 3
    epoch_s: float = 0.0


@training_asset(items=toys.NOTE, upstream=["lengths"], config=StepsConfig, group="toys", code_version="1")
def steps(training: Training, config: StepsConfig) -> Trained:
    """Counts epochs, and goes on counting when it is resumed."""
    state = training.folder / "state"
    first = int(state.read_text()) if state.exists() else 0
    for epoch in range(first, config.epochs):
        training.log(f"epoch {epoch} in {os.getpid()}")
        training.tracker.metrics({"train_loss": 1 / (1 + epoch)}, epoch)
        write_file(state, str(epoch + 1).encode())
        time.sleep(config.epoch_s)
    match config.act:
        case "kill":
            print("the gradients explode", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        case "hang":
            time.sleep(600)
        case "grow":
            hoard = []
            while True:
                hoard.append(bytearray(2**24))
        case "write":
            training.lake.write(lambda connection: connection.execute("DELETE FROM lengths"))
        case "nothing":
            raise NotApplicable("nobody laughs")
        case "other":
            return {"mean": 1.0}  # type: ignore[return-value]
    folder = training.folder / "model"
    folder.mkdir(exist_ok=True)
    mean = training.rows("lengths")["characters"].mean()
    save_file({"mean": np.array([mean], np.float32)}, folder / "model.safetensors")
    (folder / "config.json").write_text("{}")
    split = dict(zip(training.items, ["train", "validation", "test"], strict=True))
    return Trained(folder, split, {"mean": float(mean), "resumed_after": float(first)})


def steps_bench(folder: Path) -> Bench:
    """For notes whose lengths are known."""
    return make_bench(folder, [*ALL, steps])
