"""Timbre, 0..100: brightness, roughness, hardness, depth, booming, reverberation, sharpness, warmth.

These are the AudioCommons timbral models (Pearce, Brookes & Mason, University of Surrey): regressions from
features of the signal to ratings by listeners, with the features and coefficients of `timbral_models` 0.4
(Apache-2.0). The tests hold them to the values that this package gives.

Each attribute has a module with its model, a function of a `Sound`: the samples made equally loud, with the
analyses that several attributes share. A model gives the plain regression; `measure` clips it to the scale.
"""

from audio_assets.features.timbral.measure import (
    Timbre,
    measure_booming,
    measure_brightness,
    measure_depth,
    measure_hardness,
    measure_reverberation,
    measure_roughness,
    measure_sharpness,
    measure_timbre,
    measure_warmth,
)

__all__ = [
    "Timbre",
    "measure_booming",
    "measure_brightness",
    "measure_depth",
    "measure_hardness",
    "measure_reverberation",
    "measure_roughness",
    "measure_sharpness",
    "measure_timbre",
    "measure_warmth",
]
