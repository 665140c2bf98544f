"""Demucs as published, on miniature networks; what its stems must be is asked of the demucs package."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from demucs.apply import BagOfModels, apply_model

from audio_assets.audio.chunk import concatenate
from audio_assets.backends.separation import SAMPLE_RATE, SeparationError
from audio_assets.backends.separation import chunked_model as chunked
from audio_assets.backends.separation.demucs import HTDEMUCS_FT, DemucsSeparation
from audio_assets.backends.weights import MissingWeightsError, Weights
from tests.backends.demucs_bag import SEGMENT, SOURCES, save_bag, save_network, tiny_network

LENGTH = int(SEGMENT * SAMPLE_RATE)
OVERLAP = LENGTH - int(0.75 * LENGTH)
ONE_EACH = [[1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 1.0, 0], [0, 0, 0, 1.0]]

NOWHERE = Path("no folder of weights")


@pytest.fixture(scope="module")
def networks():
    return [tiny_network(seed) for seed in range(4)]


@pytest.fixture(scope="module")
def folder(networks, tmp_path_factory):
    return save_bag(tmp_path_factory.mktemp("weights") / "bag", networks, ONE_EACH)


@pytest.fixture(scope="module")
def backend(folder):
    return DemucsSeparation(NOWHERE, model=Weights(str(folder)))


def noise(n, level=0.1):
    return np.random.default_rng(0).normal(0.01, level, (2, n)).astype(np.float32)


def separated(backend, mix, size=10_000):
    blocks = np.split(mix, range(size, mix.shape[1], size), axis=1)
    return concatenate(list(backend.separate(lambda: iter(blocks))))


def expected(networks, weights, mix):
    """What `demucs.api.Separator` does, without its random shifts."""
    wave = torch.from_numpy(mix)
    mono = wave.mean(0)
    mean, deviation = mono.mean(), mono.std() + 1e-8
    bag = BagOfModels(networks, weights)
    stems = apply_model(bag, ((wave - mean) / deviation)[None], shifts=0, split=True, overlap=0.25)[0]
    return (stems * deviation + mean).numpy()


def test_stems_are_those_of_the_demucs_package(backend, networks):
    mix = noise(4 * LENGTH)
    found = separated(backend, mix)
    assert found.shape == (4, *mix.shape)
    # The package lets its last chunk begin elsewhere, so the end is not compared.
    inner = slice(0, 3 * int(0.75 * LENGTH))
    reference = expected(networks, ONE_EACH, mix)[..., inner]
    scale = np.abs(reference).max()
    assert scale > 0
    np.testing.assert_allclose(found[..., inner], reference, atol=2e-3 * scale)


def test_networks_that_share_stems_are_averaged_by_their_weights(networks, tmp_path):
    weights = [[1.0, 2.0, 1.0, 0.0], [3.0, 2.0, 1.0, 1.0]]
    backend = DemucsSeparation(NOWHERE, model=Weights(str(save_bag(tmp_path / "bag", networks[:2], weights))))
    mix = noise(LENGTH)
    reference = expected(networks[:2], weights, mix)[..., : int(0.75 * LENGTH)]
    found = separated(backend, mix)[..., : int(0.75 * LENGTH)]
    np.testing.assert_allclose(found, reference, atol=2e-3 * np.abs(reference).max())


def test_stems_come_in_our_order_whatever_the_networks_is(tmp_path):
    network = tiny_network(0, sources=SOURCES[::-1])
    backend = DemucsSeparation(NOWHERE, model=Weights(str(save_bag(tmp_path / "bag", [network]))))
    mix = noise(LENGTH)
    reference = expected([network], None, mix)[::-1, :, : int(0.75 * LENGTH)]
    found = separated(backend, mix)[..., : int(0.75 * LENGTH)]
    np.testing.assert_allclose(found, reference, atol=2e-3 * np.abs(reference).max())


@pytest.mark.parametrize("n", [1, 100, LENGTH - 1, LENGTH, LENGTH + 1])
def test_mixes_of_any_length_keep_it(backend, n):
    found = separated(backend, noise(n))
    assert found.shape == (4, 2, n)
    assert np.isfinite(found).all()


def test_how_the_mix_is_cut_or_batched_changes_nothing(backend, monkeypatch):
    mix = noise(3 * LENGTH + 11)
    whole = separated(backend, mix, mix.shape[1])
    np.testing.assert_allclose(separated(backend, mix, 777), whole, atol=1e-6)
    monkeypatch.setattr("audio_assets.backends.separation.demucs.batch_size", lambda device: 3)
    np.testing.assert_allclose(separated(backend, mix), whole, atol=1e-5)


def test_silence_stays_silent(backend):
    assert np.abs(separated(backend, np.zeros((2, LENGTH), np.float32))).max() < 1e-6


def test_the_level_of_a_mix_is_that_of_its_mono_sum():
    mix = noise(12_345)
    blocks = np.split(mix, range(100, mix.shape[1], 1000), axis=1)
    mono = torch.from_numpy(mix).double().mean(0)
    mean, deviation = chunked.mean_and_deviation(blocks)
    assert mean == pytest.approx(float(mono.mean()), abs=1e-9)
    assert deviation == pytest.approx(float(mono.std()), abs=1e-9)
    assert chunked.mean_and_deviation([]) == (0.0, 0.0)


def test_a_network_that_returns_nan_is_an_error_not_a_stem(networks, tmp_path):
    broken = tiny_network(0)
    with torch.no_grad():
        next(iter(broken.parameters())).fill_(float("nan"))
    backend = DemucsSeparation(NOWHERE, model=Weights(str(save_bag(tmp_path / "bag", [broken]))))
    with pytest.raises(SeparationError, match=r"NaN or infinite in the chunk at 0\.0 s"):
        separated(backend, noise(LENGTH))


def test_a_file_that_names_another_class_is_refused_before_anything_is_imported(networks, tmp_path):
    folder = save_bag(tmp_path / "bag", networks[:1])
    save_network(folder / "00000000.safetensors", networks[0], klass="subprocess.Popen")
    with pytest.raises(MissingWeightsError, match=r"found subprocess\.Popen; wanted one of demucs\.htdemucs"):
        DemucsSeparation(NOWHERE, model=Weights(str(folder)))


def test_files_that_are_missing_broken_or_do_not_fit_are_named(networks, tmp_path):
    folder = tmp_path / "bag"
    folder.mkdir()
    with pytest.raises(MissingWeightsError, match=r"htdemucs_ft\.yaml: found no such file"):
        DemucsSeparation(NOWHERE, model=Weights(str(folder)))
    save_bag(folder, networks[:1])
    network = folder / "00000000.safetensors"
    whole = network.read_bytes()
    network.unlink()
    with pytest.raises(MissingWeightsError, match=r"00000000\.safetensors: found no such file"):
        DemucsSeparation(NOWHERE, model=Weights(str(folder)))
    network.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(MissingWeightsError, match=r"00000000\.safetensors: found no safetensors"):
        DemucsSeparation(NOWHERE, model=Weights(str(folder)))
    wider = tiny_network(0, channels=8)
    wider.options["channels"] = 4
    save_network(network, wider)
    with pytest.raises(MissingWeightsError, match="weights that do not fit"):
        DemucsSeparation(NOWHERE, model=Weights(str(folder)))


def test_a_bag_for_other_sources_is_refused(tmp_path):
    folder = save_bag(tmp_path / "bag", [tiny_network(0, sources=["vocals", "rest"])])
    with pytest.raises(MissingWeightsError, match="networks for vocals, rest at 44100 Hz"):
        DemucsSeparation(NOWHERE, model=Weights(str(folder)))


@pytest.mark.parametrize("where", ["weights folder", "nowhere"])
def test_published_weights_are_found_in_the_weights_folder_or_told_how_to_get(where, networks, tmp_path):
    if where == "weights folder":
        save_bag(tmp_path / HTDEMUCS_FT.repo, networks[:1])
    code = (
        "import numpy as np, sys\n"
        "from pathlib import Path\n"
        "from audio_assets.backends.separation.demucs import DemucsSeparation\n"
        "stems = DemucsSeparation(Path(sys.argv[1])).separate(lambda: [np.zeros((2, 5000), np.float32)])\n"
        "print(sum(part.shape[2] for part in stems), 'torchaudio' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        env={
            **os.environ,
            "HF_HUB_OFFLINE": "1",
            "HF_HOME": str(tmp_path),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if where == "weights folder":
        assert done.stdout.split() == ["5000", "False"], done.stderr
    else:
        last = done.stderr.strip().splitlines()[-1]
        assert f"MissingWeightsError: {HTDEMUCS_FT.repo} at revision" in last
        assert f"hf download {HTDEMUCS_FT.repo}" in last
