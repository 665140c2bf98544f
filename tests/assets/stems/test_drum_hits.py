"""Drum hits against strokes that were synthesised where they are known."""

import numpy as np
import pytest
from scipy.signal import butter, sosfilt

from audio_assets.assets.music.drum_hits import drum_hits
from audio_assets.audio.signal import Signal
from audio_assets.backends.drum_hits import DRUM_CLASSES, DRUM_HITS_ROLE
from audio_assets.backends.drum_hits.band_onsets import BandOnsets
from audio_assets.backends.separation import SAMPLE_RATE
from audio_assets.demo.stem_scores import drum_f
from audio_assets.demo.truth import DrumOnset
from audio_assets.engine import NotApplicable

SECONDS = 8
RNG = np.random.default_rng(3)


def stroke(kind):
    time_s = np.arange(int(0.3 * SAMPLE_RATE)) / SAMPLE_RATE
    white = RNG.normal(0, 1, len(time_s))
    if kind == "BD":
        return 0.8 * np.sin(2 * np.pi * (55 * time_s - 2.4 * np.exp(-time_s / 0.025))) * np.exp(-time_s / 0.1)
    if kind == "SD":
        band = butter(2, (400, 7000), "bandpass", fs=SAMPLE_RATE, output="sos")
        body = 0.4 * np.sin(2 * np.pi * 185 * time_s) * np.exp(-time_s / 0.05)
        return body + 0.5 * sosfilt(band, white) * np.exp(-time_s / 0.08)
    high = butter(4, 7000, "highpass", fs=SAMPLE_RATE, output="sos")
    return 0.25 * sosfilt(high, white) * np.exp(-time_s / 0.03)


def kit(pattern):
    """Samples and truth of a pattern of eighths at 120 bpm, e.g. ``{"BD": "x...x..."}``."""
    samples = np.zeros(SECONDS * SAMPLE_RATE)
    truth = []
    for kind, steps in pattern.items():
        for step in range(SECONDS * 4 - 2):
            if steps[step % len(steps)] == "x":
                start = int((0.1 + step * 0.25) * SAMPLE_RATE)
                part = stroke(kind)[: len(samples) - start]
                samples[start : start + len(part)] += part
                truth.append(DrumOnset(start / SAMPLE_RATE, kind, kind, 1.0))
    return (0.5 * samples).astype(np.float32), truth


@pytest.fixture(scope="module")
def rock():
    return kit({"BD": "x...x...", "SD": "..x...x.", "HH": "xxxxxxxx"})


def pairs(samples):
    return [(hit.time_s, hit.midi) for hit in BandOnsets().hits(samples)]


def test_a_rock_beat_is_transcribed(rock):
    samples, truth = rock
    hits = pairs(samples)
    scores = {kind: drum_f(hits, truth, kind) for kind in ("BD", "SD", "HH")}
    assert scores["BD"] > 0.95
    assert scores["SD"] > 0.95
    assert scores["HH"] > 0.9
    assert drum_f(hits, truth, "TT") is None


@pytest.mark.parametrize("kind", ["BD", "SD", "HH"])
def test_a_single_drum_is_found_within_ten_milliseconds(kind):
    samples, truth = kit({kind: "x..."})
    midi = {"BD": 35, "SD": 38, "HH": 42}[kind]
    found = [time_s for time_s, note in pairs(samples) if note == midi]
    np.testing.assert_allclose(found, [onset.time_s for onset in truth], atol=0.012)


def test_hits_do_not_depend_on_the_gain(rock):
    samples, _ = rock
    assert pairs(samples) == pairs(samples * np.float32(0.125))


@pytest.mark.parametrize("seconds", [0.01, 0.5])
def test_silence_and_steady_noise_have_no_hits(seconds):
    n = int(seconds * SAMPLE_RATE)
    assert pairs(np.zeros(n, np.float32)) == []


def test_the_asset_names_the_classes_of_the_hits(song, stored):
    _, known = song
    track = Signal.from_array(sum(known.values()), SAMPLE_RATE)
    rows = drum_hits(track, stored.rows, drum_hits=BandOnsets(), objects=stored.objects)
    assert drum_hits.table.check_rows(rows) == rows
    assert rows
    assert all(row["drum_class"] == DRUM_CLASSES[row["midi"]] for row in rows)
    assert [row["time_s"] for row in rows] == sorted(row["time_s"] for row in rows)


def test_silent_drums_are_not_applicable_not_failed(stored):
    silent = stored.without("drums")
    with pytest.raises(NotApplicable, match="the drums stem is silent"):
        drum_hits(None, silent.rows, drum_hits=BandOnsets(), objects=silent.objects)


def test_both_profiles_have_a_backend():
    assert DRUM_HITS_ROLE.backend("embedded") is DRUM_HITS_ROLE.backend("published") is BandOnsets
