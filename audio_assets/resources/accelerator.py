"""Which device computes: CPU, CUDA or ROCm, and what has to be set before torch is imported."""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path

ROCM_ENVIRONMENT = {
    "FLASH_ATTENTION_TRITON_AMD_ENABLE": "TRUE",
    "PYTORCH_TUNABLEOP_ENABLED": "1",
    "PYTORCH_TUNABLEOP_TUNING": "0",
    "PYTORCH_ALLOC_CONF": "garbage_collection_threshold:0.8,max_split_size_mb:512",
    "HIP_FORCE_DEV_KERNARG": "1",
    "TORCH_COMPILE": "0",
}
"""Set where an AMD GPU is, unless the user's environment has other values."""


@dataclass(frozen=True)
class Accelerator:
    """A device and the number type to compute in on it, as torch names them."""

    device: str
    dtype: str


def prepare_environment(environment: MutableMapping[str, str] = os.environ) -> None:
    """Set what ROCm wants; call before torch is imported, it reads these once."""
    if "torch" not in sys.modules and Path("/dev/kfd").exists():
        for name, value in ROCM_ENVIRONMENT.items():
            environment.setdefault(name, value)


def choose_accelerator(device: str = "auto", dtype: str = "auto") -> Accelerator:
    """The device asked for; ``auto``: a GPU with bfloat16 if there is one, else the CPU with float32.

    Raises:
        ValueError: the device asked for is not there.
    """
    prepare_environment()
    import torch

    has_gpu = torch.cuda.is_available()
    if device == "auto":
        device = "cuda" if has_gpu else "cpu"
    if device.startswith("cuda") and not has_gpu:
        raise ValueError(
            f"found no GPU for device {device!r} (torch {torch.__version__}); wanted one that this "
            "build of torch can use: choose cpu or auto, or install a CUDA or ROCm build"
        )
    if dtype == "auto":
        dtype = "bfloat16" if device.startswith("cuda") else "float32"
    return Accelerator(device, dtype)
