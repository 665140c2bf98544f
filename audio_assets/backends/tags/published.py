"""Tags from Essentia's models on ONNX Runtime: Discogs-EffNet and VGGish with the heads on their embeddings.

Discogs-EffNet (Alonso-Jiménez et al., ICASSP 2022) gives embeddings that the heads for 400 styles of
Discogs, 56 moods and themes and 40 instruments of MTG-Jamendo read; VGGish (Hershey et al., ICASSP 2017)
gives those for danceability, tonality, voice and the singer's gender. Each network runs once over all
patches, whatever is asked for. Names of classes and their order are read from the JSON beside each head.

A head that is published as a TensorFlow graph only is converted once, and put where the error says:
``python -m tf2onnx.convert --graphdef HEAD.pb --inputs INPUT:0[-1,WIDTH] --outputs OUTPUT:0 --output
HEAD.onnx`` with the names that its JSON gives under ``schema``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from audio_assets.backends.tags import EMBEDDING_WIDTH, FAMILIES, BinaryLabels, Float32, Label, TrackTags
from audio_assets.backends.tags.front_end import MUSICNN, VGGISH, FrontEnd
from audio_assets.backends.tags.onnx_model import BrokenModelError, OnnxModel
from audio_assets.backends.weights import WeightsFile
from audio_assets.engine.declare.outcomes import NotApplicable

SITE = "https://essentia.upf.edu/models"

EFFNET = WeightsFile(f"{SITE}/feature-extractors/discogs-effnet/discogs-effnet-bsdynamic-1.onnx")
AUDIOSET_VGGISH = WeightsFile(f"{SITE}/feature-extractors/vggish/audioset-vggish-3.onnx")
VGGISH_WIDTH = 128

FAMILY_HEADS = {
    "genre": "genre_discogs400/genre_discogs400-discogs-effnet-1",
    "mood_theme": "mtg_jamendo_moodtheme/mtg_jamendo_moodtheme-discogs-effnet-1",
    "instrument": "mtg_jamendo_instrument/mtg_jamendo_instrument-discogs-effnet-1",
}
BINARY_HEADS = {
    "danceable": "danceability/danceability-audioset-vggish-1",
    "atonal": "tonal_atonal/tonal_atonal-audioset-vggish-1",
    "voice": "voice_instrumental/voice_instrumental-audioset-vggish-1",
    "female": "gender/gender-audioset-vggish-1",
}
"""The class that is asked for, and the head of two classes that knows it."""


def head_file(name: str, suffix: str) -> WeightsFile:
    """The network of a head (``onnx``) or its metadata (``json``)."""
    return WeightsFile(f"{SITE}/classification-heads/{name}.{suffix}")


HEADS = tuple(
    head_file(name, suffix)
    for name in (*FAMILY_HEADS.values(), *BINARY_HEADS.values())
    for suffix in ("onnx", "json")
)

BATCH_SIZE = 64
"""Patches that go through a network at a time: two minutes of EffNet's."""

SILENCE = 1e-5
"""Largest magnitude (-100 dBFS) of what is called silent: networks have opinions on silence, too."""


class EssentiaTags:
    """The published networks, loaded once; see the module.

    Args:
        weights: the folder of installed weights.
        device: where to compute.

    Raises:
        MissingWeightsError: a file is neither installed nor to be had from the network.
        BrokenModelError: a file is not what is published under its name.
    """

    name = "essentia-discogs-effnet+vggish"
    revision = "discogs-effnet-bsdynamic-1+audioset-vggish-3+heads-1"
    licence = "CC-BY-NC-SA-4.0"
    weights = (EFFNET, AUDIOSET_VGGISH, *HEADS)

    def __init__(self, weights: Path, device: str = "auto") -> None:
        def trunk(file: WeightsFile, front_end: FrontEnd, width: int) -> OnnxModel:
            row = (front_end.patch_length, front_end.bands)
            return OnnxModel(file.path(weights), row, width, "embeddings", device)

        def load(name: str, width: int, classes: int) -> Head:
            return Head.load(weights, name, width, classes, device)

        self._effnet = Network(
            MUSICNN,
            trunk(EFFNET, MUSICNN, EMBEDDING_WIDTH),
            {family: load(name, EMBEDDING_WIDTH, FAMILIES[family]) for family, name in FAMILY_HEADS.items()},
        )
        self._vggish = Network(
            VGGISH,
            trunk(AUDIOSET_VGGISH, VGGISH, VGGISH_WIDTH),
            {label: load(name, VGGISH_WIDTH, 2) for label, name in BINARY_HEADS.items()},
        )
        for label, head in self._vggish.heads.items():
            head.index(label)

    def tags(self, samples: Float32) -> TrackTags:
        """As `Tagger.tags`."""
        if not len(samples) or np.abs(samples).max() < SILENCE:
            raise NotApplicable("the track is silent")
        embedding, families, patch_count = self._effnet.means(samples)
        labels = [
            Label(family, label, float(probability))
            for family, probabilities in families.items()
            for label, probability in zip(self._effnet.heads[family].classes, probabilities, strict=True)
        ]
        return TrackTags(tuple(labels), self._binary(samples), embedding, patch_count)

    def _binary(self, samples: Float32) -> BinaryLabels:
        _, probabilities, _ = self._vggish.means(samples)
        heads = self._vggish.heads
        of = {label: float(found[heads[label].index(label)]) for label, found in probabilities.items()}
        female = of["female"] if of["voice"] >= 0.5 else None
        return BinaryLabels(of["danceable"], of["atonal"], of["voice"], female)


@dataclass(frozen=True)
class Head:
    """A network on embeddings, and the names of what it tells."""

    model: OnnxModel
    classes: tuple[str, ...]

    @classmethod
    def load(cls, weights: Path, name: str, width: int, classes: int, device: str) -> Head:
        """The head `name` with its metadata; raises as `EssentiaTags` does."""
        model = OnnxModel(head_file(name, "onnx").path(weights), (width,), classes, device=device)
        path = head_file(name, "json").path(weights)
        try:
            found = json.loads(path.read_bytes())["classes"]
        except (ValueError, KeyError, TypeError) as error:
            raise BrokenModelError(
                f"{path}: found no JSON object with a list `classes` ({error}); wanted the metadata "
                "that is published beside the model: remove the file, and it is downloaded again"
            ) from error
        if len(set(found)) != classes:
            raise BrokenModelError(f"{path}: found {len(set(found))} classes; wanted {classes}")
        return cls(model, tuple(map(str, found)))

    def index(self, label: str) -> int:
        """Where `label` stands in the output."""
        if label not in self.classes:
            raise BrokenModelError(
                f"{self.model.path}: found the classes {', '.join(self.classes)}; wanted one named {label}"
            )
        return self.classes.index(label)


@dataclass(frozen=True)
class Network:
    """A front end, the network that embeds its patches, and the heads on the embeddings."""

    front_end: FrontEnd
    trunk: OnnxModel
    heads: dict[str, Head]

    def means(self, samples: Float32) -> tuple[Float32, dict[str, Float32], int]:
        """The mean embedding, the mean probabilities of each head, and the number of patches.

        Raises:
            NotApplicable: the samples are too few for one patch.
            BrokenModelError: see `OnnxModel.batches`, or a probability is outside of 0..1.
        """
        patches = self.front_end.patches(samples)
        if not len(patches):
            raise NotApplicable(f"the track is shorter than the {self.front_end.least_s:.1f} s of a patch")
        embeddings = np.concatenate(list(self.trunk.batches(patches, BATCH_SIZE)))
        probabilities = {}
        for name, head in self.heads.items():
            found = np.concatenate(list(head.model.batches(embeddings, 16 * BATCH_SIZE)))
            if found.min() < -1e-6 or found.max() > 1 + 1e-6:
                raise BrokenModelError(
                    f"{head.model.path}: found outputs from {found.min():.3g} to {found.max():.3g}; wanted "
                    "probabilities from 0 to 1"
                )
            probabilities[name] = _mean(found).clip(0, 1)
        return _mean(embeddings), probabilities, len(patches)


def _mean(rows: Float32) -> Float32:
    """The mean over the first axis, summed in 64 bits."""
    mean: Float32 = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
    return mean
