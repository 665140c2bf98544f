"""Frames in safetensors files, against the safetensors library."""

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from models.training.shards import SafetensorsFrames, Shard, safetensors_shard

DTYPES = [torch.float32, torch.float16, torch.bfloat16]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", [slice(0, 2000), slice(3, 7), slice(1990, 5000), slice(5, 5)])
def test_rows_are_those_the_safetensors_library_reads(tmp_path, dtype, rows):
    # The tensor in front moves the rows away from the beginning of a page.
    save_file({"a": torch.zeros(33), "frames": torch.randn(2000, 5).to(dtype)}, tmp_path / "e")
    found = SafetensorsFrames(tmp_path / "e")[rows]
    with safe_open(tmp_path / "e", framework="pt") as file:
        wanted = file.get_slice("frames")[rows.start : min(rows.stop, 2000)]
    assert found.dtype == dtype
    assert torch.equal(found, wanted)


def test_two_speaker_assignments_are_two_shards_of_one_file(tmp_path):
    tensors = {"speaker_a": torch.zeros(3, 2), "speaker_b": torch.ones(3, 2)}
    save_file(tensors, tmp_path / "e")
    shard = safetensors_shard(tmp_path / "e", np.zeros(3, np.float32), tensor="speaker_b")
    assert torch.equal(shard.read(0, 3), tensors["speaker_b"])
    assert "speaker_b" in shard.name


def test_changing_rows_does_not_change_the_file(tmp_path):
    save_file({"frames": torch.zeros(3, 2)}, tmp_path / "e")
    frames = SafetensorsFrames(tmp_path / "e")
    frames[0:3].fill_(7)
    assert frames[0:3].sum() == 0


@pytest.mark.parametrize(
    "tensors",
    [{"other": torch.zeros(3, 2)}, {"frames": torch.zeros(3)}, {"frames": torch.zeros(3, 2).long()}],
)
def test_a_file_without_frames_is_refused_with_what_it_holds(tmp_path, tensors):
    save_file(tensors, tmp_path / "e", {"backend": "none"})
    with pytest.raises(ValueError, match=rf"{next(iter(tensors))}.*wanted a tensor 'frames'"):
        SafetensorsFrames(tmp_path / "e")


def test_arrays_and_memory_maps_are_frames_too(tmp_path):
    array = np.arange(12, dtype=np.float32).reshape(4, 3)
    np.save(tmp_path / "e.npy", array)
    for opened in (array, np.load(tmp_path / "e.npy", mmap_mode="c")):
        shard = Shard("e", np.zeros(4, np.float32), lambda opened=opened: opened)
        np.testing.assert_array_equal(shard.read(1, 3).numpy(), array[1:3])


@pytest.mark.parametrize("shape", [(9, 2), (10,)])
def test_frames_that_do_not_fit_the_labels_are_refused_by_the_name_of_the_shard(shape):
    shard = Shard("episode 7", np.zeros(10, np.float32), lambda: np.zeros(shape, np.float32))
    with pytest.raises(ValueError, match="shard episode 7 has frames of shape"):
        shard.read(0, 1)
