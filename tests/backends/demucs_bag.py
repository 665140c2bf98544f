"""Miniature Demucs networks with random weights, in the format that the demucs package publishes."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import torch
import yaml
from demucs.htdemucs import HTDemucs
from safetensors.torch import save_file

SOURCES = ["drums", "bass", "other", "vocals"]
SEGMENT = Fraction(2, 5)


def tiny_network(seed: int, **changes) -> HTDemucs:
    """A hybrid transformer of a few thousand weights."""
    torch.manual_seed(seed)
    options = {
        "sources": SOURCES,
        "channels": 4,
        "depth": 4,
        "dconv_comp": 2,
        "t_layers": 1,
        "t_heads": 2,
        "bottom_channels": 0,
        "segment": SEGMENT,
        **changes,
    }
    network = HTDemucs(**options)
    network.options = options
    return network.eval()


def encoded(value):
    if isinstance(value, Fraction):
        return {"_type": "fraction", "numerator": value.numerator, "denominator": value.denominator}
    return value


def save_network(path: Path, network: HTDemucs, klass: str = "demucs.htdemucs.HTDemucs") -> None:
    metadata = {
        "klass": klass,
        "args": "[]",
        "kwargs": json.dumps({name: encoded(value) for name, value in network.options.items()}),
    }
    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, path, metadata)


def save_bag(folder: Path, networks: list[HTDemucs], weights=None, bag: str = "htdemucs_ft") -> Path:
    """A repository of a bag: its list and a file for each network."""
    folder.mkdir(parents=True, exist_ok=True)
    signatures = [f"0000000{index}" for index in range(len(networks))]
    for signature, network in zip(signatures, networks, strict=True):
        save_network(folder / f"{signature}.safetensors", network)
    listing = {"models": signatures} | ({"weights": weights} if weights else {})
    (folder / f"{bag}.yaml").write_text(yaml.safe_dump(listing))
    return folder
