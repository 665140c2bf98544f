"""Streaming gives the same samples as the whole, in memory independent of the length."""

import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from audio_assets.audio.decode import decode, decode_blocks
from tests.audio.synthesis import chirps, write_coded, write_pcm


@pytest.mark.parametrize("form", ["wav", "flac", "mp3", "m4a", "opus"])
@pytest.mark.parametrize("block_s", [0.01, 0.5, 100.0])
def test_blocks_are_the_whole_in_pieces_of_that_length(tmp_path, form, block_s):
    path = tmp_path / f"a.{form}"
    (write_pcm if form in ("wav", "flac") else write_coded)(path, chirps(2.3, 48_000), 48_000)
    blocks = list(decode_blocks(path, block_s))
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1), decode(path).samples)
    size = round(block_s * 48_000)
    assert all(block.shape[1] == size for block in blocks[:-1])
    assert 0 < blocks[-1].shape[1] <= size


MEASURE = """
import sys
from pathlib import Path
from pathlib import Path
from audio_assets.audio import decode, ffmpeg, signal

def peak_kib():
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])

path = sys.argv[1]
start = peak_kib()
if sys.argv[2] == "libsndfile":
    samples = sum(block.shape[1] for block in decode.decode_blocks(path, 10.0))
elif sys.argv[2] == "FFmpeg":
    samples = sum(chunk.shape[1] for chunk in ffmpeg.FFmpegReader(Path(path)).chunks())
else:
    blocks = signal.Signal(path).blocks(10.0, rate=16_000, mono=True)
    samples = sum(block.shape[1] for block in blocks)
print(samples, (peak_kib() - start) // 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak from Linux")
@pytest.mark.parametrize(
    ("way", "hours", "rate"), [("libsndfile", 3, 24_000), ("FFmpeg", 1, 24_000), ("resampled", 1, 16_000)]
)
def test_hours_of_audio_stream_in_less_than_50_mib(tmp_path, way, hours, rate):
    """3 h of 24 kHz stereo are 2 GB of float32."""
    path = tmp_path / "long.wav"
    size = hours * 3_600 * 24_000 * 4
    form = struct.pack("<HHIIHH", 1, 2, 24_000, 24_000 * 4, 4, 16)
    sizes = struct.pack("<I", 36 + size), struct.pack("<I", 16), struct.pack("<I", size)
    path.write_bytes(b"RIFF" + sizes[0] + b"WAVEfmt " + sizes[1] + form + b"data" + sizes[2])
    os.truncate(path, 44 + size)  # a sparse file: it takes no room on the disk
    run = [sys.executable, "-c", MEASURE, str(path), way]
    output = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    samples, grown_mib = map(int, output.split())
    assert samples == hours * 3_600 * rate
    assert grown_mib < 50
