"""Published weights: from the Hugging Face cache, the network, or a folder of one's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


class WeightsMissing(RuntimeError):
    """Weights are neither installed nor to be had; the message says which and how to install them."""


@dataclass(frozen=True)
class Weights:
    """A model in the format of transformers: a repository on Hugging Face and its revision.

    `repo` may also be a local folder that `save_pretrained` made; then there is no revision.
    """

    repo: str
    revision: str | None = None

    def load(self, model: Any, dtype: Any) -> Any:
        """An instance of the transformers class `model`, ready for inference on the CPU.

        Raises:
            WeightsMissing: neither installed nor to be had from the network.
        """
        revision = {} if Path(self.repo).is_dir() else {"revision": self.revision}
        try:
            loaded = model.from_pretrained(self.repo, dtype=dtype, **revision)
        except OSError as error:
            reason = str(error).splitlines()[0]
            raise WeightsMissing(
                f"{self.repo}, revision {self.revision}: the weights are not installed and could not "
                f"be downloaded ({reason}). On a machine with network run `hf download {self.repo} "
                f"--revision {self.revision}` and copy its cache (HF_HOME, by default "
                "~/.cache/huggingface) to this one"
            ) from error
        return loaded.eval().requires_grad_(False)
