"""Features of tracks that need neither stems nor downloaded weights, one table per family.

Each asset is a thin call of the pure functions in `audio_assets.features`, which say how everything is
defined. They stand in one bundle: a track is decoded once for all of them, and what they share
(`features.shared`) is computed once. NULL means that a value has no answer for the track, such as the
loudness of silence.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from audio_assets.assets.catalog import TRACK
from audio_assets.audio.signal import Signal
from audio_assets.backends.beats import BEATS_ROLE, BeatTracker
from audio_assets.engine import BOOLEAN, FLOAT, INTEGER, TEXT, Column, Table, item_asset
from audio_assets.features import shared
from audio_assets.features.bands import measure_bands
from audio_assets.features.chords import recognise_chords
from audio_assets.features.high_level import atonality, danceability
from audio_assets.features.levels import dynamic_complexity, measure_levels, measure_stereo
from audio_assets.features.loudness import measure_loudness
from audio_assets.features.onsets import Onsets, summarise_onsets
from audio_assets.features.pulse import measure_agreement
from audio_assets.features.rhythm import measure_rhythm
from audio_assets.features.saturation import measure_saturation
from audio_assets.features.spectral import summarise_spectrum
from audio_assets.features.spectrogram import ANALYSIS_RATE
from audio_assets.features.tempo import measure_tempo
from audio_assets.features.tonal import (
    chroma_frames,
    estimate_key,
    mean_chroma,
    mean_hpcp,
    tonal_interval_vector,
)

Row = dict[str, Any]

GROUP = "features"

LOUDNESS = Table(
    "loudness",
    item=TRACK,
    doc="Loudness to EBU R 128, peaks, dynamics and stereo image of the full mix.",
    columns=[
        Column("lufs", FLOAT, unit="LUFS", low=-70, high=20, doc="Integrated loudness, ITU-R BS.1770-4"),
        Column("lra", FLOAT, unit="LU", low=0, high=100, doc="Loudness range, EBU Tech 3342"),
        Column("true_peak_dbtp", FLOAT, unit="dBTP", high=40, doc="True peak, ITU-R BS.1770-4 annex 2"),
        Column("sample_peak_dbfs", FLOAT, unit="dBFS", high=40, doc="Largest sample magnitude"),
        Column("crest_factor_db", FLOAT, unit="dB", low=0, doc="Sample peak over RMS of all channels"),
        Column("dynamic_complexity", FLOAT, unit="dB", low=0, doc="Mean deviation of the loudness, Essentia"),
        Column("stereo_width", FLOAT, low=0, high=1, doc="Energy of side over mid + side; 0 is mono"),
        Column("stereo_correlation", FLOAT, low=-1, high=1, doc="Correlation of left and right"),
    ],
)

BEATS = Table(
    "beats",
    item=TRACK,
    rows="many",
    doc="Beats in order of time; no rows where there is no beat.",
    columns=[
        Column("time_s", FLOAT, unit="s", low=0, nullable=False, doc="Time of the beat"),
        Column("beat_in_bar", INTEGER, low=1, doc="1 for the downbeat; NULL where the bar is unclear"),
        Column("is_downbeat", BOOLEAN, doc="First beat of a bar; NULL where the bar is unclear"),
        Column("tracker", TEXT, nullable=False, doc="What found the beats: essentia or beat_this"),
    ],
)

TEMPO = Table(
    "tempo",
    item=TRACK,
    doc="Tempo and regularity of the beats.",
    columns=[
        Column("bpm", FLOAT, unit="bpm", low=40, high=300, doc="60 over the mean inter-beat interval"),
        Column("bpm_essentia", FLOAT, unit="bpm", low=0, high=300, doc="RhythmExtractor2013's own figure"),
        Column("bpm_beat_this", FLOAT, unit="bpm", low=0, high=300, doc="As bpm, of beat_this; else NULL"),
        Column("bpm_is_defined", BOOLEAN, nullable=False, doc="Enough beats, regular enough for a tempo"),
        Column("beat_count", INTEGER, low=0, nullable=False, doc="Number of beats"),
        Column("beat_regularity_s", FLOAT, unit="s", low=0, doc="Standard deviation of inter-beat intervals"),
        Column(
            "tempo_confidence",
            FLOAT,
            low=0,
            high=5.33,
            doc="Agreement of five beat trackers; above 1.5 the beat is clear",
        ),
    ],
)

ONSETS = Table(
    "onsets",
    item=TRACK,
    doc="Onsets, and how many and how strong they are.",
    columns=[
        Column("onset_count", INTEGER, low=0, nullable=False, doc="Number of onsets"),
        Column("onset_density_hz", FLOAT, unit="Hz", low=0, high=50, doc="Onsets per second"),
        Column("onset_strength_mean", FLOAT, unit="B", low=0, high=10, doc="Mean rise of level at onsets"),
        Column("onset_strength_std", FLOAT, unit="B", low=0, high=10, doc="Its standard deviation"),
        Column("times_s", FLOAT, unit="s", low=0, length="any", doc="Times of the onsets"),
        Column("strengths", FLOAT, unit="B", low=0, high=10, length="any", doc="Rise of level at each onset"),
    ],
)

RHYTHM = Table(
    "rhythm",
    item=TRACK,
    doc="How onsets stand to the beats and to one another.",
    columns=[
        Column("syncopation", FLOAT, low=0, high=1, doc="Share of onset strength over 70 ms from a beat"),
        Column("on_beat_ratio", FLOAT, low=0, high=1, doc="Share of onsets within 70 ms of a beat"),
        Column("rhythmic_complexity", FLOAT, low=0, high=1, doc="Entropy and variation of onset intervals"),
        Column("rhythmic_evenness", FLOAT, low=0, high=1, doc="1 / (1 + variation of onset intervals)"),
        Column("ioi_mean_s", FLOAT, unit="s", low=0, doc="Mean inter-onset interval"),
        Column("ioi_std_s", FLOAT, unit="s", low=0, doc="Standard deviation of inter-onset intervals"),
    ],
)

SPECTRAL = Table(
    "spectral",
    item=TRACK,
    doc="Spectral shape: medians over the audible frames (2048 samples every 512 at 44.1 kHz).",
    columns=[
        Column("spectral_flatness", FLOAT, low=0, high=1, doc="Geometric over arithmetic mean of the power"),
        Column("spectral_flux", FLOAT, low=0, high=1.4143, doc="Distance of successive unit-norm spectra"),
        Column("spectral_skewness", FLOAT, doc="Third standardised moment over frequency"),
        Column("spectral_kurtosis", FLOAT, low=0, doc="Fourth standardised moment over frequency"),
        Column("spectral_centroid_hz", FLOAT, unit="Hz", low=0, high=22050, doc="Mean frequency"),
        Column("spectral_bandwidth_hz", FLOAT, unit="Hz", low=0, high=22050, doc="Its standard deviation"),
        Column("spectral_rolloff_hz", FLOAT, unit="Hz", low=0, high=22050, doc="85 % of the energy is below"),
    ],
)

SATURATION = Table(
    "saturation",
    item=TRACK,
    doc="Clipping: runs of three and more samples at full scale.",
    columns=[
        Column("saturation_ratio", FLOAT, low=0, high=1, doc="Share of samples in such runs"),
        Column("saturation_count", INTEGER, low=0, nullable=False, doc="Number of such runs"),
    ],
)

BAND_RMS = Table(
    "band_rms",
    item=TRACK,
    doc="RMS level of four bands (order-5 Butterworth); NULL below -144 dB.",
    columns=[
        Column("rms_energy_bass_db", FLOAT, unit="dB", low=-144, high=40, doc="20 to 120 Hz"),
        Column("rms_energy_body_db", FLOAT, unit="dB", low=-144, high=40, doc="120 to 600 Hz"),
        Column("rms_energy_mid_db", FLOAT, unit="dB", low=-144, high=40, doc="600 to 2500 Hz"),
        Column("rms_energy_air_db", FLOAT, unit="dB", low=-144, high=40, doc="2500 to 22000 Hz"),
    ],
)

TONAL = Table(
    "tonal",
    item=TRACK,
    doc="Pitch-class content, tuning and key of the full mix; pitch class 0 is C.",
    columns=[
        Column("chroma", FLOAT, low=0, high=1, length=12, doc="Mean constant-Q chroma, C1 to B7, of sum 1"),
        Column("hpcp", FLOAT, low=0, high=1, length=12, doc="Mean harmonic pitch-class profile"),
        Column(
            "tiv", FLOAT, low=-1, high=1, length=12, doc="Tonal interval vector: Re T1, Im T1 .. Re T6, Im T6"
        ),
        Column("tonic", INTEGER, low=0, high=11, doc="Pitch class of the key's tonic"),
        Column("tonic_strength", FLOAT, low=0, high=1, doc="Mean HPCP of the tonic"),
        Column("key", TEXT, doc="The tonic's name, e.g. Eb"),
        Column("scale", TEXT, doc="major or minor"),
        Column("key_strength", FLOAT, low=0, high=1, doc="Correlation with the key's profile (edma)"),
        Column("tuning_hz", FLOAT, unit="Hz", low=427, high=453, doc="Frequency of A4; NULL where unclear"),
    ],
)

CHORDS = Table(
    "chords",
    item=TRACK,
    rows="many",
    doc="Chords in order of time, in mir_eval's notation; they change on beats.",
    columns=[
        Column("start_s", FLOAT, unit="s", low=0, nullable=False, doc="Start"),
        Column("end_s", FLOAT, unit="s", low=0, nullable=False, doc="End, the start of the next"),
        Column("chord", TEXT, nullable=False, doc="C:maj, A:min, B:dim, ..; N for none"),
        Column("strength", FLOAT, low=0, high=1, doc="Cosine similarity to the chord; NULL for N"),
    ],
)

HIGH_LEVEL = Table(
    "high_level",
    item=TRACK,
    doc="Danceability and atonality by classical methods; see `features.high_level`.",
    columns=[
        Column("danceability", FLOAT, low=0, high=1, doc="Detrended fluctuation analysis, Essentia / 3"),
        Column("atonality", FLOAT, low=0, high=1, doc="1 - diatonicity of the HPCP"),
    ],
)


@item_asset(table=LOUDNESS, group=GROUP, code_version="1")
def loudness(track: Signal) -> Row:
    channels = track.samples if len(track.samples) <= 2 else track.stereo()
    return {
        **asdict(measure_loudness(channels, track.sample_rate)),
        **asdict(measure_levels(track.samples, track.sample_rate)),
        "dynamic_complexity": dynamic_complexity(track.mono(ANALYSIS_RATE)),
        **asdict(measure_stereo(track.stereo())),
    }


@item_asset(table=BEATS, group=GROUP, code_version="2", roles=(BEATS_ROLE,))
def beats(track: Signal, *, beats: BeatTracker) -> list[Row]:
    found = beats.beats(track)
    return [
        {
            "time_s": time_s,
            "beat_in_bar": position,
            "is_downbeat": position == 1 if position else None,
            "tracker": beats.name,
        }
        for time_s, position in zip(found.times_s.tolist(), found.positions, strict=True)
    ]


@item_asset(table=TEMPO, group=GROUP, code_version="2")
def tempo(track: Signal, beats: list[Row]) -> Row:
    pulse = track.once(shared.pulse)
    measured = measure_tempo(_column(beats, "time_s"))
    is_beat_this = any(beat["tracker"] == "beat_this" for beat in beats)
    return {
        **asdict(measured),
        "bpm_essentia": pulse.bpm,
        "bpm_beat_this": measured.bpm if is_beat_this else None,
        "tempo_confidence": measure_agreement(pulse, track.once(shared.accents)),
    }


@item_asset(table=ONSETS, group=GROUP, code_version="1")
def onsets(track: Signal) -> Row:
    detected = track.once(shared.detected_onsets)
    return {
        **asdict(summarise_onsets(detected, track.duration_s)),
        "times_s": detected.times_s.tolist(),
        "strengths": detected.strengths.tolist(),
    }


@item_asset(table=RHYTHM, group=GROUP, code_version="1")
def rhythm(track: Signal, onsets: Row, beats: list[Row]) -> Row:
    detected = Onsets(np.array(onsets["times_s"], float), np.array(onsets["strengths"], float))
    return asdict(measure_rhythm(detected, _column(beats, "time_s")))


@item_asset(table=SPECTRAL, group=GROUP, code_version="1")
def spectral(track: Signal) -> Row:
    return asdict(summarise_spectrum(track.once(shared.frames)))


@item_asset(table=SATURATION, group=GROUP, code_version="1")
def saturation(track: Signal) -> Row:
    return asdict(measure_saturation(track.samples))


@item_asset(table=BAND_RMS, group=GROUP, code_version="1")
def band_rms(track: Signal) -> Row:
    return asdict(measure_bands(track.mono(ANALYSIS_RATE)))


@item_asset(table=TONAL, group=GROUP, code_version="1")
def tonal(track: Signal) -> Row:
    pitch_classes = track.once(shared.pitch_classes)
    hpcp = mean_hpcp(pitch_classes.hpcp)
    key = estimate_key(track.mono(ANALYSIS_RATE))
    return {
        "chroma": mean_chroma(chroma_frames(track.once(shared.constant_q_magnitudes))),
        "hpcp": hpcp,
        "tiv": tonal_interval_vector(hpcp) if hpcp else None,
        "tonic": key.tonic if key else None,
        "tonic_strength": hpcp[key.tonic] if key and hpcp else None,
        "key": key.name if key else None,
        "scale": key.scale if key else None,
        "key_strength": key.strength if key else None,
        "tuning_hz": pitch_classes.a4_hz,
    }


@item_asset(table=CHORDS, group=GROUP, code_version="2")
def chords(track: Signal, beats: list[Row]) -> list[Row]:
    magnitudes = track.once(shared.constant_q_magnitudes)
    downbeats_s = _column([beat for beat in beats if beat["is_downbeat"]], "time_s")
    recognised = recognise_chords(magnitudes, _column(beats, "time_s"), track.duration_s, downbeats_s)
    return [asdict(chord) for chord in recognised]


@item_asset(table=HIGH_LEVEL, group=GROUP, code_version="1")
def high_level(track: Signal, tonal: Row) -> Row:
    return {
        "danceability": danceability(track.mono(ANALYSIS_RATE)),
        "atonality": atonality(tonal["hpcp"]) if tonal["hpcp"] else None,
    }


def _column(rows: list[Row], name: str) -> np.ndarray:
    return np.array([row[name] for row in rows], float)
