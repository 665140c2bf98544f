"""Which device computes: CPU, CUDA or ROCm, and what has to be set before torch is imported.

A GPU is named as ``CUDA_VISIBLE_DEVICES`` and ``HIP_VISIBLE_DEVICES`` name it: by its number or its UUID.
"""

from __future__ import annotations

import importlib.util
import os
import runpy
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

MACHINE = Path("/")
"""Below it are the ``dev`` and ``sys`` that show which devices there are."""

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
    """Set what ROCm wants; call before torch is imported, which reads some of these only then."""
    if (MACHINE / "dev/kfd").exists():
        for name, value in ROCM_ENVIRONMENT.items():
            environment.setdefault(name, value)


def visible_gpus(environment: Mapping[str, str] = os.environ) -> list[str]:
    """The GPUs that a process with this environment may use; torch is not imported to find out.

    A selection in the environment is believed. Without one they are those there, if the installed torch
    was built for their kind.
    """
    build = _torch_build()
    if build == "hip" and "HIP_VISIBLE_DEVICES" in environment:
        return _selected(environment["HIP_VISIBLE_DEVICES"])
    if "CUDA_VISIBLE_DEVICES" in environment:  # HIP heeds it too
        return _selected(environment["CUDA_VISIBLE_DEVICES"])
    if build == "hip" and "ROCR_VISIBLE_DEVICES" in environment:
        # HIP numbers anew what this one, a layer below, leaves.
        return _numbered(len(_selected(environment["ROCR_VISIBLE_DEVICES"])))
    if build == "hip":
        return _numbered(_amd_count())
    if build == "cuda":
        return _numbered(len(list(MACHINE.glob("dev/nvidia[0-9]*"))))
    return []


def gpu_environment(gpu: str) -> dict[str, str]:
    """The variables with which a process sees this one of `visible_gpus`, and no other."""
    return {"HIP_VISIBLE_DEVICES" if _torch_build() == "hip" else "CUDA_VISIBLE_DEVICES": gpu}


def _selected(listed: str) -> list[str]:
    """The GPUs of a selection, which ends at the first that cannot be one, e.g. -1 (CUDA's own rule)."""
    entries = (entry.strip() for entry in listed.split(","))
    return list(takewhile(lambda entry: entry not in ("", "NoDevFiles") and entry[0] != "-", entries))


def _numbered(count: int) -> list[str]:
    # A container may have been given /dev/nvidia3 alone; to CUDA that is number 0.
    return [str(number) for number in range(count)]


def _amd_count() -> int:
    if not (MACHINE / "dev/kfd").exists():
        return 0
    count = 0
    for path in MACHINE.glob("sys/class/kfd/kfd/topology/nodes/*/gpu_id"):
        with suppress(OSError):  # a GPU of the machine that this container was not given
            count += int(path.read_text()) != 0  # 0 is a processor
    return count


def _torch_build() -> str | None:
    """What the installed torch computes on besides the CPU: ``cuda``, ``hip`` or None."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return None
    version = Path(spec.origin).with_name("version.py")
    built = runpy.run_path(str(version)) if version.exists() else {}
    return next((kind for kind in ("hip", "cuda") if built.get(kind)), None)


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
