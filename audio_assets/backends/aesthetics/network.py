"""The network of Meta Audiobox Aesthetics in PyTorch: WavLM, and a rating from a mean of its layers per axis.

Reads the published ``model.safetensors``, whose tensors have the names of the original WavLM, into the
WavLM of transformers. Sizes are read from the tensors. Tjandra et al., "Meta Audiobox Aesthetics", 2025.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from transformers import WavLMConfig, WavLMModel

AXES = {
    "CE": "content_enjoyment",
    "CU": "content_usefulness",
    "PC": "production_complexity",
    "PQ": "production_quality",
}

STRIDES = (5, 2, 2, 2, 2, 2, 2)
"""Of WavLM's convolutions: a frame is of 320 samples."""

_RENAMED = (
    (r"^post_extract_proj\.", "feature_projection.projection."),
    (r"^layer_norm\.", "feature_projection.layer_norm."),
    (r"^mask_emb$", "masked_spec_embed"),
    (r"^feature_extractor\.conv_layers\.(\d+)\.0\.", r"feature_extractor.conv_layers.\1.conv."),
    (r"^feature_extractor\.conv_layers\.(\d+)\.2\.", r"feature_extractor.conv_layers.\1.layer_norm."),
    (r"^encoder\.pos_conv\.0\.weight_g$", "encoder.pos_conv_embed.conv.parametrizations.weight.original0"),
    (r"^encoder\.pos_conv\.0\.weight_v$", "encoder.pos_conv_embed.conv.parametrizations.weight.original1"),
    (r"^encoder\.pos_conv\.0\.", "encoder.pos_conv_embed.conv."),
    (r"\.self_attn_layer_norm\.", ".layer_norm."),
    (r"\.self_attn\.grep_linear\.", ".attention.gru_rel_pos_linear."),
    (r"\.self_attn\.grep_a$", ".attention.gru_rel_pos_const"),
    (r"\.self_attn\.relative_attention_bias\.", ".attention.rel_attn_embed."),
    (r"\.self_attn\.", ".attention."),
    (r"\.fc1\.", ".feed_forward.intermediate_dense."),
    (r"\.fc2\.", ".feed_forward.output_dense."),
)


class AestheticsNetwork(nn.Module):
    """WavLM and four heads, with the weights of a published file.

    Args:
        tensors: of ``model.safetensors``.
        config: of ``config.json``; `target_transform` has mean and standard deviation of each axis.

    Raises:
        KeyError, RuntimeError, ValueError: tensors or settings are missing, too many, or do not fit.
    """

    def __init__(self, tensors: Mapping[str, Tensor], config: Mapping[str, Any]) -> None:
        super().__init__()
        prefix = "wavlm_model."
        encoder = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
        heads = {name: t for name, t in tensors.items() if not name.startswith(prefix)}
        self.wavlm: Any = WavLMModel(_config_of(encoder))
        self.wavlm.load_state_dict({_renamed(name): t for name, t in encoder.items()})
        width = self.wavlm.config.hidden_size
        depth = 1 + self.wavlm.config.num_hidden_layers
        self.proj_layer = nn.ModuleDict({axis: _head(width, config) for axis in AXES})
        self.layer_weights = nn.ParameterDict({axis: nn.Parameter(torch.zeros(depth)) for axis in AXES})
        missing, unexpected = self.load_state_dict(heads, strict=False)
        missing = [name for name in missing if not name.startswith("wavlm.")]
        if missing or unexpected:
            raise KeyError(f"missing tensors {missing}, unknown tensors {unexpected}")
        self.normalize_embed = bool(config.get("normalize_embed", True))
        self.scale = {axis: (float(t["mean"]), float(t["std"])) for axis, t in _transform(config).items()}

    def forward(self, windows: Tensor, lengths: Tensor) -> dict[str, Tensor]:
        """Ratings ``[B]`` of each axis by its name in `AXES`.

        Shape:
            - windows: ``[B, n]`` at 16 kHz, filled up with zeros behind `lengths` ``[B]`` samples
        """
        features = self.wavlm.feature_extractor(windows).transpose(1, 2)
        frames = features.shape[1]
        hop = windows.shape[1] // frames
        heard = torch.arange(frames, device=windows.device) * hop < lengths[:, None]
        hidden, _ = self.wavlm.feature_projection(features)
        hidden = hidden * heard[..., None]
        encoder = self.wavlm.encoder
        hidden = encoder.layer_norm(hidden + encoder.pos_conv_embed(hidden))
        # Means over time as we go: the states of all layers at once would take 13 times the memory.
        means = [_mean(hidden, heard)]
        bias = None
        for index, layer in enumerate(encoder.layers):
            hidden, bias = layer(hidden, attention_mask=heard, position_bias=bias, index=index)
            means.append(_mean(hidden, heard))
        by_layer = torch.stack(means)
        ratings = {}
        for axis, name in AXES.items():
            weights = self.layer_weights[axis].softmax(0)
            embedding = torch.einsum("l,lbc->bc", weights, by_layer)
            if self.normalize_embed:
                embedding = normalize(embedding, dim=-1)
            mean, std = self.scale[axis]
            ratings[name] = self.proj_layer[axis](embedding)[:, 0] * std + mean
        return ratings


def _mean(hidden: Tensor, heard: Tensor) -> Tensor:
    return (hidden * heard[..., None]).sum(1) / heard.sum(1, keepdim=True).clamp(min=1)


def _renamed(name: str) -> str:
    for pattern, replacement in _RENAMED:
        name = re.sub(pattern, replacement, name)
    return name


def _transform(config: Mapping[str, Any]) -> dict[str, Mapping[str, float]]:
    return {axis: config["target_transform"][axis] for axis in AXES}


def _config_of(tensors: Mapping[str, Tensor]) -> WavLMConfig:
    """The configuration that fits the tensors of a WavLM with post-norm layers, such as WavLM-base."""
    convolutions = [tensors[f"feature_extractor.conv_layers.{i}.0.weight"] for i in range(len(STRIDES))]
    position = tensors["encoder.pos_conv.0.weight_v"]
    intermediate, hidden = tensors["encoder.layers.0.fc1.weight"].shape
    buckets, heads = tensors["encoder.layers.0.self_attn.relative_attention_bias.weight"].shape
    layers = {name.split(".")[2] for name in tensors if name.startswith("encoder.layers.")}
    return WavLMConfig(
        hidden_size=hidden,
        num_hidden_layers=len(layers),
        num_attention_heads=heads,
        intermediate_size=intermediate,
        conv_dim=[weight.shape[0] for weight in convolutions],
        conv_kernel=[weight.shape[2] for weight in convolutions],
        conv_stride=STRIDES,
        num_conv_pos_embeddings=position.shape[2],
        num_conv_pos_embedding_groups=position.shape[0] // position.shape[1],
        num_buckets=buckets,
        max_bucket_distance=800,
        do_stable_layer_norm=False,
        feat_extract_norm="group",
    )


def _head(width: int, config: Mapping[str, Any]) -> nn.Sequential:
    """Linear layers with GELU between; places in the sequence count, they are in the tensors' names."""
    layers: list[nn.Module] = []
    for _ in range(int(config.get("proj_num_layer", 1)) - 1):
        layers.append(nn.Linear(width, width))
        if config.get("proj_ln", False):
            layers.append(nn.LayerNorm(width))
        layers.append(nn.GELU())
        if config.get("proj_dropout", 0):
            layers.append(nn.Dropout(config["proj_dropout"]))
    return nn.Sequential(*layers, nn.Linear(width, int(config.get("output_dim", 1))))
