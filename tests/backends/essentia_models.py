"""Miniature models in the format in which Essentia publishes its own: ONNX files, JSON beside the heads.

A trunk is one matrix on the mean of a patch over its frames; a head is one matrix. Names of inputs and
outputs, and the order of classes, are those of the published files.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SITE = "essentia.upf.edu/models"
EFFNET = "feature-extractors/discogs-effnet/discogs-effnet-bsdynamic-1"
VGGISH = "feature-extractors/vggish/audioset-vggish-3"
FAMILIES = {
    "genre": ("genre_discogs400/genre_discogs400-discogs-effnet-1", 400),
    "mood_theme": ("mtg_jamendo_moodtheme/mtg_jamendo_moodtheme-discogs-effnet-1", 56),
    "instrument": ("mtg_jamendo_instrument/mtg_jamendo_instrument-discogs-effnet-1", 40),
}
PAIRS = {
    "danceability": ("danceable", "not_danceable"),
    "tonal_atonal": ("atonal", "tonal"),
    "voice_instrumental": ("instrumental", "voice"),
    "gender": ("female", "male"),
}
INSTRUMENTS = ("guitar", "piano", "drums", "bass", "voice", "synthesizer")


class Models:
    """The folder of weights, and the matrices of the models in it by the stem of their files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.matrices: dict[str, np.ndarray] = {}

    def path(self, stem: str, extension: str = "onnx") -> Path:
        """Where a file stands in the weights folder."""
        return self.folder / SITE / f"{stem}.{extension}"

    def trunk(self, stem: str, row: tuple[int, int], width: int, scale: float = 0.1) -> None:
        """A trunk with the outputs `activations` and `embeddings`."""
        matrix = scale * self._random(stem).normal(size=(row[1], width))
        nodes = [
            helper.make_node("ReduceMean", ["melspectrogram"], ["mean"], axes=[1], keepdims=0),
            helper.make_node("MatMul", ["mean", "matrix"], ["embeddings"]),
            helper.make_node("MatMul", ["embeddings", "styles"], ["activations"]),
        ]
        styles = np.full((width, 400), 0.01)
        outputs = {"activations": [None, 400], "embeddings": [None, width]}
        inputs = {"melspectrogram": [None, *row]}
        self._save(stem, nodes, inputs, outputs, {"matrix": matrix, "styles": styles})

    def head(
        self, stem: str, width: int, classes: tuple[str, ...], activation: str, names: tuple[str, str]
    ) -> None:
        """A head and its metadata; see `names` for its input and output."""
        matrix = self._random(stem).normal(size=(width, len(classes))) / width**0.5
        nodes = [
            helper.make_node("MatMul", [names[0], "matrix"], ["logits"]),
            helper.make_node(activation, ["logits"], [names[1]]),
        ]
        stem = f"classification-heads/{stem}"
        self._save(stem, nodes, {names[0]: ["n", width]}, {names[1]: ["n", len(classes)]}, {"matrix": matrix})
        self.path(stem, "json").write_text(json.dumps({"name": stem, "classes": classes}))

    def _random(self, stem: str) -> np.random.Generator:
        return np.random.default_rng(sum(stem.encode()))

    def _save(self, stem, nodes, inputs, outputs, matrices) -> None:
        self.matrices[stem.rpartition("/")[2]] = matrices["matrix"]

        def values(shapes):
            return [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
                for name, shape in shapes.items()
            ]

        constants = [
            numpy_helper.from_array(matrix.astype(np.float32), name) for name, matrix in matrices.items()
        ]
        graph = helper.make_graph(nodes, "model", values(inputs), values(outputs), constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        self.path(stem).parent.mkdir(parents=True, exist_ok=True)
        onnx.save(model, self.path(stem))


def write_models(folder: Path) -> Models:
    """All published files, in miniature, under the folder of weights."""
    models = Models(folder)
    models.trunk(EFFNET, (128, 96), 1280)
    models.trunk(VGGISH, (96, 64), 128)
    for family, (stem, count) in FAMILIES.items():
        named = INSTRUMENTS if family == "instrument" else ()
        classes = (*named, *(f"{family} {index}" for index in range(len(named), count)))
        names = ("model/Placeholder", "model/Sigmoid")
        if family == "genre":
            names = ("serving_default_model_Placeholder", "PartitionedCall:0")
        models.head(stem, 1280, classes, "Sigmoid", names)
    for name, classes in PAIRS.items():
        stem = f"{name}/{name}-audioset-vggish-1"
        models.head(stem, 128, classes, "Softmax", ("model/Placeholder", "model/Softmax"))
    return models
