"""`crops` and `crop_features`: stretches of a track for training, and what is measured in each.

Where tracks are cut is in `features.crops`. The features of a crop are those of its track's tables, from
the same functions: everything that needs neither stems nor weights, except the timbral attributes (their
models are made for whole tracks and cost more than all of this) and what a beat tracker says of itself.
A crop shares its track's analyses and beats. They stand in the bundle of the track's features, so a track
is decoded and analysed once for both.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from audio_assets.assets.catalog import TRACK
from audio_assets.assets.music import features
from audio_assets.audio.signal import Signal
from audio_assets.engine import FLOAT, INTEGER, TEXT, Column, Table, item_asset
from audio_assets.features.crops import Crop, CropSignal, Cut, cut_crops, is_within
from audio_assets.features.tempo import measure_tempo

Row = dict[str, Any]

GROUP = "crops"
BUNDLE = "track_features"

CROP_INDEX = Column("crop_index", INTEGER, low=0, nullable=False, doc="Number of the crop in its track")

CROPS = Table(
    "crops",
    item=TRACK,
    rows="many",
    doc="Crops for training, in order of time, cut on downbeats where there are any.",
    columns=[
        CROP_INDEX,
        Column("start_s", FLOAT, unit="s", low=0, nullable=False, doc="Start"),
        Column("end_s", FLOAT, unit="s", low=0, nullable=False, doc="End; the first sample after it"),
        Column("position_in_file", FLOAT, low=0, high=1, nullable=False, doc="Start as a share of the track"),
        Column(
            "cut_on",
            TEXT,
            nullable=False,
            doc="downbeats, beats or time (no beat); whole: the track is no longer than a crop",
        ),
        Column("bar_count", INTEGER, low=0, doc="Bars that begin in it; NULL where bars are unclear"),
        Column("beat_count", INTEGER, low=0, nullable=False, doc="Beats in it"),
    ],
)

LEFT_OUT = {"times_s", "strengths", "bpm_essentia", "bpm_beat_this", "tempo_confidence"}
"""Series that the track's own tables hold, and what a beat tracker says of the whole track."""

FAMILIES = (
    features.LOUDNESS,
    features.TEMPO,
    features.ONSETS,
    features.RHYTHM,
    features.SPECTRAL,
    features.SATURATION,
    features.BAND_RMS,
    features.TONAL,
    features.HIGH_LEVEL,
)

CROP_FEATURES = Table(
    "crop_features",
    item=TRACK,
    rows="many",
    doc="Features of each crop, defined as those of tracks in the tables of the same columns.",
    columns=[
        CROP_INDEX,
        *(column for table in FAMILIES for column in table.columns if column.name not in LEFT_OUT),
    ],
)


@item_asset(table=CROPS, group=GROUP, bundle=BUNDLE, code_version="1")
def crops(track: Signal, beats: list[Row], *, length_s: float = 12.0, overlap: float = 0.0) -> list[Row]:
    """Crops of about `length_s`, each repeating the share `overlap` of the one before."""
    beats_s = np.array([beat["time_s"] for beat in beats], float)
    downbeats_s = np.array([beat["time_s"] for beat in beats if beat["is_downbeat"]], float)
    return [
        {
            "crop_index": index,
            "start_s": crop.start_s,
            "end_s": crop.end_s,
            "position_in_file": crop.start_s / track.duration_s,
            "cut_on": crop.cut_on.value,
            "bar_count": int(is_within(downbeats_s, crop).sum()) if len(downbeats_s) else None,
            "beat_count": int(is_within(beats_s, crop).sum()),
        }
        for index, crop in enumerate(cut_crops(track.duration_s, beats_s, downbeats_s, length_s, overlap))
    ]


@item_asset(table=CROP_FEATURES, group=GROUP, bundle=BUNDLE, code_version="1")
def crop_features(track: Signal, crops: list[Row], beats: list[Row]) -> list[Row]:
    """Each crop's features, from its own samples and from its share of the track's analyses."""
    beats_s = np.array([beat["time_s"] for beat in beats], float)
    return [{"crop_index": row["crop_index"], **_measure(track, _crop_of(row), beats_s)} for row in crops]


def _crop_of(row: Row) -> Crop:
    return Crop(row["start_s"], row["end_s"], Cut(row["cut_on"]))


def _measure(track: Signal, crop: Crop, beats_s: np.ndarray) -> Row:
    signal = CropSignal.of(track, crop)
    inside_s = beats_s[is_within(beats_s, crop)] - crop.start_s
    onsets = features.onsets(signal)
    tonal = features.tonal(signal)
    values = {
        **features.loudness(signal),
        **asdict(measure_tempo(inside_s)),
        **onsets,
        **features.rhythm(signal, onsets, [{"time_s": time_s} for time_s in inside_s]),
        **features.spectral(signal),
        **features.saturation(signal),
        **features.band_rms(signal),
        **tonal,
        **features.high_level(signal, tonal),
    }
    return {name: value for name, value in values.items() if name not in LEFT_OUT}
