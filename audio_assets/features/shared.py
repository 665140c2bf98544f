"""What several families read, as functions of a `Signal` that are computed once for each.

Call them through `Signal.once`, so that decode, resampling, the spectrogram, onsets and beats are done
once however many families ask: ``signal.once(frames)``.
"""

from __future__ import annotations

from audio_assets.audio.signal import Signal
from audio_assets.features import beats, constant_q, hpcp, onsets
from audio_assets.features.frames import Frames, describe_frames
from audio_assets.features.pulse import Pulse, extract_pulse
from audio_assets.features.spectrogram import ANALYSIS_RATE, Float32


def frames(signal: Signal) -> Frames:
    """The descriptors of every frame."""
    return describe_frames(signal.mono(ANALYSIS_RATE))


def rises(signal: Signal) -> Float32:
    """The rise of every mel band, ``[frames, N_MELS]``."""
    return onsets.band_rises(signal.once(frames).mel_power)


def accents(signal: Signal) -> Float32:
    """The onset envelopes of bass, middle and treble, ``[frames, 3]``."""
    return beats.band_accents(signal.once(rises))


def detected_onsets(signal: Signal) -> onsets.Onsets:
    """The onsets."""
    return onsets.detect_onsets(signal.once(rises).mean(axis=1))


def pulse(signal: Signal) -> Pulse:
    """Essentia's beats and tempo."""
    return extract_pulse(signal.mono(ANALYSIS_RATE))


def pitch_classes(signal: Signal) -> hpcp.PitchClasses:
    """Tuning and HPCP."""
    return hpcp.pitch_classes(signal.mono(constant_q.SAMPLE_RATE))


def constant_q_magnitudes(signal: Signal) -> Float32:
    """The constant-Q transform at the signal's own tuning, ``[frames, N_BINS]``."""
    a4_hz = signal.once(pitch_classes).a4_hz or constant_q.A4_HZ
    return constant_q.constant_q(signal.mono(constant_q.SAMPLE_RATE), a4_hz)
