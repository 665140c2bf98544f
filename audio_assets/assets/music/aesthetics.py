"""`aesthetics`: how a trained listener would rate a track, by a published model."""

from __future__ import annotations

from dataclasses import asdict

from audio_assets.assets.catalog import TRACK
from audio_assets.audio.signal import Signal
from audio_assets.backends.aesthetics import AESTHETICS_ROLE, SAMPLE_RATE, AestheticsJudge
from audio_assets.engine import FLOAT, Column, Table, item_asset

AESTHETICS = Table(
    "aesthetics",
    item=TRACK,
    doc="Ratings from 1 to 10 by Audiobox Aesthetics, means over windows of ten seconds.",
    columns=[
        Column("content_enjoyment", FLOAT, low=1, high=10, doc="How much one enjoys to hear it"),
        Column("content_usefulness", FLOAT, low=1, high=10, doc="How useful as material for new content"),
        Column("production_complexity", FLOAT, low=1, high=10, doc="How many parts it is made of"),
        Column("production_quality", FLOAT, low=1, high=10, doc="Clarity, fidelity, balance, space"),
    ],
)


@item_asset(table=AESTHETICS, group="aesthetics", code_version="1", roles=(AESTHETICS_ROLE,), pool="gpu")
def aesthetics(track: Signal, *, aesthetics: AestheticsJudge) -> dict[str, float]:
    return asdict(aesthetics.rate(track.mono(SAMPLE_RATE)))
