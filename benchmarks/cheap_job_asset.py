"""The cheap job as an item asset, loaded through AUDIO_ASSETS_MODULES."""

from __future__ import annotations

from audio_assets.assets.catalog import TRACK
from audio_assets.audio.signal import Signal
from audio_assets.engine import FLOAT, Column, Table, item_asset
from benchmarks.cheap_job_functions import summarise

CLIP_SUMMARY = Table(
    "clip_summary",
    TRACK,
    [
        Column("duration_s", FLOAT, doc="Length", unit="s"),
        Column("rms", FLOAT, doc="Root mean square of the mono signal"),
        Column("lufs", FLOAT, doc="Integrated loudness", unit="LUFS"),
        Column("centroid_hz", FLOAT, doc="Mean spectral centroid", unit="Hz"),
    ],
)


@item_asset(table=CLIP_SUMMARY, group="benchmark", code_version="1")
def clip_summary(track: Signal) -> dict[str, float]:
    """Four numbers of a clip."""
    return summarise(track.stereo(), track.sample_rate)
