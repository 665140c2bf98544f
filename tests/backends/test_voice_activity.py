"""Voice activity: the same as Silero's own code, but streamed and without torch."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import soxr
import torch

from audio_assets.backends.voice_activity import FRAME_LENGTH, SAMPLE_RATE, VOICE_ACTIVITY_ROLE, silero
from audio_assets.backends.voice_activity.segments import Segment, speech_segments
from audio_assets.backends.voice_activity.silero import SileroVoiceActivity
from audio_assets.backends.weights import MissingWeightsError
from audio_assets.demo.voice import Espeak, load_voices


@pytest.fixture(scope="module")
def voice_activity(tmp_path_factory):
    return SileroVoiceActivity(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def speech():
    """A sentence between two seconds of noise, and when it begins and ends."""
    with Espeak() as espeak:
        said = espeak.speak("The quick brown fox jumps over the lazy dog.", load_voices()["vera"])
    samples = soxr.resample(said.samples, said.sample_rate, SAMPLE_RATE)
    noise = np.random.default_rng(0).normal(0, 1e-3, len(samples) + 4 * SAMPLE_RATE).astype(np.float32)
    noise[2 * SAMPLE_RATE : 2 * SAMPLE_RATE + len(samples)] += samples
    return noise, 2 + said.words[0].start_s, 2 + said.words[-1].end_s


def test_probabilities_are_those_of_the_model_frame_by_frame(voice_activity, speech):
    from silero_vad import load_silero_vad

    samples, *_ = speech
    model = load_silero_vad(onnx=True)
    filled = np.pad(samples, (0, -len(samples) % FRAME_LENGTH)).reshape(-1, 1, FRAME_LENGTH)
    expected = [model(torch.from_numpy(frame), SAMPLE_RATE).item() for frame in filled]
    np.testing.assert_allclose(voice_activity.probabilities([samples]), expected, atol=1e-5)


def test_a_sentence_in_noise_is_found_to_a_tenth_of_a_second(voice_activity, speech):
    samples, start_s, end_s = speech
    (found,) = speech_segments(voice_activity.probabilities([samples]), len(samples) / SAMPLE_RATE)
    assert found.start_s == pytest.approx(start_s, abs=0.1)
    assert found.end_s == pytest.approx(end_s, abs=0.15)


def test_how_a_stream_is_cut_changes_nothing(voice_activity, speech):
    samples = np.tile(speech[0], 5)
    whole = voice_activity.probabilities([samples])
    cuts = np.sort(np.random.default_rng(1).integers(0, len(samples), 40))
    np.testing.assert_array_equal(voice_activity.probabilities(np.split(samples, cuts)), whole)
    assert len(whole) == -(-len(samples) // FRAME_LENGTH) > 512


@pytest.mark.parametrize("samples", [0, 1, 511, 512, 513])
def test_every_sample_is_in_a_frame(voice_activity, samples):
    found = voice_activity.probabilities([np.zeros(samples, np.float32)])
    assert len(found) == -(-samples // FRAME_LENGTH)
    assert (found < 0.5).all()


def test_segments_are_those_of_silero():
    from silero_vad.utils_vad import get_speech_timestamps_from_probs

    rng = np.random.default_rng(2)
    for n in (1, 5, 40, 300):
        for smoothness in (1, 5, 20):
            # In a probability's range, crossing both thresholds often; a first frame of 0 because
            # Silero's own code takes a pause that begins with sample 0 for none.
            walk = np.convolve(rng.normal(0, 1, n + smoothness), np.ones(smoothness) / smoothness**0.5)
            probabilities = np.r_[0.0, 1 / (1 + np.exp(-2 * walk[:n]))]
            samples = FRAME_LENGTH * len(probabilities) - 100
            expected = get_speech_timestamps_from_probs(probabilities, audio_length_samples=samples)
            found = speech_segments(probabilities, samples / SAMPLE_RATE)
            assert len(found) == len(expected)
            for segment, other in zip(found, expected, strict=True):
                # Silero rounds the half of a short pause down to a sample.
                assert segment.start_s * SAMPLE_RATE == pytest.approx(other["start"], abs=1)
                assert segment.end_s * SAMPLE_RATE == pytest.approx(other["end"], abs=1)


def test_speech_lasts_until_the_probability_falls_clearly_and_for_long():
    frames = np.repeat([0.1, 0.9, 0.4, 0.9, 0.1, 0.9, 0.1], [20, 20, 20, 20, 3, 20, 20])
    assert speech_segments(frames, 10.0, pad_s=0) == [Segment(20 * 0.032, 103 * 0.032)]
    assert speech_segments(np.repeat([0.1, 0.9, 0.1], [20, 7, 20]), 10.0) == []
    assert speech_segments([], 0.0) == []


def test_loading_the_model_imports_no_torch():
    code = (
        "import pathlib, sys\n"
        "from audio_assets.backends.voice_activity.silero import SileroVoiceActivity\n"
        "SileroVoiceActivity(pathlib.Path())\n"
        "assert not {'torch', 'torchaudio', 'silero_vad'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_model_of_another_version_is_told_by_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(silero, "SILERO", replace(silero.SILERO, sha256="00"))
    wanted = r"found version 6\.2\.3, and SHA-256 9ccdacc.*; wanted .* 00: `pip install silero-vad==6\.2\.3`"
    with pytest.raises(MissingWeightsError, match=wanted):
        SileroVoiceActivity(tmp_path)


def test_every_profile_plays_the_same():
    backends = {VOICE_ACTIVITY_ROLE.backend(profile) for profile in ("embedded", "learned", "published")}
    assert backends == {SileroVoiceActivity}
    assert (SileroVoiceActivity.revision, SileroVoiceActivity.licence) == ("6.2.3", "MIT")
