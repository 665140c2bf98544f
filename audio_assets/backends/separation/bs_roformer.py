"""Separation by BS-RoFormer, with a checkpoint and a configuration as the community publishes them.

`FOLDER` in the weights folder holds ``config.yaml``, with the sections ``model``, ``training`` (its
``instruments``) and ``audio`` or ``inference`` (``chunk_size``), and one checkpoint, ``model.safetensors`` or
``model.ckpt``. A ``.ckpt`` is a pickle and is read for its tensors only. There is no default checkpoint:
those with four stems come from many hands and under many licences, so it is yours to choose one.

The network is that of the `bs-roformer` package. Checkpoints from before its hyper-connections and value
residuals are of the same network with these switched off.

Lu et al., "Music source separation with band-split RoPE transformer", ICASSP 2024.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from audio_assets.audio.downmix import Samples
from audio_assets.backends.separation import SAMPLE_RATE, STEMS, Mix
from audio_assets.backends.separation.chunked_model import apply_to_chunks, batch_size
from audio_assets.backends.separation.overlap import separate_in_chunks
from audio_assets.backends.weights import MissingWeightsError, WeightsFolder
from audio_assets.resources.accelerator import choose_accelerator

CONFIGURATION = "config.yaml"
CHECKPOINTS = ("model.safetensors", "model.ckpt")
FOLDER = WeightsFolder("bs_roformer", ((CONFIGURATION,), CHECKPOINTS))

CHUNK_S = 8.0
"""Where the configuration has no ``chunk_size``."""

OVERLAP = 0.5
"""Share of a chunk that it has in common with the next: every sample is separated twice."""

UNUSED = {
    "linear_transformer_depth": 0,
    "mlp_expansion_factor": 4,
    "use_torch_checkpoint": False,
    "skip_connection": False,
    "sage_attention": False,
}
"""Options of other versions of the network, and the values that mean what this one does."""

INSTALL = "pip install bs-roformer"

NO_RESIDUAL = -1e4
"""Bias of a value residual that is switched off: the sigmoid of it is 0."""


class RoformerSeparation:
    """A BS-RoFormer in float32, on a GPU if there is one.

    Args:
        weights: the folder of installed weights, with the checkpoint in its `FOLDER`.
        device: where to compute.

    Raises:
        MissingWeightsError: there is none, or it is not of a network for the four stems.
    """

    name = "bs_roformer"
    revision = FOLDER.identity
    licence = "as of the checkpoint"
    weights = (FOLDER,)
    packages = (("bs_roformer", INSTALL),)

    def __init__(self, weights: Path, device: str = "auto") -> None:
        folder = FOLDER.place(weights)
        configuration = read_configuration(folder)
        self._device = choose_accelerator(device).device
        self._network = load_network(folder, configuration).to(self._device).eval().requires_grad_(False)
        instruments = [name.lower() for name in configuration["training"]["instruments"]]
        self._order = [instruments.index(stem) for stem in STEMS]
        hop = int(configuration["model"].get("stft_hop_length", 512))
        sizes = [configuration.get(section, {}).get("chunk_size") for section in ("inference", "audio")]
        wanted = int(next((size for size in sizes if size), CHUNK_S * SAMPLE_RATE))
        self._length = hop * max(2, math.ceil(wanted / hop))

    def separate(self, mix: Mix) -> Iterator[Samples]:
        """As `Separation.separate`."""

        def separate(chunks: list[Samples]) -> list[Samples]:
            return apply_to_chunks(self._stems, chunks, self._length, self._device)

        overlap = int(OVERLAP * self._length)
        return separate_in_chunks(mix(), separate, self._length, overlap, batch_size(self._device))

    def _stems(self, mix: Any) -> Any:
        return self._network(mix)[:, self._order]


def read_configuration(folder: Path) -> dict[str, Any]:
    """The configuration of a checkpoint; tuples of YAML's Python dialect become lists.

    Raises:
        MissingWeightsError: there is none, or it is for other stems, another rate or mono.
    """
    import yaml

    loader: Any = type("Loader", (yaml.SafeLoader,), {})  # plain values, and the tuples such files hold
    loader.add_constructor("tag:yaml.org,2002:python/tuple", yaml.SafeLoader.construct_sequence)
    path = folder / CONFIGURATION
    if not path.is_file():
        raise MissingWeightsError(
            f"{path}: found no such file; wanted the configuration of a BS-RoFormer for "
            f"{', '.join(STEMS)}, beside its checkpoint {' or '.join(CHECKPOINTS)}. Get one of your "
            "choice, and mind its licence"
        )
    configuration: dict[str, Any] = yaml.load(path.read_text(), loader)
    instruments = configuration.get("training", {}).get("instruments") or []
    rate = configuration.get("audio", {}).get("sample_rate", SAMPLE_RATE)
    model = configuration.get("model", {})
    stereo = model.get("stereo", False)
    if sorted(map(str.lower, instruments)) != sorted(STEMS) or rate != SAMPLE_RATE or not stereo:
        raise MissingWeightsError(
            f"{path}: found instruments {', '.join(instruments) or 'none'} at {rate} Hz in "
            f"{'stereo' if stereo else 'mono'}; wanted {', '.join(STEMS)} at {SAMPLE_RATE} Hz in stereo"
        )
    return configuration


def load_network(folder: Path, configuration: Mapping[str, Any]) -> Any:
    """The network of a configuration with its checkpoint's weights.

    Raises:
        MissingWeightsError: there is no checkpoint, or it is of another network.
    """
    try:
        from bs_roformer import BSRoformer
    except ImportError as error:
        raise MissingWeightsError(
            f"BS-RoFormer's package cannot be imported ({error}); `{INSTALL}`, or set "
            "AUDIO_ASSETS_SEPARATION_BACKEND=published for Demucs"
        ) from error
    path = next((folder / name for name in CHECKPOINTS if (folder / name).is_file()), None)
    if path is None:
        raise MissingWeightsError(f"{folder}: found no {' or '.join(CHECKPOINTS)}; wanted a checkpoint")
    known = inspect.signature(BSRoformer.__init__).parameters
    given = dict(configuration["model"])
    for name in set(given) - set(known):
        if given.pop(name) != UNUSED.get(name):
            raise MissingWeightsError(
                f"{folder / CONFIGURATION}: found the option {name}, which this version of the network lacks"
            )
    options = {name: tuple(v) if isinstance(v, list) else v for name, v in given.items()}
    network = BSRoformer(**{"num_residual_streams": 1, "num_stems": len(STEMS), **options})
    tensors = adapt(read_tensors(path), network.state_dict())
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        reason = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise MissingWeightsError(f"{path}: found weights that do not fit the network: {reason}") from error
    return network


def read_tensors(path: Path) -> dict[str, Any]:
    """The tensors of a checkpoint; of a pickle nothing else is read.

    Raises:
        MissingWeightsError: the file holds other things or is damaged.
    """
    import pickle

    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise MissingWeightsError(f"{path}: found no checkpoint of tensors ({reason})") from error
    for wrapper in ("state", "state_dict", "model_state_dict"):
        found = found.get(wrapper, found)
    return {name.removeprefix("module."): tensor for name, tensor in found.items()}


def adapt(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """A checkpoint's tensors under the names of the network as it is now.

    Older ones lack the ``branch`` that hyper-connections put into names, and value residuals, which are then
    switched off.
    """
    renamed = {name.replace(".branch.", "."): name for name in wanted}
    tensors = {renamed.get(name, name): tensor for name, tensor in found.items()}
    has_residuals = any("to_value_residual_mix" in name for name in found)
    for name, tensor in wanted.items():
        if "to_value_residual_mix" in name and not has_residuals:
            off = NO_RESIDUAL if name.endswith("bias") else 0.0
            tensors[name] = tensor.new_full(tensor.shape, off)
    return tensors
