"""A miniature of Audiobox Aesthetics in its published format, with weights that anyone can make again.

Each tensor is drawn from a generator seeded by its name, so the original package can be given the same.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np

WIDTH, LAYERS, HEADS, INNER, CHANNELS, BUCKETS = 24, 2, 2, 40, 16, 32
CONFIG = {
    "proj_num_layer": 2,
    "proj_ln": True,
    "nth_layer": LAYERS + 1,
    "target_transform": {
        axis: {"mean": 5.5 + i / 2, "std": 0.3 + i / 10} for i, axis in enumerate(("CE", "CU", "PC", "PQ"))
    },
}
KERNELS = (10, 3, 3, 3, 3, 2, 2)


def shapes() -> dict[str, tuple[int, ...]]:
    """Shapes of all tensors by their published names."""
    found: dict[str, tuple[int, ...]] = {"mask_emb": (WIDTH,)}
    for index, kernel in enumerate(KERNELS):
        found[f"feature_extractor.conv_layers.{index}.0.weight"] = (
            CHANNELS,
            CHANNELS if index else 1,
            kernel,
        )
    found |= {f"feature_extractor.conv_layers.0.2.{part}": (CHANNELS,) for part in ("weight", "bias")}
    found |= {f"layer_norm.{part}": (CHANNELS,) for part in ("weight", "bias")}
    found |= {"post_extract_proj.weight": (WIDTH, CHANNELS), "post_extract_proj.bias": (WIDTH,)}
    found |= {
        "encoder.pos_conv.0.bias": (WIDTH,),
        "encoder.pos_conv.0.weight_g": (1, 1, 16),
        "encoder.pos_conv.0.weight_v": (WIDTH, WIDTH // 4, 16),
    }
    found |= {f"encoder.layer_norm.{part}": (WIDTH,) for part in ("weight", "bias")}
    for index in range(LAYERS):
        layer = f"encoder.layers.{index}"
        for name in ("k_proj", "v_proj", "q_proj", "out_proj"):
            found |= {f"{layer}.self_attn.{name}.weight": (WIDTH, WIDTH)}
            found |= {f"{layer}.self_attn.{name}.bias": (WIDTH,)}
        found |= {
            f"{layer}.self_attn.grep_linear.weight": (8, WIDTH // HEADS),
            f"{layer}.self_attn.grep_linear.bias": (8,),
            f"{layer}.self_attn.grep_a": (1, HEADS, 1, 1),
            f"{layer}.fc1.weight": (INNER, WIDTH),
            f"{layer}.fc1.bias": (INNER,),
            f"{layer}.fc2.weight": (WIDTH, INNER),
            f"{layer}.fc2.bias": (WIDTH,),
        }
        for name in ("self_attn_layer_norm", "final_layer_norm"):
            found |= {f"{layer}.{name}.{part}": (WIDTH,) for part in ("weight", "bias")}
    found["encoder.layers.0.self_attn.relative_attention_bias.weight"] = (BUCKETS, HEADS)
    found = {f"wavlm_model.{name}": shape for name, shape in found.items()}
    for axis in ("CE", "CU", "PC", "PQ"):
        found[f"layer_weights.{axis}"] = (LAYERS + 1,)
        for place, rows, inner in ((0, WIDTH, WIDTH), (1, WIDTH, 0), (3, 1, WIDTH)):
            found[f"proj_layer.{axis}.{place}.weight"] = (rows, inner) if inner else (rows,)
            found[f"proj_layer.{axis}.{place}.bias"] = (rows,)
    return found


def tensors() -> dict[str, np.ndarray]:
    """The tensors, float32."""
    made = {}
    for name, shape in shapes().items():
        rng = np.random.RandomState(zlib.crc32(name.encode()))
        made[name] = rng.normal(0, 0.3, shape).astype(np.float32)
    return made


def write_model(folder: Path) -> Path:
    """``model.safetensors`` and ``config.json`` in `folder`."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors(), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(CONFIG))
    return folder


def samples(seconds: float) -> np.ndarray:
    """A sound that is the same everywhere: `[n]` at 16 kHz."""
    time_s = np.arange(int(seconds * 16_000)) / 16_000
    rng = np.random.RandomState(0)
    return (0.1 * np.sin(2 * np.pi * 220 * time_s**1.5) + rng.normal(0, 0.03, len(time_s))).astype(np.float32)
