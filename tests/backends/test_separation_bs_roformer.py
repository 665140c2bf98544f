"""BS-RoFormer from checkpoints as the community publishes them, on miniature networks.

What the stems must be is asked of the package's own network.
"""

import numpy as np
import pytest
import torch
from bs_roformer import BSRoformer
from safetensors.torch import save_file

from audio_assets.audio.chunk import concatenate
from audio_assets.backends.separation import SeparationError
from audio_assets.backends.separation.bs_roformer import FOLDER, RoformerSeparation
from audio_assets.backends.weights import MissingWeightsError

CHUNK = 8192
CONFIGURATION = """
audio:
  chunk_size: 8192
  sample_rate: 44100
model:
  dim: 8
  depth: 2
  stereo: true
  num_stems: 4
  time_transformer_depth: 1
  freq_transformer_depth: 1
  linear_transformer_depth: 0
  freqs_per_bands: !!python/tuple
    - 129
    - 128
  dim_head: 4
  heads: 2
  dim_freqs_in: 257
  stft_n_fft: 512
  stft_hop_length: 128
  stft_win_length: 512
  mask_estimator_depth: 2
training:
  instruments: [vocals, bass, drums, other]
inference:
  num_overlap: 2
"""


def network():
    torch.manual_seed(0)
    return BSRoformer(
        dim=8, depth=2, stereo=True, num_stems=4, time_transformer_depth=1, freq_transformer_depth=1,
        freqs_per_bands=(129, 128), dim_head=4, heads=2, stft_n_fft=512, stft_hop_length=128,
        stft_win_length=512, num_residual_streams=1,
    ).eval()  # fmt: skip


def without_value_residuals(model):
    """The network as it was before it had them, and its weights under the names of then."""
    for module in model.modules():
        if getattr(module, "to_value_residual_mix", None) is not None:
            module.to_value_residual_mix = None
    tensors = {name.replace(".branch.", "."): tensor for name, tensor in model.state_dict().items()}
    return model, tensors


def write(folder, tensors, form="ckpt", configuration=CONFIGURATION):
    folder.mkdir(exist_ok=True)
    (folder / "config.yaml").write_text(configuration)
    if form == "ckpt":
        torch.save({"state_dict": tensors}, folder / "model.ckpt")
    else:
        save_file(
            {name: tensor.contiguous().clone() for name, tensor in tensors.items()},
            folder / "model.safetensors",
        )
    return folder


def noise(n):
    return np.random.default_rng(0).normal(0, 0.1, (2, n)).astype(np.float32)


def separated(backend, mix):
    return concatenate(list(backend.separate(lambda: np.array_split(mix, 7, axis=1))))


def expected(model, mix):
    """The stems of one chunk, in our order."""
    with torch.inference_mode():
        vocals, bass, drums, other = model(torch.from_numpy(mix)[None])[0].numpy()
    return np.stack([drums, bass, other, vocals])


@pytest.mark.parametrize("form", ["ckpt", "safetensors"])
def test_a_checkpoint_of_the_present_network_gives_its_stems_in_our_order(form, tmp_path):
    model = network()
    write(tmp_path / "bs_roformer", model.state_dict(), form)
    backend = RoformerSeparation(tmp_path)
    mix = noise(CHUNK)
    np.testing.assert_allclose(separated(backend, mix), expected(model, mix), atol=1e-5)


def test_a_checkpoint_from_before_value_residuals_gives_the_stems_of_the_network_of_then(tmp_path):
    present = expected(network(), noise(CHUNK))
    model, tensors = without_value_residuals(network())
    write(tmp_path / "bs_roformer", tensors)
    backend = RoformerSeparation(tmp_path)
    found = separated(backend, noise(CHUNK))
    np.testing.assert_allclose(found, expected(model, noise(CHUNK)), atol=1e-5)
    assert np.abs(found - present).max() > 1e-4


@pytest.mark.parametrize("n", [1, 500, CHUNK - 1, CHUNK + 1, 3 * CHUNK])
def test_mixes_of_any_length_keep_it(n, tmp_path):
    write(tmp_path / "bs_roformer", network().state_dict())
    backend = RoformerSeparation(tmp_path)
    found = separated(backend, noise(n))
    assert found.shape == (4, 2, n)
    assert np.isfinite(found).all()


def test_nan_is_an_error_not_a_stem(tmp_path):
    tensors = network().state_dict()
    tensors["final_norm.gamma"] = torch.full_like(tensors["final_norm.gamma"], float("nan"))
    write(tmp_path / "bs_roformer", tensors)
    backend = RoformerSeparation(tmp_path)
    with pytest.raises(SeparationError, match="NaN or infinite"):
        separated(backend, noise(CHUNK))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[vocals, bass, drums, other]", "[vocals, other]", "found instruments vocals, other at 44100 Hz"),
        ("sample_rate: 44100", "sample_rate: 48000", "at 48000 Hz in stereo; wanted drums, bass"),
        ("stereo: true", "stereo: false", "in mono; wanted"),
        ("linear_transformer_depth: 0", "linear_transformer_depth: 1", "option linear_transformer_depth"),
        ("dim: 8", "dim: 16", "weights that do not fit the network"),
    ],
)
def test_a_configuration_of_another_network_is_refused(old, new, message, tmp_path):
    write(tmp_path / "bs_roformer", network().state_dict(), configuration=CONFIGURATION.replace(old, new))
    with pytest.raises(MissingWeightsError, match=message):
        RoformerSeparation(tmp_path)


def test_what_is_missing_or_damaged_is_named(tmp_path):
    with pytest.raises(MissingWeightsError, match=r"config\.yaml: found no such file; wanted .* licence"):
        RoformerSeparation(tmp_path)
    folder = write(tmp_path / "bs_roformer", network().state_dict())
    checkpoint = folder / "model.ckpt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:5000])
    with pytest.raises(MissingWeightsError, match=r"model\.ckpt: found no checkpoint of tensors"):
        RoformerSeparation(tmp_path)
    checkpoint.unlink()
    with pytest.raises(MissingWeightsError, match=r"found no model\.safetensors or model\.ckpt"):
        RoformerSeparation(tmp_path)


class Harm:
    """What a pickle could hold."""

    def __reduce__(self):
        return (print, ("harm",))


def test_code_in_a_checkpoint_is_not_run(tmp_path, capsys):
    write(tmp_path / "bs_roformer", {"state": Harm()})
    with pytest.raises(MissingWeightsError, match="found no checkpoint of tensors"):
        RoformerSeparation(tmp_path)
    assert "harm" not in capsys.readouterr().out


def test_the_revision_changes_with_the_checkpoint_or_the_configuration(tmp_path):
    assert FOLDER.identity(tmp_path) == "none"
    tensors = network().state_dict()
    folder = write(tmp_path / "bs_roformer", tensors, "safetensors")
    revisions = [FOLDER.identity(tmp_path), FOLDER.identity(tmp_path)]
    tensors["final_norm.gamma"] += 1
    write(folder, tensors, "safetensors")
    revisions.append(FOLDER.identity(tmp_path))
    write(folder, tensors, "safetensors", CONFIGURATION + "# other\n")
    revisions.append(FOLDER.identity(tmp_path))
    assert revisions[0] == revisions[1]
    assert len(set(revisions)) == 3
