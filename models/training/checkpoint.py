"""A trained network on disk: a folder with its weights and the configuration that rebuilds it.

    model.safetensors   the state dict
    config.json         {"architecture", "weights_sha256", **what the caller adds}

Nothing is pickled, so a checkpoint from anywhere can be opened safely. Each file is replaced in one
step and the configuration names the weights it belongs to, so a save that is killed half way leaves
either the old pair, or a pair that is refused.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

WEIGHTS_FILE = "model.safetensors"
CONFIG_FILE = "config.json"


class CheckpointError(Exception):
    """A checkpoint that is missing, damaged or of another architecture; says which and where."""


def save_checkpoint(folder: Path, network: nn.Module, config: Mapping[str, Any]) -> None:
    """Write the network and `config` to `folder`, replacing what was there.

    Args:
        folder: made if it does not exist.
        network: its state dict is stored; its class name becomes `architecture`.
        config: JSON values, at least what is needed to build `network` again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # safetensors refuses tensors that share memory, as tied weights do; a copy of each is theirs.
    weights = {
        name: value.detach().cpu().contiguous().clone() for name, value in network.state_dict().items()
    }
    weights_path = folder / WEIGHTS_FILE
    replace_file(weights_path, lambda path: save_file(weights, path))
    document = {
        **config,
        "architecture": type(network).__name__,
        "weights_sha256": _sha256(weights_path),
    }
    text = json.dumps(document, indent=2, sort_keys=True, allow_nan=False) + "\n"
    replace_file(folder / CONFIG_FILE, lambda path: path.write_text(text, encoding="utf-8"))


def read_config(folder: Path) -> dict[str, Any]:
    """The configuration of a checkpoint.

    Raises:
        CheckpointError: there is none, or it is not JSON.
    """
    path = folder / CONFIG_FILE
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"{folder} is no checkpoint: it has no {CONFIG_FILE}") from None
    except ValueError as error:
        raise CheckpointError(f"{path} is not JSON: {error}") from error
    return document


def load_weights(folder: Path, network: nn.Module) -> None:
    """Read the weights of a checkpoint into `network`, which must be of the same architecture.

    Raises:
        CheckpointError: the files are missing or do not belong together, or the network has other
            tensors than the checkpoint; the message names those expected and those found.
    """
    config = read_config(folder)
    path = folder / WEIGHTS_FILE
    try:
        found_sha256 = _sha256(path)
        if found_sha256 != config.get("weights_sha256"):
            raise CheckpointError(
                f"{path} has SHA-256 {found_sha256}, {CONFIG_FILE} beside it belongs to "
                f"{config.get('weights_sha256')}: an interrupted save or an edited file; "
                "write the checkpoint again"
            )
        weights = load_file(path)
    except FileNotFoundError:
        raise CheckpointError(f"{folder} is no checkpoint: it has no {WEIGHTS_FILE}") from None
    _check_same_architecture(folder, network, config.get("architecture"), weights)
    network.load_state_dict(weights)


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a new file, then put it in the place of `path` in one step.

    Whoever reads `path` sees the old file or the new one, whenever the process is killed.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)  # or the old name might come back with the power
        finally:
            os.close(directory)
    finally:
        temporary.unlink(missing_ok=True)


def _check_same_architecture(
    folder: Path, network: nn.Module, architecture: object, weights: Mapping[str, torch.Tensor]
) -> None:
    expected = {name: _layout(value) for name, value in network.state_dict().items()}
    found = {name: _layout(value) for name, value in weights.items()}
    if architecture == type(network).__name__ and expected == found:
        return
    names = sorted(expected.keys() | found.keys())
    differences = [
        f"{name}: expected {expected.get(name, 'nothing')}, found {found.get(name, 'nothing')}"
        for name in names
        if expected.get(name) != found.get(name)
    ]
    raise CheckpointError(
        f"{folder} holds a {architecture}, wanted {type(network).__name__} with the tensors of the "
        "given network: " + ("; ".join(differences) or "the tensors agree, the name does not")
    )


def _layout(value: torch.Tensor) -> str:
    return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
