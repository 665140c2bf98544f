"""Published weights: from the Hugging Face cache, the network, or a folder of one's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


class MissingWeightsError(RuntimeError):
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
            MissingWeightsError: neither installed nor to be had from the network.
        """
        try:
            if Path(self.repo).is_dir():
                loaded = model.from_pretrained(self.repo, dtype=dtype, local_files_only=True)
            else:
                loaded = model.from_pretrained(self.repo, dtype=dtype, revision=self.revision)
        except OSError as error:
            raise MissingWeightsError(self._missing(str(error).splitlines()[0])) from error
        return loaded.eval().requires_grad_(False)

    def _missing(self, reason: str) -> str:
        if self.revision is None:
            return (
                f"{self.repo}: found no weights of transformers in this folder ({reason}); wanted what "
                "`save_pretrained` or `hf download --local-dir` makes"
            )
        return (
            f"{self.repo} at revision {self.revision}: found no installed weights, nor could they be "
            f"downloaded ({reason}). On a machine with network, `hf download {self.repo} --revision "
            f"{self.revision}`; then copy its cache ($HF_HOME, else ~/.cache/huggingface) to this machine"
        )
