"""Which GPUs there are, and what is set for ROCm: on machines made of a few files."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from importlib.machinery import ModuleSpec

import pytest

from audio_assets.resources import accelerator
from audio_assets.resources.accelerator import gpu_environment, prepare_environment, visible_gpus


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine without devices, and a torch for the CPU."""
    monkeypatch.setattr(accelerator, "MACHINE", tmp_path)
    (tmp_path / "dev").mkdir()
    (tmp_path / "torch").mkdir()
    spec = ModuleSpec("torch", None, origin=str(tmp_path / "torch/__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    build(tmp_path)
    return tmp_path


def build(machine, cuda=None, hip=None):
    """Install a build of torch; its version.py is laid out as torch's own."""
    text = f"from typing import Optional\n\n__version__ = '2.9.0'\ncuda: Optional[str] = {cuda!r}\n"
    (machine / "torch/version.py").write_text(f"{text}hip: Optional[str] = {hip!r}\n")


def add_nvidia(machine, *numbers):
    for name in ("nvidiactl", "nvidia-uvm", *(f"nvidia{number}" for number in numbers)):
        (machine / "dev" / name).touch()


def add_amd(machine, *gpu_ids):
    (machine / "dev/kfd").touch()
    for number, gpu_id in enumerate(gpu_ids):
        node = machine / f"sys/class/kfd/kfd/topology/nodes/{number}"
        node.mkdir(parents=True)
        (node / "gpu_id").write_text(f"{gpu_id}\n")


def test_nvidia_gpus_are_numbered_from_zero_whatever_their_files_are_called(machine):
    build(machine, cuda="12.8")
    assert visible_gpus({}) == []
    add_nvidia(machine, 3, 10)
    assert visible_gpus({}) == ["0", "1"]


def test_amd_gpus_are_the_nodes_that_are_no_processors_and_that_may_be_read(machine):
    build(machine, hip="6.4")
    add_amd(machine, 0, 51234, 4660)
    assert visible_gpus({}) == ["0", "1"]
    (machine / "sys/class/kfd/kfd/topology/nodes/2/gpu_id").unlink()
    (machine / "sys/class/kfd/kfd/topology/nodes/2/gpu_id").mkdir()  # reading it is an OSError
    assert visible_gpus({}) == ["0"]
    (machine / "dev/kfd").unlink()  # the driver is there, but not for this container
    assert visible_gpus({}) == []


@pytest.mark.parametrize("built", [{}, {"hip": "6.4"}])
def test_a_gpu_that_torch_was_not_built_for_does_not_count(machine, built):
    build(machine, **built)
    add_nvidia(machine, 0)
    assert visible_gpus({}) == []


def test_without_torch_no_gpu_counts(machine, monkeypatch):
    add_nvidia(machine, 0)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert visible_gpus({}) == []


@pytest.mark.parametrize(
    ("selection", "gpus"),
    [
        ("0,2", ["0", "2"]),
        (" 1 , GPU-8932f937, MIG-6ab0", ["1", "GPU-8932f937", "MIG-6ab0"]),
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("1,-1,2", ["1"]),  # the CUDA programming guide: only what is before an invalid one is visible
    ],
)
def test_the_users_selection_is_believed(machine, selection, gpus):
    build(machine, cuda="12.8")
    add_nvidia(machine, 0, 1, 2, 3)
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": selection}) == gpus


def test_on_rocm_hips_own_selection_wins_over_that_of_cuda_and_over_the_layer_below(machine):
    build(machine, hip="6.4")
    add_amd(machine, 1, 2, 3, 4)
    selections = {
        "HIP_VISIBLE_DEVICES": "1",
        "CUDA_VISIBLE_DEVICES": "2,3",
        "ROCR_VISIBLE_DEVICES": "1,2,3",
    }
    found = []
    while selections:
        found.append(visible_gpus(selections))
        del selections[next(iter(selections))]
    assert found == [["1"], ["2", "3"], ["0", "1", "2"]]


def test_a_process_is_given_a_gpu_by_the_variable_that_its_torch_obeys_first(machine):
    build(machine, cuda="12.8")
    assert gpu_environment("1") == {"CUDA_VISIBLE_DEVICES": "1"}
    build(machine, hip="6.4")
    assert gpu_environment("1") == {"HIP_VISIBLE_DEVICES": "1"}


def test_the_build_is_what_torch_itself_says():
    import torch

    expected = "hip" if torch.version.hip else "cuda" if torch.version.cuda else None
    assert accelerator._torch_build() == expected


def test_to_look_for_gpus_imports_no_torch():
    code = (
        "import sys; from audio_assets.resources.accelerator import visible_gpus; visible_gpus({}); "
        "print('torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"


def test_for_rocm_all_is_set_but_the_mode_of_miopens_search(machine):
    add_amd(machine)
    environment: dict[str, str] = {}
    prepare_environment(environment)
    assert environment == {
        "FLASH_ATTENTION_TRITON_AMD_ENABLE": "TRUE",
        "PYTORCH_TUNABLEOP_ENABLED": "1",
        "PYTORCH_TUNABLEOP_TUNING": "0",
        "PYTORCH_ALLOC_CONF": "garbage_collection_threshold:0.8,max_split_size_mb:512",
        "HIP_FORCE_DEV_KERNARG": "1",
        "TORCH_COMPILE": "0",
    }
    assert "MIOPEN_FIND_MODE" not in environment


def test_the_users_own_values_win_over_those_for_rocm(machine):
    add_amd(machine)
    own = {"PYTORCH_TUNABLEOP_TUNING": "1", "TORCH_COMPILE": "", "MIOPEN_FIND_MODE": "3"}
    environment = dict(own)
    prepare_environment(environment)
    assert {name: environment[name] for name in own} == own
    assert environment["HIP_FORCE_DEV_KERNARG"] == "1"


def test_without_an_amd_gpu_nothing_is_set(machine):
    add_nvidia(machine, 0)
    environment: dict[str, str] = {}
    prepare_environment(environment)
    assert environment == {}
