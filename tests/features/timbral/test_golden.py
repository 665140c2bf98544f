"""The attributes against the values of the package they re-implement, stored in `golden.json`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from audio_assets.features.timbral import measure_reverberation, measure_timbre, measure_warmth
from tests.features.timbral.signals import SIGNALS, build

GOLDEN = json.loads(Path(__file__).with_name("golden.json").read_text())["values"]

TOLERANCE = {
    "brightness": 0.001,
    "roughness": 0.05,  # pairs too far apart to matter are left out
    "hardness": 0.1,  # this and the next two: K-weighting as in the standard, where pyloudnorm approximates
    "booming": 0.05,
    "sharpness": 0.05,
    "warmth": 0.1,
    "depth": 0.001,
    "reverberation": 0.01,
}
"""Points of 100."""

RESAMPLED_TOLERANCE = 1.2
"""Below 44.1 kHz: soxr keeps more of the highest 5 % of the band than the package's resampy."""


@pytest.mark.parametrize("name", SIGNALS)
def test_every_attribute_has_the_value_of_the_reference_package(name):
    samples, rate = build(name)
    timbre = asdict(measure_timbre(samples, rate))
    tolerance = TOLERANCE if rate >= 44100 else dict.fromkeys(TOLERANCE, RESAMPLED_TOLERANCE)
    expected = {
        attribute: pytest.approx(min(max(value, 0), 100), abs=tolerance[attribute])
        for attribute, value in GOLDEN[name].items()
        if value is not None
    }
    assert {attribute: timbre[attribute] for attribute in expected} == expected


def test_where_the_package_falls_back_on_a_default_decay_there_is_no_reverberation():
    undecided = [name for name, values in GOLDEN.items() if values["reverberation"] is None]
    assert len(undecided) == 12
    for name in undecided:
        assert measure_reverberation(*build(name)) is None


def test_where_the_package_raises_on_silence_before_a_note_warmth_is_that_of_the_notes():
    assert [name for name, values in GOLDEN.items() if values["warmth"] is None] == [
        "noise_bursts",
        "mix_quiet_start",
        "clicks",
    ]
    assert measure_warmth(*build("mix_quiet_start")) == pytest.approx(GOLDEN["mix"]["warmth"], abs=4)
    assert measure_warmth(*build("noise_bursts")) == pytest.approx(GOLDEN["reverb_03"]["warmth"], abs=4)
