"""A loader as MLflow calls it, of a checkpoint with one number."""

from pathlib import Path

import pandas as pd
from safetensors.numpy import load_file


class Echo:
    def __init__(self, mean: float, times: int) -> None:
        self._mean, self._times = mean, times

    def predict(self, data: pd.DataFrame, params: object = None) -> pd.DataFrame:
        parts = [self._mean] * self._times
        return pd.DataFrame([{"path": path, "mean": self._mean, "parts": parts} for path in data["path"]])


def _load_pyfunc(path: str, model_config: dict) -> Echo:
    return Echo(float(load_file(Path(path) / "model.safetensors")["mean"][0]), model_config["times"])
