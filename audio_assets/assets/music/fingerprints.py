"""`audio_fingerprints`: what tells whether two files hold the same recording."""

from __future__ import annotations

from typing import Any

from audio_assets.assets.catalog import TRACK
from audio_assets.audio.signal import Signal
from audio_assets.engine import FLOAT, INTEGER, Column, NotApplicable, Table, item_asset
from audio_assets.features.audio_fingerprint import STEP_S, audio_fingerprint
from audio_assets.features.spectrogram import ANALYSIS_RATE

AUDIO_FINGERPRINTS = Table(
    "audio_fingerprints",
    item=TRACK,
    doc="Chromaprint of the track, for `duplicates`.",
    columns=[
        Column("words", INTEGER, low=0, high=2**32 - 1, length="any", doc="32-bit words in order of time"),
        Column("step_s", FLOAT, unit="s", doc="Time from one word to the next"),
    ],
)


@item_asset(table=AUDIO_FINGERPRINTS, group="features", code_version="1")
def audio_fingerprints(track: Signal) -> dict[str, Any]:
    words = audio_fingerprint(track.mono(ANALYSIS_RATE))
    if not words.any():
        raise NotApplicable("silent, or too short for a fingerprint")
    return {"words": words.tolist(), "step_s": STEP_S}
