"""Voice activity: how likely each frame of 32 ms holds speech, and the segments that follow.

Frame ``i`` covers the samples ``[512 i, 512 (i + 1))`` at 16 kHz; times are seconds from the start.
The model reads front to back and carries its state, so a recording is never held as a whole.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from audio_assets.audio.chunk import reblock

Float32 = NDArray[np.float32]

SAMPLE_RATE = 16_000
FRAME_LENGTH = 512
FRAME_S = FRAME_LENGTH / SAMPLE_RATE


class VoiceActivity(Protocol):
    """What plays the role `voice_activity`."""

    def probabilities(self, blocks: Iterable[Float32]) -> Float32:
        """Speech probability of each frame, 0..1.

        Shape:
            - blocks: each ``[m]``, mono at `SAMPLE_RATE`, of any sizes
            - Output: ``[ceil(n / 512)]`` for n samples in all
        """
        ...


class SileroVoiceActivity:
    """Silero VAD, from the ONNX file in the `silero-vad` wheel; needs neither network nor torch.

    Raises:
        FileNotFoundError: the wheel is not installed, or is of a version without the file.
    """

    name = "silero-vad"
    revision = importlib.metadata.version("silero-vad")
    licence = "MIT"

    def __init__(self) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            _model_file(), options, providers=["CPUExecutionProvider"]
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

_MODEL = "silero_vad_16k_sequence.onnx"


def _model_file() -> Path:
    # Not through the package itself: importing it imports torch and sets its number of threads.
    spec = importlib.util.find_spec("silero_vad")
    folders = spec.submodule_search_locations if spec else None
    file = Path(folders[0], "data", _MODEL) if folders else None
    if file is None or not file.is_file():
        found = f"version {SileroVoiceActivity.revision}" if folders else "no such package"
        raise FileNotFoundError(
            f"silero-vad: found {found}, without {_MODEL}; wanted 6.2.3 or newer: "
            "pip install -c constraints.txt silero-vad"
        )
    return file


@dataclass(frozen=True)
class Segment:
    """A stretch of time, in seconds."""

    start_s: float
    end_s: float


def speech_segments(
    probabilities: Float32 | Sequence[float],
    duration_s: float,
    *,
    threshold: float = 0.5,
    hysteresis: float = 0.15,
    min_speech_s: float = 0.25,
    min_silence_s: float = 0.1,
    pad_s: float = 0.03,
) -> list[Segment]:
    """Segments of speech, in order, apart from one another; the same as Silero's own.

    Speech begins with a frame that reaches `threshold` and ends with one below
    ``threshold - hysteresis``, unless it begins again before `min_silence_s` have passed.

    Args:
        probabilities: ``[n]`` of consecutive frames of `FRAME_S`.
        duration_s: length of the recording, which no segment exceeds.
        threshold: least probability that speech begins with.
        hysteresis: how far below it speech may sink without ending.
        min_speech_s: what lasts no longer is no speech.
        min_silence_s: pauses shorter than this are part of the speech around them.
        pad_s: added at both ends, but no more than half of a pause.
    """
    spans: list[tuple[float, float]] = []
    start: int | None = None
    quiet: int | None = None
    for index, probability in enumerate(probabilities):
        if probability >= threshold:
            start, quiet = index if start is None else start, None
        elif start is not None and probability < threshold - hysteresis:
            quiet = index if quiet is None else quiet
            if (index - quiet) * FRAME_S >= min_silence_s:
                spans.append((start * FRAME_S, quiet * FRAME_S))
                start = quiet = None
    if start is not None:
        spans.append((start * FRAME_S, duration_s))
    spans = [(start_s, end_s) for start_s, end_s in spans if end_s - start_s > min_speech_s]
    pauses_s = [after[0] - before[1] for before, after in itertools.pairwise(spans)]
    pads_s = [pad_s, *(min(pad_s, pause_s / 2) for pause_s in pauses_s), pad_s]
    return [
        Segment(max(0.0, start_s - before_s), min(duration_s, end_s + after_s))
        for (start_s, end_s), (before_s, after_s) in zip(spans, itertools.pairwise(pads_s), strict=False)
    ]
