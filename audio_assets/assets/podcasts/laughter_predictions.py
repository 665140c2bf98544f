"""`laughter_predictions`: where someone laughs, by the adopted `laughter_predictor`."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from audio_assets.assets.catalog import EPISODE
from audio_assets.audio.signal import Signal
from audio_assets.engine import FLOAT, TEXT, Column, Table, item_asset
from audio_assets.resources.objects import Objects
from models.laughter.labels import FRAME_RATE_HZ

MIN_GAP_S = 0.2
MIN_DURATION_S = 0.16
THRESHOLD = 0.5

LAUGHTER_PREDICTIONS = Table(
    "laughter_predictions",
    EPISODE,
    [
        Column("user_speaker", TEXT, nullable=False, doc="Whose laughter is told"),
        Column("frame_rate_hz", FLOAT, unit="Hz", nullable=False, doc="Probabilities per second"),
        Column("threshold", FLOAT, low=0, high=1, doc="Probability from which a frame is laughter"),
        Column(
            "probabilities", FLOAT, low=0, high=1, length="any", nullable=False,
            doc="Probability of laughter in each frame",
        ),
        Column("start_s", FLOAT, unit="s", length="any", nullable=False, doc="When each laugh begins"),
        Column("end_s", FLOAT, unit="s", length="any", nullable=False, doc="When it ends"),
        Column(
            "confidence", FLOAT, low=0, high=1, length="any", nullable=False,
            doc="Highest probability within each laugh",
        ),
    ],
    doc="Probability of laughter per frame, and the laughs that follow from it, a row for each speaker. "
    "The view `laughter_events` has a row for each laugh.",
    rows="many",
)  # fmt: skip


@item_asset(
    table=LAUGHTER_PREDICTIONS,
    group="laughter",
    code_version="1",
    model="laughter_predictor",
)
def laughter_predictions(
    episode: Signal, dialogue_frames: list[dict[str, Any]], *, model: Path, objects: Objects
) -> list[dict[str, Any]]:
    """Apply the model to the frames of each speaker."""
    rows = []
    for row in dialogue_frames:
        frames = stored_frames(objects.get(row["frames"]), row["context_frames"])
        rows.append({"user_speaker": row["user_speaker"], **tell_laughter(model, frames)})
    return rows


def tell_laughter(model: Path, frames: Any) -> dict[str, Any]:
    """Probabilities of a speaker's frames by the checkpoint in `model`, and the laughs they make."""
    from models.laughter.events import find_events

    predictor = load_predictor(model)
    threshold = THRESHOLD if predictor.threshold is None else predictor.threshold
    probabilities = predictor.predict(frames)
    laughs = find_events(probabilities, threshold, min_gap_s=MIN_GAP_S, min_duration_s=MIN_DURATION_S)
    return {
        "frame_rate_hz": FRAME_RATE_HZ,
        "threshold": threshold,
        "probabilities": probabilities,
        "start_s": [laugh.start_s for laugh in laughs],
        "end_s": [laugh.end_s for laugh in laughs],
        "confidence": [laugh.confidence for laugh in laughs],
    }


def stored_frames(data: bytes, context: int) -> Any:
    """Frames as the model wants them, from a stored object."""
    from safetensors.numpy import load

    from audio_assets.backends.dialogue_frames.context import ContextFrames

    frames = load(data)["frames"]
    return ContextFrames(frames, context) if context else frames


@lru_cache(maxsize=1)
def load_predictor(folder: Path) -> Any:
    """The model of a checkpoint; the last one is kept."""
    from models.laughter.predictor import LaughterPredictor

    return LaughterPredictor.load(folder)
