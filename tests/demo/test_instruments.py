import numpy as np
import pytest

from audio_assets.demo.music.drums import DRUM_CLASSES, GENERAL_MIDI, KITS, render_piece
from audio_assets.demo.music.instruments import INSTRUMENTS, Instrument, render_note
from audio_assets.demo.music.theory import hertz

RATE = 44_100


def spectrum(samples):
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    return np.fft.rfftfreq(len(samples), 1 / RATE), power


@pytest.mark.parametrize("name", INSTRUMENTS)
@pytest.mark.parametrize("midi", [36, 60, 81])
def test_every_instrument_is_in_tune(name, midi):
    """The fundamental, between the detuned voices, within ten cents of equal temperament."""
    note = render_note(INSTRUMENTS[name], midi, 1.5, 0.8, RATE).mean(axis=0)[4000:60000]
    frequency, power = spectrum(note)
    near = np.abs(1200 * np.log2(np.maximum(frequency, 1) / hertz(midi))) < 120
    centre = np.sum(frequency[near] * power[near]) / np.sum(power[near])
    assert abs(1200 * np.log2(centre / hertz(midi))) < 10


def test_no_harmonic_is_folded_back():
    bright = Instrument(slope=0.3, cutoff_hz=30_000)
    frequency, power = spectrum(render_note(bright, 96, 1.0, 1.0, RATE)[0][4000:40000])
    between = np.abs(frequency / hertz(96) - np.round(frequency / hertz(96))) > 0.1
    assert 10 * np.log10(power[between].sum() / power.sum()) < -50


def test_a_held_note_has_an_rms_of_its_velocity():
    for velocity in (0.25, 0.8):
        note = render_note(Instrument(), 57, 1.0, velocity, RATE)[0][2000:40000]
        assert np.sqrt(np.mean(note**2)) == pytest.approx(velocity, rel=0.02)


def test_a_string_decays_and_its_high_harmonics_first():
    guitar = render_note(INSTRUMENTS["steel guitar"], 45, 2.0, 1.0, RATE).mean(axis=0)

    def level(start_s, low, high):
        frequency, power = spectrum(guitar[int(start_s * RATE) :][:8192])
        return 10 * np.log10(power[(frequency > low) & (frequency < high)].sum())

    lows = level(0.05, 80, 400) - level(1.5, 80, 400)
    highs = level(0.05, 1500, 4000) - level(1.5, 1500, 4000)
    assert 3 < lows < highs - 6


def test_a_harder_stroke_is_brighter():
    def highs_db(velocity):
        frequency, power = spectrum(render_note(INSTRUMENTS["grand piano"], 48, 1, velocity, RATE)[0])
        return 10 * np.log10(power[frequency > 2000].sum() / power.sum())

    assert highs_db(1.0) > highs_db(0.3) + 2


def test_a_note_ends_in_silence():
    note = render_note(INSTRUMENTS["organ"], 60, 0.5, 1.0, RATE)
    assert note.shape == (2, int((0.5 + INSTRUMENTS["organ"].release_s) * RATE))
    assert np.abs(note[:, -5:]).max() < 0.01


@pytest.mark.parametrize("kit", KITS)
@pytest.mark.parametrize(
    ("piece", "low", "high"),
    [("kick", 30, 250), ("hat", 5000, 20000), ("crash", 2500, 20000), ("conga_low", 150, 600)],
)
def test_a_piece_has_its_energy_where_its_class_is_heard(kit, piece, low, high):
    hit = render_piece(kit, piece, RATE, np.random.default_rng(0))
    power = np.abs(np.fft.rfft(hit)) ** 2
    frequency = np.fft.rfftfreq(len(hit), 1 / RATE)
    assert power[(frequency > low) & (frequency < high)].sum() > 0.6 * power.sum()


@pytest.mark.parametrize("piece", DRUM_CLASSES)
def test_a_piece_speaks_at_once_and_ends_in_silence(piece):
    hit = np.abs(render_piece("acoustic", piece, RATE, np.random.default_rng(0)))
    assert hit[: int(0.03 * RATE)].max() > 0.4 * hit.max()
    assert hit[-1] < 1e-3
    assert np.isfinite(hit).all()


def test_two_strokes_are_not_the_same():
    rng = np.random.default_rng(0)
    first, second = (render_piece("acoustic", "snare", RATE, rng) for _ in range(2))
    assert 0.3 < np.corrcoef(first, second)[0, 1] < 0.99


def test_classes_are_those_of_adtof_and_percussion():
    assert set(DRUM_CLASSES.values()) == {*GENERAL_MIDI, "PC"}
