"""Segments of speech, from the probabilities of frames."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from audio_assets.backends.voice_activity import FRAME_S, Float32


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
