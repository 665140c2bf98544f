"""Tags from miniature models in the published format, against the same matrices in numpy."""

import numpy as np
import pytest

from audio_assets.backends import weights
from audio_assets.backends.tags import FAMILIES
from audio_assets.backends.tags import published as module
from audio_assets.backends.tags.embedded import NoTags
from audio_assets.backends.tags.front_end import MUSICNN, VGGISH
from audio_assets.backends.tags.onnx_model import BrokenModelError
from audio_assets.backends.tags.published import EssentiaTags
from audio_assets.backends.weights import MissingWeightsError
from audio_assets.engine.declare.outcomes import NotApplicable
from tests.backends import essentia_models
from tests.backends.essentia_models import PAIRS, write_models

RATE = 16_000


@pytest.fixture
def models(tmp_path):
    return write_models(tmp_path)


def song(seconds, seed=0):
    """Chords that change, with noise: `[n]` at 16 kHz."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(int(seconds * RATE)) / RATE
    roots = 110 * 2 ** (rng.integers(0, 12, 1 + int(seconds)) / 12)
    phase = 2 * np.pi * np.cumsum(roots[time_s.astype(int)]) / RATE
    chord = sum(np.sin(phase * ratio) for ratio in (1, 1.25, 1.5, 2))
    return (0.1 * chord + rng.normal(0, 0.02, len(time_s))).astype(np.float32)


ALGORITHMS = {MUSICNN: "TensorflowInputMusiCNN", VGGISH: "TensorflowInputVGGish"}


def reference_patches(samples, front_end):
    """Patches by Essentia's own algorithms, frame by frame."""
    import essentia.standard

    bands = getattr(essentia.standard, ALGORITHMS[front_end])()
    cut = essentia.standard.FrameGenerator(
        samples, frameSize=front_end.frame_length, hopSize=front_end.hop_length
    )
    frames = np.stack([bands(frame) for frame in cut])
    starts = range(0, len(frames) - front_end.patch_length + 1, front_end.patch_hop)
    return np.stack([frames[start : start + front_end.patch_length] for start in starts])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    return np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)


@pytest.mark.parametrize("seconds", [2.1, 2.104, 5, 31.7, 80])
@pytest.mark.parametrize("front_end", [MUSICNN, VGGISH])
def test_patches_are_those_of_essentia(front_end, seconds):
    samples = song(seconds)
    expected = reference_patches(samples, front_end)
    found = front_end.patches(samples)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_front_ends_are_those_that_the_models_were_trained_on():
    assert (MUSICNN.frame_length, MUSICNN.hop_length, MUSICNN.bands) == (512, 256, 96)
    assert (MUSICNN.patch_length, MUSICNN.patch_hop) == (128, 62)
    assert (VGGISH.frame_length, VGGISH.hop_length, VGGISH.bands) == (400, 160, 64)
    assert VGGISH.patch_length == 96


def test_all_496_probabilities_are_means_over_patches_of_the_heads_on_the_embeddings(models):
    samples = song(70)
    found = EssentiaTags(models.folder).tags(samples)
    patches = reference_patches(samples, MUSICNN)
    assert found.patch_count == len(patches) > module.BATCH_SIZE
    embeddings = patches.mean(axis=1) @ models.matrices["discogs-effnet-bsdynamic-1"]
    np.testing.assert_allclose(found.embedding, embeddings.mean(axis=0), atol=1e-4)
    assert len(found.labels) == 496
    for family, (stem, count) in essentia_models.FAMILIES.items():
        matrix = models.matrices[stem.partition("/")[2]]
        expected = sigmoid(embeddings @ matrix).mean(axis=0)
        labels = [label for label in found.labels if label.family == family]
        assert len(labels) == count == FAMILIES[family]
        np.testing.assert_allclose([label.probability for label in labels], expected, atol=1e-4)
    assert [label.label for label in found.labels if label.family == "instrument"][:2] == ["guitar", "piano"]


def expected_pairs(models, samples):
    patches = reference_patches(samples, VGGISH)
    embeddings = patches.mean(axis=1) @ models.matrices["audioset-vggish-3"]
    return {
        name: softmax(embeddings @ models.matrices[f"{name}-audioset-vggish-1"]).mean(axis=0)
        for name in PAIRS
    }


def test_classes_of_two_stand_where_their_metadata_says(models):
    samples = song(20)
    pairs = expected_pairs(models, samples)
    found = EssentiaTags(models.folder).tags(samples).binary
    assert found.danceable == pytest.approx(pairs["danceability"][0], abs=1e-4)
    assert found.atonal == pytest.approx(pairs["tonal_atonal"][0], abs=1e-4)
    assert found.voice == pytest.approx(pairs["voice_instrumental"][1], abs=1e-4)
    for name, classes in PAIRS.items():
        path = models.path(f"classification-heads/{name}/{name}-audioset-vggish-1", "json")
        path.write_text(f'{{"classes": ["{classes[1]}", "{classes[0]}"]}}')
    turned = EssentiaTags(models.folder).tags(samples).binary
    assert turned.danceable == pytest.approx(1 - found.danceable, abs=1e-5)
    assert turned.voice == pytest.approx(1 - found.voice, abs=1e-5)
    genders = [binary.female for binary in (found, turned) if binary.voice >= 0.5]
    assert [binary.female for binary in (found, turned) if binary.voice < 0.5] == [None]
    assert None not in genders


@pytest.mark.parametrize("names", [("input_1:0", "Identity:0"), ("model/Placeholder:0", "model/Sigmoid:0")])
def test_names_of_inputs_and_outputs_are_read_from_the_graph(models, names):
    before = EssentiaTags(models.folder).tags(song(5)).labels
    stem, count = essentia_models.FAMILIES["mood_theme"]
    classes = tuple(f"mood_theme {index}" for index in range(count))
    models.head(stem, 1280, classes, "Sigmoid", names)
    assert EssentiaTags(models.folder).tags(song(5)).labels == before


def test_how_many_patches_go_at_a_time_changes_nothing(models, monkeypatch):
    tagger = EssentiaTags(models.folder)
    whole = tagger.tags(song(30))
    monkeypatch.setattr(module, "BATCH_SIZE", 7)
    parts = tagger.tags(song(30))
    np.testing.assert_allclose(parts.embedding, whole.embedding, atol=1e-5)
    np.testing.assert_allclose(
        [label.probability for label in parts.labels],
        [label.probability for label in whole.labels],
        atol=1e-5,
    )


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (np.zeros(30 * RATE, np.float32), "silent"),
        (np.zeros(0, np.float32), "silent"),
        (song(1.5), r"shorter than the 2\.0 s of a patch"),
        (song(0.01), r"shorter than the 2\.0 s of a patch"),
    ],
)
def test_a_silent_or_too_short_track_has_no_tags(models, samples, reason):
    with pytest.raises(NotApplicable, match=reason):
        EssentiaTags(models.folder).tags(samples)


def test_a_corrupt_file_is_named_with_what_to_do(models):
    path = models.path(essentia_models.EFFNET)
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(
        BrokenModelError, match=r"effnet-bsdynamic-1\.onnx: found no model that .* remove this one"
    ):
        EssentiaTags(models.folder)


def test_a_truncated_file_is_named(models):
    path = models.path(essentia_models.EFFNET)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(BrokenModelError, match="found no model that onnxruntime can load"):
        EssentiaTags(models.folder)


def test_a_model_that_returns_nan_fails_with_its_name(models):
    models.trunk(essentia_models.EFFNET, (128, 96), 1280, scale=np.nan)
    tagger = EssentiaTags(models.folder)
    with pytest.raises(BrokenModelError, match=r"bsdynamic-1\.onnx: embeddings is NaN .* for 4 of 4 patches"):
        tagger.tags(song(5))


def test_a_model_of_another_shape_is_refused_with_what_was_found(models):
    models.trunk(essentia_models.EFFNET, (187, 96), 1280)
    with pytest.raises(
        BrokenModelError, match=r"melspectrogram \[None, 187, 96\]; wanted one input of .*128"
    ):
        EssentiaTags(models.folder)
    models.trunk(essentia_models.EFFNET, (128, 96), 200)
    with pytest.raises(BrokenModelError, match=r"embeddings \[None, 200\]; wanted one output of .*1280"):
        EssentiaTags(models.folder)


def test_a_head_that_gives_no_probabilities_fails(models):
    stem, count = essentia_models.FAMILIES["genre"]
    classes = tuple(map(str, range(count)))
    models.head(stem, 1280, classes, "Identity", ("model/Placeholder", "model/Sigmoid"))
    with pytest.raises(BrokenModelError, match=r"genre_discogs400.*wanted probabilities from 0 to 1"):
        EssentiaTags(models.folder).tags(song(5))


@pytest.mark.parametrize(
    ("text", "reason"),
    [("{", "found no JSON object"), ('{"classes": ["a", "b"]}', "found 2 classes; wanted 40")],
)
def test_metadata_that_does_not_fit_its_head_is_refused(models, text, reason):
    stem, _ = essentia_models.FAMILIES["instrument"]
    models.path(f"classification-heads/{stem}", "json").write_text(text)
    with pytest.raises(BrokenModelError, match=reason):
        EssentiaTags(models.folder)


def test_a_head_without_the_class_that_is_asked_for_is_refused(models):
    path = models.path("classification-heads/gender/gender-audioset-vggish-1", "json")
    path.write_text('{"classes": ["high", "low"]}')
    with pytest.raises(BrokenModelError, match="found the classes high, low; wanted one named female"):
        EssentiaTags(models.folder)


def test_a_missing_file_is_told_by_address_and_place(models, monkeypatch):
    path = models.path(essentia_models.VGGISH)
    path.unlink()

    def offline(*args, **options):
        raise OSError("network is unreachable")

    monkeypatch.setattr(weights.urllib.request, "urlopen", offline)
    with pytest.raises(
        MissingWeightsError, match=rf"audioset-vggish-3\.onnx: found no installed .*{path.parent}"
    ):
        EssentiaTags(models.folder)


def test_without_weights_there_is_no_answer_but_how_to_get_one():
    with pytest.raises(
        NotApplicable, match=r"weights not installed: .*set AUDIO_ASSETS_TAGS_BACKEND=published"
    ):
        NoTags()


def test_the_licence_of_the_weights_is_carried():
    assert EssentiaTags.licence == "CC-BY-NC-SA-4.0"
