"""A trained head applied to the frames of an episode."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from models.laughter.losses import LossConfig
from models.laughter.network import HeadConfig, LaughterHead
from models.training.checkpoint import load_weights, read_config
from models.training.config import config_from_json
from models.training.shards import Frames


@dataclass(frozen=True)
class LaughterPredictor:
    """What a checkpoint answers.

    Attributes:
        head: the network, in evaluation mode.
        loss: what it was trained for: probabilities, or times up to a cap.
        threshold: of the highest F1 on the validation frames; None for times, or where validation
            had no laugh to choose it by.
    """

    head: LaughterHead
    loss: LossConfig
    threshold: float | None

    @classmethod
    def load(cls, folder: Path, device: str | torch.device = "cpu") -> "LaughterPredictor":
        """Read a checkpoint that `fit` wrote.

        Raises:
            CheckpointError: it is missing, damaged or of another architecture.
        """
        config = read_config(folder)
        head = LaughterHead(config_from_json(HeadConfig, config["head"]))
        load_weights(folder, head)
        loss = config_from_json(LossConfig, config["training"]["loss"])
        return cls(head.to(device).eval(), loss, config["metrics"].get("val_threshold"))

    @torch.inference_mode()
    def predict(self, frames: Frames, batch_frames: int = 4096) -> npt.NDArray[np.float32]:
        """One value per frame: the probability of laughter, or seconds to the next laugh.

        Args:
            frames: [T, D], read `batch_frames` at a time.
            batch_frames: how many frames memory holds.

        Returns:
            [T] float32, in [0, 1] or [0, cap_s].

        Raises:
            ValueError: D is not that of the head.
        """
        n_frames, input_dim = frames.shape
        if input_dim != self.head.config.input_dim:
            raise ValueError(
                f"frames have {input_dim} features, the checkpoint wants "
                f"{self.head.config.input_dim}: make them with the backend it was trained on"
            )
        device = next(self.head.parameters()).device
        values = np.empty(n_frames, dtype=np.float32)
        for start in range(0, n_frames, batch_frames):
            part = slice(start, start + batch_frames)
            rows = frames[part]
            if not isinstance(rows, torch.Tensor):  # PyTorch warns of read-only memory
                rows = torch.from_numpy(np.require(rows, requirements="W"))
            outputs = self.head(rows.to(device))
            if self.loss.is_regression:
                outputs = outputs.clamp(0, self.loss.cap_s)
            else:
                outputs = torch.sigmoid(outputs)
            values[part] = outputs.cpu().numpy()
        return values
