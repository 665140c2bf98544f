"""Voice activity by Silero VAD, whose weights come inside its package.

The model reads front to back and carries its state, so a recording is never held as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from audio_assets.audio.chunk import reblock
from audio_assets.backends.voice_activity import FRAME_LENGTH, Float32
from audio_assets.backends.weights import PackageWeights

SILERO = PackageWeights(
    "silero-vad",
    "silero_vad/data/silero_vad_16k_sequence.onnx",
    sha256="9ccdacc4719d8aa7e45a77536bfabec45a03ba1f2fad5e241ab4060b24238a85",
    revision="6.2.3",
    licence="MIT",
)


class SileroVoiceActivity:
    """The network on ONNX Runtime, of the `silero-vad` package; needs neither network nor torch.

    Args:
        weights: the folder of installed weights.

    Raises:
        MissingWeightsError: the package is not installed, or is of a version with other weights.
    """

    name = "silero-vad"
    revision = SILERO.revision
    licence = SILERO.licence
    weights = (SILERO,)

    def __init__(self, weights: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            SILERO.path(weights), options, providers=["CPUExecutionProvider"]
        )

    def probabilities(self, blocks: Iterable[Float32]) -> Float32:
        """As `VoiceActivity.probabilities`; the last frame is filled up with silence."""
        before = np.zeros(_CONTEXT, np.float32)
        hidden = cell = np.zeros((1, 1, 128), np.float32)
        parts = []
        for block in reblock(blocks, _BLOCK_FRAMES * FRAME_LENGTH):
            samples = np.concatenate([before, block, np.zeros(-len(block) % FRAME_LENGTH, np.float32)])
            frames = np.lib.stride_tricks.sliding_window_view(samples, _CONTEXT + FRAME_LENGTH)
            inputs = {"input": frames[::FRAME_LENGTH].copy(), "h": hidden, "c": cell}
            part, hidden, cell = self._session.run(["speech_probs", "hn", "cn"], inputs)
            parts.append(part)
            before = samples[-_CONTEXT:]
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)


_CONTEXT = 64
"""Samples before a frame that the model sees with it."""

_BLOCK_FRAMES = 512
