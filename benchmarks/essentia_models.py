"""Discogs-EffNet, VGGish and their heads at published size with random weights, as ONNX files.

Names of files, inputs and outputs are those that Essentia publishes; see `write_models`.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SITE = "essentia.upf.edu/models"
STAGES = (
    # expansion, channels, blocks, stride, kernel: EfficientNet-B0 (Tan and Le, 2019)
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)


class Graph:
    """A graph that is written node by node; each method returns the name of its output."""

    def __init__(self, seed: int) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._rng = np.random.default_rng(seed)

    def constant(self, values) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def random(self, shape: tuple[int, ...], inputs: int) -> str:
        scale = np.float32((2 / inputs) ** 0.5)
        return self.constant(self._rng.standard_normal(shape, dtype=np.float32) * scale)

    def node(self, kind: str, *inputs: str, output: str | None = None, **attributes) -> str:
        output = output or f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def convolution(
        self, x: str, channels: tuple[int, int], kernel: int, stride: int = 1, group: int = 1
    ) -> str:
        weights = self.random(
            (channels[1], channels[0] // group, kernel, kernel), channels[0] // group * kernel**2
        )
        bias = self.constant(np.zeros(channels[1], np.float32))
        pads = [kernel // 2] * 4
        return self.node(
            "Conv", x, weights, bias, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=pads, group=group
        )

    def dense(self, x: str, inputs: int, outputs: int, output: str | None = None) -> str:
        bias = self.constant(np.zeros(outputs, np.float32))
        return self.node("Gemm", x, self.random((inputs, outputs), inputs), bias, output=output)

    def swish(self, x: str) -> str:
        return self.node("Mul", x, self.node("Sigmoid", x))

    def save(self, path: Path, inputs: dict, outputs: dict) -> None:
        def values(shapes):
            return [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in shapes.items()]

        graph = helper.make_graph(self.nodes, "model", values(inputs), values(outputs), self.constants)
        path.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)


def write_effnet(path: Path) -> None:
    """EfficientNet-B0 on ``[N, 128, 96]``, its 1280 outputs and the 400 styles on them."""
    graph = Graph(0)
    x = graph.node("Unsqueeze", "melspectrogram", graph.constant(np.array([1])))
    x = graph.swish(graph.convolution(x, (1, 32), 3, stride=2))
    channels = 32
    for expansion, width, blocks, first_stride, kernel in STAGES:
        for block in range(blocks):
            stride = first_stride if block == 0 else 1
            wide = channels * expansion
            y = graph.swish(graph.convolution(x, (channels, wide), 1)) if expansion > 1 else x
            y = graph.swish(graph.convolution(y, (wide, wide), kernel, stride, group=wide))
            squeezed = graph.convolution(graph.node("GlobalAveragePool", y), (wide, channels // 4), 1)
            gate = graph.node("Sigmoid", graph.convolution(graph.swish(squeezed), (channels // 4, wide), 1))
            y = graph.convolution(graph.node("Mul", y, gate), (wide, width), 1)
            x = graph.node("Add", x, y) if stride == 1 and channels == width else y
            channels = width
    x = graph.swish(graph.convolution(x, (channels, 1280), 1))
    x = graph.node("Flatten", graph.node("GlobalAveragePool", x))
    x = graph.dense(x, 1280, 1280, output="embeddings")
    graph.node("Sigmoid", graph.dense(x, 1280, 400), output="activations")
    graph.save(
        path, {"melspectrogram": ["n", 128, 96]}, {"activations": ["n", 400], "embeddings": ["n", 1280]}
    )


def write_vggish(path: Path) -> None:
    """VGGish (configuration A without its last group) on ``[N, 96, 64]``: 128 outputs."""
    graph = Graph(1)
    x, channels = graph.node("Unsqueeze", "melspectrogram", graph.constant(np.array([1]))), 1
    for widths in ((64,), (128,), (256, 256), (512, 512)):
        for width in widths:
            x, channels = graph.node("Relu", graph.convolution(x, (channels, width), 3)), width
        x = graph.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = graph.node("Flatten", x)
    for inputs, outputs in ((12288, 4096), (4096, 4096)):
        x = graph.node("Relu", graph.dense(x, inputs, outputs))
    graph.dense(x, 4096, 128, output="embeddings")
    graph.save(path, {"melspectrogram": ["n", 96, 64]}, {"embeddings": ["n", 128]})


def write_head(stem: Path, inputs: int, classes: tuple[str, ...], activation: str) -> None:
    """A head with one hidden layer of its input's width, and its metadata."""
    graph = Graph(2)
    hidden = graph.node("Relu", graph.dense("model/Placeholder", inputs, 512))
    graph.node(activation, graph.dense(hidden, 512, len(classes)), output=f"model/{activation}")
    shapes = {"model/Placeholder": ["n", inputs]}, {f"model/{activation}": ["n", len(classes)]}
    graph.save(Path(f"{stem}.onnx"), *shapes)
    Path(f"{stem}.json").write_text(json.dumps({"classes": classes}))


def write_models(weights: Path) -> None:
    """All files of the published tags, under the folder of weights."""
    from audio_assets.backends.tags import FAMILIES
    from audio_assets.backends.tags.published import AUDIOSET_VGGISH, BINARY_HEADS, EFFNET, FAMILY_HEADS

    write_effnet(weights / EFFNET.url.partition("://")[2])
    write_vggish(weights / AUDIOSET_VGGISH.url.partition("://")[2])
    heads = weights / SITE / "classification-heads"
    for family, name in FAMILY_HEADS.items():
        classes = tuple(f"{family} {index}" for index in range(FAMILIES[family]))
        write_head(heads / name, 1280, classes, "Sigmoid")
    for label, name in BINARY_HEADS.items():
        write_head(heads / name, 128, (label, "other"), "Softmax")
