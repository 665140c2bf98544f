"""`timbre`: the eight AudioCommons timbral attributes of a track."""

from __future__ import annotations

from dataclasses import asdict

from audio_assets.assets.catalog import TRACK
from audio_assets.audio.signal import Signal
from audio_assets.engine import FLOAT, Column, NotApplicable, Table, item_asset
from audio_assets.features.spectrogram import ANALYSIS_RATE


def _attribute(name: str, doc: str) -> Column:
    return Column(name, FLOAT, low=0, high=100, doc=doc)


TIMBRE = Table(
    "timbre",
    item=TRACK,
    doc="Timbral attributes by the AudioCommons models 0.4, from 0 to 100.",
    columns=[
        _attribute("brightness", "Share of high frequencies and spectral centroid"),
        _attribute("roughness", "Beating of neighbouring partials (Vassilakis)"),
        _attribute("hardness", "Strength and brightness of attacks"),
        _attribute("depth", "Weight and length of low notes"),
        _attribute("booming", "Specific loudness of the low Bark bands"),
        _attribute("reverberation", "Logistic of RT60; NULL where no decay can be measured"),
        _attribute("sharpness", "Weighted specific loudness (Fastl)"),
        _attribute("warmth", "Energy around the low partials and decay of the high ones"),
    ],
)


@item_asset(table=TIMBRE, group="features", code_version="1")
def timbre(track: Signal) -> dict[str, float | None]:
    """Measured on the mono mix at 44.1 kHz: at higher rates the models hear ultrasound."""
    from audio_assets.features.timbral import measure_timbre

    attributes = asdict(measure_timbre(track.mono(ANALYSIS_RATE), ANALYSIS_RATE))
    if all(value is None for value in attributes.values()):
        raise NotApplicable("silent, or too short for the timbral models")
    return attributes
