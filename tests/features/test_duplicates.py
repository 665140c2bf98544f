"""Fingerprints against Chromaprint's own examples, and duplicates against recordings made the same."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_assets.features.audio_fingerprint import STEP_S, audio_fingerprint, decompress
from audio_assets.features.duplicates import find_duplicates, groups
from audio_assets.features.spectrogram import ANALYSIS_RATE

# Inputs and outputs of the decompressor's tests in Chromaprint 1.5.
EXAMPLES = [
    ([0, 0, 0, 1, 1], [1]),
    ([0, 0, 0, 1, 73, 0], [7]),
    ([0, 0, 0, 1, 7, 0], [1 << 6]),
    ([0, 0, 0, 1, 7, 2], [1 << 8]),
    ([0, 0, 0, 2, 65, 0], [1, 0]),
    ([0, 0, 0, 2, 1, 0], [1, 1]),
]


@pytest.mark.parametrize(("packed", "words"), EXAMPLES)
def test_compressed_fingerprints_are_read_as_chromaprint_reads_them(packed, words):
    assert decompress(base64.urlsafe_b64encode(bytes(packed)).decode().rstrip("=")).tolist() == words


@pytest.mark.parametrize("packed", [[], [0, 0, 0, 2, 1], [0, 0, 0, 1, 7]])
def test_a_fingerprint_that_ends_too_early_is_refused(packed):
    with pytest.raises(ValueError, match="found a fingerprint"):
        decompress(base64.urlsafe_b64encode(bytes(packed)).decode())


def compress(words: list[int]) -> str:
    """The inverse of `decompress`, bit by bit."""
    normal, large, before = [], [], 0
    for word in words:
        last = 0
        for bit in range(1, 33):
            if (word ^ before) >> (bit - 1) & 1:
                gap = bit - last
                last = bit
                normal.append(min(gap, 7))
                large += [gap - 7] if gap >= 7 else []
        normal.append(0)
        before = word

    def packed(values: list[int], width: int) -> bytes:
        number = sum(value << (width * n) for n, value in enumerate(values))
        return number.to_bytes(-(-len(values) * width // 8), "little")

    data = bytes([1]) + len(words).to_bytes(3, "big") + packed(normal, 3) + packed(large, 5)
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 2**32 - 1), max_size=40))
def test_all_words_come_back(words):
    assert decompress(compress(words)).tolist() == words


def melody(seed: int, seconds: float = 20) -> np.ndarray:
    """Notes and noise bursts that no other seed has."""
    rng = np.random.default_rng(seed)
    parts = []
    while sum(map(len, parts)) < seconds * ANALYSIS_RATE:
        t = np.arange(int(rng.uniform(0.15, 0.5) * ANALYSIS_RATE)) / ANALYSIS_RATE
        chord = 220 * 2 ** (rng.integers(0, 24, 3) / 12)
        parts.append(
            sum(np.sin(2 * np.pi * f * h * t) / h for f in chord for h in (1, 2, 3)) * np.exp(-4 * t)
        )
    samples = np.concatenate(parts)[: int(seconds * ANALYSIS_RATE)]
    return (0.1 * samples).astype(np.float32)


def as_mp3(samples: np.ndarray) -> np.ndarray:
    file = io.BytesIO()
    soundfile.write(
        file, samples, ANALYSIS_RATE, format="MP3", bitrate_mode="CONSTANT", compression_level=0.8
    )
    file.seek(0)
    return soundfile.read(file, dtype="float32")[0]


def test_the_same_recording_is_found_again_coded_cut_noisy_and_quieter():
    original = melody(1)
    noise = np.random.default_rng(0).normal(size=len(original)).astype(np.float32)
    cut = int(3.2 * ANALYSIS_RATE)
    versions = {
        "a original": original,
        "b mp3": as_mp3(original),
        "c cut": as_mp3(original[cut:]),
        "d noisy and quiet": 0.3 * (original + 0.003 * noise),
        "e other": melody(2),
        "f higher": melody(1)[::2].repeat(2),
    }
    found = find_duplicates({key: audio_fingerprint(samples) for key, samples in versions.items()})
    pairs = {(pair.first[0], pair.second[0]): pair for pair in found}
    assert {("a", "b"), ("a", "c"), ("a", "d"), ("b", "c"), ("b", "d"), ("c", "d")} <= set(pairs)
    assert not any("e" in pair for pair in pairs)
    assert pairs["a", "c"].offset_s == pytest.approx(3.2, abs=STEP_S)
    assert pairs["a", "d"].offset_s == 0
    assert pairs["a", "b"].bit_error_rate < 0.1


def test_recordings_that_only_share_a_short_stretch_are_no_duplicates():
    shared = melody(3, 4)
    first, second = (np.concatenate([shared, melody(seed, 16)]) for seed in (4, 5))
    assert find_duplicates({"a": audio_fingerprint(first), "b": audio_fingerprint(second)}) == []


@pytest.mark.parametrize("seconds", [0, 0.01, 2])
def test_too_short_recordings_have_no_words(seconds):
    assert len(audio_fingerprint(np.zeros(int(seconds * ANALYSIS_RATE), np.float32))) == 0


def test_silence_and_nothing_are_nobodys_duplicate():
    silence = np.zeros(200, np.uint32)
    assert find_duplicates({"a": silence, "b": silence.copy(), "c": np.empty(0, np.uint32)}) == []
    assert find_duplicates({}) == []
    assert groups([]) == {}


def test_ten_thousand_recordings_are_compared_in_seconds():
    rng = np.random.default_rng(0)
    words = {f"{n:05}": rng.integers(0, 2**32, 300, dtype=np.uint32) for n in range(10_000)}
    words["copy"] = words["00042"].copy()
    (pair,) = find_duplicates(words)
    assert (pair.first, pair.second, pair.bit_error_rate) == ("00042", "copy", 0.0)
