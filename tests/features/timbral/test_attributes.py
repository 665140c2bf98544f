"""What each attribute must do on signals built to differ in it, and on signals that have none."""

from __future__ import annotations

from dataclasses import asdict, fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import butter, sosfilt

from audio_assets.features import timbral
from audio_assets.features.timbral import Timbre, measure_timbre
from audio_assets.features.timbral.sound import prepare
from tests.features.timbral import signals

RATE = 44100
ATTRIBUTES = [field.name for field in fields(Timbre)]
NOTHING = Timbre(*[None] * len(ATTRIBUTES))


def noise(duration_s=1.0, seed=0):
    return np.random.default_rng(seed).standard_normal(round(duration_s * RATE))


def filtered(samples, kind, cutoff_hz):
    return sosfilt(butter(4, cutoff_hz, kind, fs=RATE, output="sos"), samples)


@pytest.mark.parametrize("measure", [timbral.measure_brightness, timbral.measure_sharpness])
def test_noise_is_brighter_and_sharper_the_higher_it_lies(measure):
    dull, white, bright = (
        measure(samples, RATE)
        for samples in (filtered(noise(), "low", 1000), noise(), filtered(noise(), "high", 4000))
    )
    assert dull + 5 < white < bright


def test_a_tone_beaten_at_70_hz_is_rough_and_a_pure_one_is_not():
    pure, beaten = signals.sine(1000, 1, RATE), signals.am_tone(1000, 70, 1, RATE)
    assert timbral.measure_roughness(pure, RATE) == 0
    assert timbral.measure_roughness(beaten, RATE) > 40


def test_two_tones_a_semitone_apart_are_rough_and_two_octaves_apart_smooth():
    low, semitone, octaves = (signals.sine(hz, 1, RATE) for hz in (440, 466.16, 1760))
    assert timbral.measure_roughness(low + semitone, RATE) > 30
    assert timbral.measure_roughness(low + octaves, RATE) == 0


def test_a_struck_note_is_harder_than_one_that_fades_in():
    note = signals.saw_chord([220.0], 1, RATE)
    t = signals.seconds(1, RATE)
    struck, bowed = note * np.exp(-t / 0.3), note * np.minimum(t / 0.6, 1)
    assert timbral.measure_hardness(struck, RATE) > timbral.measure_hardness(bowed, RATE) + 5


def test_a_low_long_note_is_deeper_than_a_high_short_one():
    low, high = (signals.pluck(np.random.default_rng(0), hz, 2, RATE) for hz in (65.41, 1046.5))
    assert timbral.measure_depth(low, RATE) > timbral.measure_depth(high, RATE) + 20


def test_a_tone_booms_the_more_the_lower_it_is_and_a_high_one_not_at_all():
    low, middle, high = (timbral.measure_booming(signals.sine(hz, 1, RATE), RATE) for hz in (60, 440, 5000))
    assert low > middle + 20
    assert high == 0


def test_a_low_passed_chord_is_warmer_than_noise():
    chord = filtered(signals.saw_chord([110.0, 138.59, 164.81], 1, RATE), "low", 500)
    assert timbral.measure_warmth(chord, RATE) > timbral.measure_warmth(noise(), RATE) + 20


def test_a_longer_room_is_more_reverberant():
    rng = np.random.default_rng(0)
    dry = signals.bursts(rng, 6, RATE)
    rooms = [signals.reverberant(rng, dry, rt60_s, RATE) for rt60_s in (0.25, 0.7, 1.2)]
    short, medium, long = (timbral.measure_reverberation(room, RATE) for room in rooms)
    assert 29 < short < medium - 20 < long - 25 < 87


def test_gain_changes_nothing_above_the_gate_and_nothing_is_left_below_it():
    samples, rate = signals.build("mix_quiet_start")
    loud = asdict(measure_timbre(samples, rate))
    assert asdict(measure_timbre(samples * 0.01, rate)) == pytest.approx(loud, abs=0.01)
    assert measure_timbre(samples * 1e-5, rate) == NOTHING


def test_a_peak_is_not_normalised_beyond_full_scale():
    """A lone click would have to be louder than full scale for -24 LUFS."""
    click = np.zeros(RATE)
    click[RATE // 2] = 0.1
    assert np.max(np.abs(prepare(click, RATE).samples)) == 1


@pytest.mark.parametrize("samples", [[], [0.5], np.zeros(RATE), noise(0.049), 1e-5 * noise()])
def test_silence_and_less_than_50_ms_have_no_timbre(samples):
    assert measure_timbre(samples, RATE) == NOTHING


def test_50_ms_have_a_timbre_but_no_reverberation():
    timbre = asdict(measure_timbre(noise(0.05), RATE))
    assert timbre.pop("reverberation") is None
    assert None not in timbre.values()


def test_a_sound_in_the_last_moments_of_silence_is_heard():
    samples = np.concatenate([np.zeros(3 * RATE), noise(0.045)])
    assert timbral.measure_brightness(samples, RATE) == pytest.approx(
        timbral.measure_brightness(noise(), RATE), abs=1
    )


def test_a_click_that_no_whole_frame_reaches_has_no_brightness_instead_of_a_number():
    click = np.zeros(RATE)
    click[-1] = 1
    timbre = measure_timbre(click, RATE)
    assert (timbre.brightness, timbre.depth, timbre.hardness, timbre.warmth) == (None, None, None, None)
    assert timbre.roughness == 0


def test_a_constant_has_no_notes_to_be_warm():
    assert timbral.measure_warmth(np.ones(RATE), RATE) is None


def test_one_attribute_alone_is_the_same_as_among_all():
    samples, rate = signals.build("reverb_drums")
    alone = {name: getattr(timbral, f"measure_{name}")(samples, rate) for name in ATTRIBUTES}
    assert Timbre(**alone) == measure_timbre(samples, rate)


@pytest.mark.parametrize(
    ("samples", "rate", "message"),
    [
        (np.zeros((2, RATE)), RATE, r"shape \(2, 44100\); wanted \[n\]"),
        (np.full(RATE, np.nan), RATE, "NaN or infinity; wanted finite"),
        (np.ones(RATE), 0, "sample_rate is 0; wanted a positive"),
    ],
)
def test_what_is_no_mono_signal_is_refused(samples, rate, message):
    with pytest.raises(ValueError, match=message):
        measure_timbre(samples, rate)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    span=st.tuples(st.floats(0.05, 0.6), st.sampled_from([8000, 22050, 44100, 48000, 96000])),
    tilt=st.floats(-3, 2),
    decay_s=st.floats(0.005, 2),
    density=st.sampled_from([1.0, 0.01, 0.001]),
)
def test_every_value_is_none_or_between_0_and_100(seed, span, tilt, decay_s, density):
    duration_s, rate = span
    rng = np.random.default_rng(seed)
    size = int(np.ceil(duration_s * rate))
    spectrum = np.fft.rfft(rng.standard_normal(size) * (rng.random(size) < density))
    coloured = np.fft.irfft(spectrum * np.arange(1.0, spectrum.size + 1) ** tilt, size)
    samples = coloured * np.exp(-np.arange(size) / rate / decay_s)
    samples /= max(np.max(np.abs(samples)), 1e-9)
    for value in asdict(measure_timbre(samples, rate)).values():
        assert value is None or 0 <= value <= 100
