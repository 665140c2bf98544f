"""The state of an unfinished training, in one safetensors file instead of a pickle.

Lightning keeps that state (weights, optimizer moments, progress, callbacks) as nested dicts and
lists. Tensors become tensors of the file; everything else becomes a JSON tree in its header, in
which `{"$tensor": name}` stands for a tensor, `{"$tuple": [...]}` for a tuple and
`{"$items": [[key, value], ...]}` for a dict whose keys are not all strings.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.checkpoint_io import CheckpointIO
from safetensors import safe_open
from safetensors.torch import save_file

from models.training.checkpoint import replace_file

_TREE = "state"
_MARKS = {"$tensor", "$tuple", "$items"}


def save_state(path: Path, state: object) -> None:
    """Write nested dicts, lists, tuples, JSON scalars and tensors to `path`, in one step.

    Raises:
        TypeError: anything else is in there; the message says where.
    """
    tensors: dict[str, torch.Tensor] = {}
    tree = json.dumps(_flatten(state, "state", tensors))
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, lambda file: save_file(tensors, file, {_TREE: tree}))


def load_state(path: Path, *keys: str) -> Any:
    """What `save_state` wrote, tensors on the CPU; with `keys` only the part under them is read."""
    with safe_open(path, framework="pt") as file:
        tree = json.loads(file.metadata()[_TREE])
        for key in keys:
            tree = tree[key]
        return _restore(tree, file.get_tensor)


class SafetensorsCheckpointIO(CheckpointIO):
    """Lets `Trainer.save_checkpoint` and `Trainer.fit(ckpt_path=...)` use `save_state`."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        save_state(Path(path), checkpoint)

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        state: dict[str, Any] = load_state(Path(path))
        return state

    def remove_checkpoint(self, path: str | Path) -> None:
        Path(path).unlink(missing_ok=True)


def _flatten(value: object, where: str, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, torch.Tensor):
        tensors[where] = value.detach().cpu().contiguous().clone()
        return {"$tensor": where}
    if isinstance(value, dict):
        items = [(key, _flatten(item, f"{where}.{key}", tensors)) for key, item in value.items()]
        if all(isinstance(key, str) for key in value) and not _MARKS & value.keys():
            return dict(items)
        return {"$items": [[_flatten(key, where, tensors), item] for key, item in items]}
    if isinstance(value, (list, tuple)):
        flat = [_flatten(item, f"{where}.{i}", tensors) for i, item in enumerate(value)]
        return {"$tuple": flat} if isinstance(value, tuple) else flat
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(
        f"{where} is a {type(value).__name__}; a training state holds tensors, dicts, lists, "
        "tuples, numbers, strings and None: keep it out of state_dict()"
    )


def _restore(tree: Any, tensor: Callable[[str], torch.Tensor]) -> Any:
    if isinstance(tree, list):
        return [_restore(item, tensor) for item in tree]
    if not isinstance(tree, dict):
        return tree
    if tree.keys() == {"$tensor"}:
        return tensor(tree["$tensor"])
    if tree.keys() == {"$tuple"}:
        return tuple(_restore(item, tensor) for item in tree["$tuple"])
    if tree.keys() == {"$items"}:
        return {_restore(k, tensor): _restore(v, tensor) for k, v in tree["$items"]}
    return {key: _restore(item, tensor) for key, item in tree.items()}
