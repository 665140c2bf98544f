"""Beats by both backends; Beat This! on a miniature checkpoint in the published format.

What its beats must be is asked of others: librosa's mel filters and transform for the spectrogram, the
package's own splitting and peak picking for the rest.
"""

import subprocess
import sys
from types import ModuleType

import librosa
import mir_eval
import numpy as np
import pytest
import torch

from audio_assets.assets.music import features
from audio_assets.audio.signal import Signal
from audio_assets.backends import weights
from audio_assets.backends.beats import Beats, published
from audio_assets.backends.beats.embedded import EssentiaBeats
from audio_assets.backends.beats.published import (
    FINAL0,
    FRAME_LENGTH,
    FRAME_RATE,
    HOP_LENGTH,
    SAMPLE_RATE,
    BeatThisBeats,
    bar_positions,
    log_mel,
    mel_bands,
)
from audio_assets.backends.weights import MissingWeightsError
from tests.features.music import RATE, drum_loop, noise

SIZES = {"spect_dim": 128, "transformer_dim": 32, "n_layers": 1, "head_dim": 16, "stem_dim": 16}


def place_in(folder):
    """Where the checkpoint goes in a folder of weights."""
    path = FINAL0.place(folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


@pytest.fixture(scope="module")
def network():
    """A miniature with random weights, whose predictions are now above, now below one half."""
    tracker = pytest.importorskip("beat_this.model.beat_tracker")
    torch.manual_seed(0)
    network = tracker.BeatThis(**SIZES).eval()
    with torch.no_grad():
        network.task_heads.beat_downbeat_lin.weight.mul_(20)
        spectrum = torch.rand(1, 100, 128)
        found = network(spectrum)
        network.task_heads.beat_downbeat_lin.bias[1] -= found["downbeat"].mean()
        network.task_heads.beat_downbeat_lin.bias[0] += found["downbeat"].mean() - found["beat"].mean()
    return network


@pytest.fixture(scope="module")
def installed(network, tmp_path_factory):
    """The folder of weights, with the miniature as its trainer would have saved it."""
    folder = tmp_path_factory.mktemp("weights")
    checkpoint = {
        "epoch": 1,
        "state_dict": {f"model.{name}": value for name, value in network.state_dict().items()},
        "hyper_parameters": {**SIZES, "lr": 0.0008, "fps": 50, "pos_weights": {"beat": 1}},
    }
    torch.save(checkpoint, place_in(folder))
    return folder


@pytest.fixture(scope="module")
def backend(installed):
    return BeatThisBeats(installed)


def signal(seconds=3.0, channels=1, rate=RATE):
    loop = drum_loop("rock", 120, seconds=seconds, chords=True).samples
    return Signal.from_array(np.stack([loop] * channels), rate)


def test_mel_bands_are_librosa_s():
    theirs = librosa.filters.mel(
        sr=SAMPLE_RATE, n_fft=FRAME_LENGTH, n_mels=128, fmin=30, fmax=11000, htk=False, norm=None
    )
    np.testing.assert_allclose(mel_bands().T, theirs, atol=1e-5)


@pytest.mark.parametrize("n", [FRAME_LENGTH, 10_000, 22_051])
def test_the_spectrogram_is_the_documented_formula(n):
    samples = noise(1.0)[:n]
    stft = np.abs(librosa.stft(samples, n_fft=FRAME_LENGTH, hop_length=HOP_LENGTH, pad_mode="reflect"))
    expected = np.log1p(1000 * (stft / np.sqrt(FRAME_LENGTH)).T @ mel_bands())
    np.testing.assert_allclose(log_mel(samples), expected, atol=2e-3)
    assert len(expected) == 1 + n // HOP_LENGTH


@pytest.mark.parametrize("frames", [3, 50, 87, 88, 89, 100, 260])
def test_chunks_are_those_of_the_package(backend, network, frames, monkeypatch):
    for name in ("torchaudio", "soxr"):  # the package's own chunks stand beside what needs these
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    inference = pytest.importorskip("beat_this.inference")
    monkeypatch.setattr(published, "CHUNK_FRAMES", 100)
    spectrum = torch.rand(frames, 128, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        theirs = inference.split_predict_aggregate(spectrum, 100, 6, "keep_first", network)
    ours = backend._logits(spectrum.numpy())
    np.testing.assert_allclose(ours, torch.stack([theirs["beat"], theirs["downbeat"]]), atol=1e-4)


def test_beats_are_the_network_s_peaks(backend, network):
    postprocessor = pytest.importorskip("beat_this.model.postprocessor").Postprocessor()
    track = signal()
    found = backend.beats(track)
    logits = backend._logits(log_mel(track.mono(SAMPLE_RATE)))
    times_s, downbeats_s = postprocessor(*torch.from_numpy(logits))
    assert len(times_s) > 0 and len(downbeats_s) > 0
    np.testing.assert_allclose(found.times_s, times_s)
    downbeats = np.array([position == 1 for position in found.positions])
    np.testing.assert_allclose(found.times_s[downbeats], downbeats_s)
    assert (np.diff(found.times_s) > 0).all()
    np.testing.assert_allclose(
        found.times_s * FRAME_RATE, np.rint(found.times_s * FRAME_RATE * 2) / 2, atol=1e-6
    )


@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (44_100, 2), (48_000, 8)])
def test_any_rate_and_number_of_channels_is_taken(backend, rate, channels):
    found = backend.beats(signal(channels=channels, rate=rate))
    assert len(found.times_s) == len(found.positions)


@pytest.mark.parametrize("samples", [np.zeros(5 * RATE), np.ones(1), noise(0.02)])
def test_silence_and_instants_have_no_beats(backend, samples):
    for tracker in (backend, EssentiaBeats()):
        found = tracker.beats(Signal.from_array(samples, RATE))
        assert (len(found.times_s), found.positions) == (0, ())


def test_a_network_that_gives_nan_is_an_error_and_no_beat(installed):
    broken = BeatThisBeats(installed)
    with torch.no_grad():
        broken._network.task_heads.beat_downbeat_lin.bias.fill_(torch.nan)
    with pytest.raises(ValueError, match="NaN"):
        broken.beats(signal())


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", None])
def test_a_file_that_is_no_checkpoint_is_named(content, tmp_path):
    pytest.importorskip("beat_this")
    path = place_in(tmp_path)
    if content is None:
        torch.save({"state_dict": {}, "hyper_parameters": SIZES}, path)
    else:
        path.write_bytes(content)
    with pytest.raises(MissingWeightsError, match=r"final0\.ckpt"):
        BeatThisBeats(tmp_path)


def test_missing_weights_are_named_with_where_to_put_them(tmp_path, monkeypatch):
    pytest.importorskip("beat_this")
    path = place_in(tmp_path)
    monkeypatch.setattr(
        weights.urllib.request, "urlopen", lambda *_, **__: (_ for _ in ()).throw(OSError("no net"))
    )
    with pytest.raises(MissingWeightsError, match=r"final0\.ckpt.*curl") as error:
        BeatThisBeats(tmp_path)
    assert str(path) in str(error.value)


def test_a_missing_package_is_named_with_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "beat_this.model.beat_tracker", None)
    with pytest.raises(ImportError, match="pip install --no-deps beat-this"):
        BeatThisBeats(tmp_path)


@pytest.mark.parametrize(
    ("downbeats", "positions"),
    [
        ([0, 4, 8], (1, 2, 3, 4, 1, 2, 3, 4, 1, 2)),
        ([2, 5, 8], (2, 3, 1, 2, 3, 1, 2, 3, 1, 2)),
        ([4, 7], (None, None, None, None, 1, 2, 3, 1, 2, 3)),
        ([3], (None, None, None, 1, 2, 3, 4, 5, 6, 7)),
        ([], (None,) * 10),
    ],
)
def test_positions_count_from_each_downbeat(downbeats, positions):
    times_s = 0.5 * np.arange(10)
    assert bar_positions(times_s, times_s[downbeats]) == positions
    assert bar_positions(np.zeros(0), np.zeros(0)) == ()


def test_the_embedded_tracker_finds_beats_and_bars():
    loop = drum_loop("rock", 112, seconds=24, chords=True)
    found = EssentiaBeats().beats(Signal.from_array(loop.samples, RATE))
    downbeats_s = found.times_s[np.array(found.positions) == 1]
    assert mir_eval.beat.f_measure(loop.beats_s, found.times_s) >= 0.95
    assert mir_eval.beat.f_measure(loop.downbeats_s, downbeats_s) >= 0.9


def test_the_embedded_tracker_does_without_torch():
    code = (
        "import sys, numpy as np\n"
        "from audio_assets.backends.beats import BEATS_ROLE\n"
        "from audio_assets.audio.signal import Signal\n"
        "samples = np.random.default_rng(0).normal(0, 0.1, 5 * 44100)\n"
        "BEATS_ROLE.backend('embedded')().beats(Signal.from_array(samples, 44100))\n"
        "BEATS_ROLE.backend('published')\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class Metronome:
    """A tracker that says the same of every track."""

    revision, licence = "1", "none"

    def __init__(self, name):
        self.name = name

    def beats(self, track):
        return Beats(np.arange(0.5, 20.5, 0.5), tuple(beat % 4 + 1 for beat in range(40)))


@pytest.mark.parametrize(("name", "bpm"), [("beat_this", 120), ("essentia", None)])
def test_bpm_beat_this_is_of_that_tracker_s_beats_only(name, bpm):
    track = signal(20)
    rows = features.BEATS.check_rows(features.beats(track, beats=Metronome(name)))
    assert [row["beat_in_bar"] for row in rows[:5]] == [1, 2, 3, 4, 1]
    assert [row["is_downbeat"] for row in rows[:5]] == [True, False, False, False, True]
    (tempo,) = features.TEMPO.check_rows(features.tempo(track, rows))
    assert tempo["bpm"] == pytest.approx(120)
    assert tempo["bpm_beat_this"] == (pytest.approx(bpm) if bpm else None)
    assert tempo["bpm_essentia"] == pytest.approx(120, rel=0.02)


def test_the_published_revision_is_in_its_address():
    assert f"/{BeatThisBeats.revision}.ckpt" in published.FINAL0.url
