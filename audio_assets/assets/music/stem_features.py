"""Features of single stems: loudness, rhythm of onsets, harmonic change.

Thin calls of the same pure functions as for the mix (`audio_assets.features`). A stem is decoded once for
all of them, mixed down to mono. The columns of a silent stem are NULL; where all stems of a table are
silent it is not applicable. Beats are those of the mix.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from audio_assets.assets.catalog import TRACK
from audio_assets.assets.music.stems import GROUP, mono_stem, need_sound
from audio_assets.audio.signal import Signal
from audio_assets.engine import FLOAT, Column, Table, item_asset
from audio_assets.features import shared
from audio_assets.features.rhythm import measure_onset_density, measure_rhythm
from audio_assets.features.tonal import chroma_frames, measure_harmonic_change
from audio_assets.resources.objects import Objects

Row = dict[str, Any]

BUNDLE = "stem_features"
MEMORY_LIMIT_GIB = 16.0

LOUD = ("bass", "drums", "other", "vocals")
RHYTHMIC = ("bass", "drums", "other")
HARMONIC = ("bass", "other")


def _loudness_columns(stem: str) -> list[Column]:
    return [
        Column(f"lufs_{stem}", FLOAT, unit="LUFS", low=-70, high=20, doc=f"Integrated loudness of {stem}"),
        Column(f"lra_{stem}", FLOAT, unit="LU", low=0, high=100, doc=f"Loudness range of {stem}"),
    ]


def _rhythm_columns(stem: str) -> list[Column]:
    return [
        Column(
            f"onset_density_average_{stem}",
            FLOAT,
            unit="Hz",
            low=0,
            high=50,
            doc=f"Onsets of {stem} per second, mean over windows of 4 s that overlap by half",
        ),
        Column(
            f"onset_density_variance_{stem}",
            FLOAT,
            unit="Hz²",
            low=0,
            high=625,
            doc="Variance over these windows",
        ),
        Column(
            f"syncopation_{stem}", FLOAT, low=0, high=1, doc="Share of onset strength over 70 ms from a beat"
        ),
        Column(
            f"rhythmic_complexity_{stem}",
            FLOAT,
            low=0,
            high=1,
            doc="Entropy and variation of onset intervals",
        ),
        Column(
            f"rhythmic_evenness_{stem}", FLOAT, low=0, high=1, doc="1 / (1 + variation of onset intervals)"
        ),
    ]


def _harmony_columns(stem: str) -> list[Column]:
    return [
        Column(
            f"harmonic_movement_{stem}",
            FLOAT,
            low=0,
            high=1,
            doc=f"Mean distance of successive chroma frames of {stem}",
        ),
        Column(
            f"harmonic_variance_{stem}", FLOAT, low=0, high=1, doc="Mean variance of its pitch classes / 0.1"
        ),
    ]


STEM_LOUDNESS = Table(
    "stem_loudness",
    item=TRACK,
    doc="Loudness to EBU R 128 of each stem; NULL for a silent one.",
    columns=[column for stem in LOUD for column in _loudness_columns(stem)],
)

STEM_RHYTHM = Table(
    "stem_rhythm",
    item=TRACK,
    doc="Onsets of each stem against the beats of the mix; NULL for a silent one.",
    columns=[column for stem in RHYTHMIC for column in _rhythm_columns(stem)],
)

STEM_HARMONY = Table(
    "stem_harmony",
    item=TRACK,
    doc="How much the harmony of bass and other moves; NULL for a silent one.",
    columns=[column for stem in HARMONIC for column in _harmony_columns(stem)],
)


@item_asset(table=STEM_LOUDNESS, group=GROUP, bundle=BUNDLE, code_version="1")
def stem_loudness(track: Signal, stems: list[Row]) -> Row:
    need_sound(stems, *LOUD)
    sounding = {row["stem"]: row for row in stems if not row["is_silent"]}
    return {
        f"{measure}_{stem}": sounding[stem][measure] if stem in sounding else None
        for stem in LOUD
        for measure in ("lufs", "lra")
    }


@item_asset(
    table=STEM_RHYTHM, group=GROUP, bundle=BUNDLE, code_version="1", memory_limit_gib=MEMORY_LIMIT_GIB
)
def stem_rhythm(track: Signal, stems: list[Row], beats: list[Row], *, objects: Objects) -> Row:
    need_sound(stems, *RHYTHMIC)
    row: Row = dict.fromkeys(column.name for column in STEM_RHYTHM.columns)
    beats_s = np.array([beat["time_s"] for beat in beats], float)
    for stem in RHYTHMIC:
        signal = mono_stem(track, stems, stem, objects)
        if signal is None:
            continue
        onsets = signal.once(shared.detected_onsets)
        rhythm = measure_rhythm(onsets, beats_s)
        density = measure_onset_density(onsets.times_s, signal.duration_s)
        row |= {f"{name}_{stem}": value for name, value in asdict(density).items()}
        row[f"syncopation_{stem}"] = rhythm.syncopation
        row[f"rhythmic_complexity_{stem}"] = rhythm.rhythmic_complexity
        row[f"rhythmic_evenness_{stem}"] = rhythm.rhythmic_evenness
    return row


@item_asset(
    table=STEM_HARMONY, group=GROUP, bundle=BUNDLE, code_version="1", memory_limit_gib=MEMORY_LIMIT_GIB
)
def stem_harmony(track: Signal, stems: list[Row], *, objects: Objects) -> Row:
    need_sound(stems, *HARMONIC)
    row: Row = dict.fromkeys(column.name for column in STEM_HARMONY.columns)
    for stem in HARMONIC:
        signal = mono_stem(track, stems, stem, objects)
        if signal is None:
            continue
        change = measure_harmonic_change(chroma_frames(signal.once(shared.constant_q_magnitudes)))
        row |= {f"{name}_{stem}": value for name, value in asdict(change).items()}
    return row
