"""A track and its truth: the file, the stems, and other people's analysers must agree."""

import essentia.standard as es
import mir_eval
import mutagen
import numpy as np
import pytest
import soundfile
from scipy.signal import correlate, resample_poly

from audio_assets.demo.music import SAMPLE_RATE
from tests.demo.conftest import read


@pytest.fixture(params=range(4))
def track(request, truth):
    return truth.tracks[request.param]


@pytest.fixture
def mono(corpus, track):
    return (read(corpus.folder / track.path).mean(axis=0) / 32768).astype(np.float32)


def stem(corpus, track, name):
    return read(corpus.folder / track.stems[name])


def test_tiny_has_two_works_in_two_versions_each(truth):
    assert [track.work_id for track in truth.tracks] == ["afterglow"] * 2 + ["the-river-stair"] * 2
    assert len({track.lyrics for track in truth.tracks}) == 2
    assert all(10 < track.duration_s < 16 for track in truth.tracks)


def test_stems_sum_to_a_lossless_mix_exactly(corpus, track):
    total = sum(stem(corpus, track, name).astype(int) for name in track.stems)
    mix = read(corpus.folder / track.path)
    if track.lossless:
        assert np.array_equal(total, mix)
    else:
        assert np.corrcoef(total.ravel(), mix.ravel())[0, 1] > 0.98


def test_a_decoded_mp3_or_ogg_starts_with_its_stems(corpus, track):
    """No encoder delay is left: truth in seconds holds for lossy files too."""
    mix = read(corpus.folder / track.path)[0].astype(float)
    total = sum(stem(corpus, track, name)[0].astype(float) for name in track.stems)
    lag = np.argmax(correlate(mix, total, method="fft")) - (len(total) - 1)
    assert abs(lag) <= 1
    assert len(mix) / SAMPLE_RATE == pytest.approx(track.duration_s, abs=0.03)


def test_a_stem_nobody_plays_is_absent(truth):
    folk = truth.by_path["music/folk/fingerstyle/Wren & Alder - The River Stair (studio).flac"]
    assert "drums" not in folk.stems
    assert folk.drums == ()


def test_beats_are_spaced_by_the_tempo_and_counted_by_the_metre(track):
    times_s = np.array([beat.time_s for beat in track.beats])
    assert track.tempo == "steady"
    assert np.allclose(np.diff(times_s), 60 / track.bpm, atol=2e-5)
    assert [beat.beat_in_bar for beat in track.beats] == [
        number % track.meter + 1 for number in range(len(track.beats))
    ]
    assert np.allclose(np.diff(track.downbeats_s), track.meter * 60 / track.bpm, atol=5e-5)
    assert times_s[-1] < track.duration_s


def test_chords_cover_the_file_and_are_labels_mir_eval_reads(track):
    intervals = np.array([(chord.start_s, chord.end_s) for chord in track.chords])
    assert intervals[0, 0] == 0
    assert intervals[-1, 1] == pytest.approx(track.duration_s, abs=1e-4)
    assert np.array_equal(intervals[1:, 0], intervals[:-1, 1])
    for chord in track.chords:
        mir_eval.chord.validate_chord_label(chord.label)


def test_the_pitches_of_each_chord_are_those_that_sound(corpus, track):
    """Share of chroma energy in the chord, by Essentia's HPCP of everything but voice and drums."""
    sound = sum(stem(corpus, track, name) for name in ("bass", "other")).mean(axis=0) / 32768
    frames = es.FrameGenerator(sound.astype(np.float32), frameSize=8192, hopSize=4096, startFromZero=True)
    window, spectrum, peaks = es.Windowing(type="hann"), es.Spectrum(), es.SpectralPeaks(maxFrequency=2500)
    hpcp = np.array([es.HPCP(size=12, normalized="none")(*peaks(spectrum(window(f)))) for f in frames])
    time_s = (np.arange(len(hpcp)) * 4096 + 4096) / SAMPLE_RATE
    inside = total = 0.0
    for chord in track.chords:
        if chord.label == "N":
            continue
        root, bitmap, _ = mir_eval.chord.encode(chord.label)
        own = hpcp[(time_s > chord.start_s + 0.15) & (time_s < chord.end_s - 0.1)].sum(axis=0)
        own = np.roll(own, -3)  # Essentia counts from A
        inside += own[(root + np.flatnonzero(bitmap)) % 12].sum()
        total += own.sum()
    assert inside / total > 0.80  # a third of the pitch classes; overtones take the rest


def test_essentia_hears_the_key(track, mono):
    key, scale, _ = es.KeyExtractor(profileType="edma")(mono)
    assert mir_eval.key.weighted_score(track.key_name, f"{key} {scale}") >= 0.5


def test_essentia_hears_the_tempo_or_its_double(track, mono):
    bpm = es.RhythmExtractor2013(method="multifeature")(mono)[0]
    assert min(abs(bpm / (track.bpm * factor) - 1) for factor in (0.5, 1, 2)) < 0.04


def test_essentia_hears_the_drums_where_they_are(corpus, truth):
    house = truth.tracks[0]
    drums = (stem(corpus, house, "drums").mean(axis=0) / 32768).astype(np.float32)
    onsets_s = np.array([hit.time_s for hit in house.drums])
    strokes_s = onsets_s[np.insert(np.diff(onsets_s) > 0.03, 0, True)]  # together counts once
    found_s = es.OnsetRate()(drums)[0]
    assert mir_eval.onset.f_measure(strokes_s, found_s, window=0.05)[0] > 0.8


def test_every_stroke_begins_within_five_milliseconds_of_its_time(corpus, truth):
    house = truth.tracks[0]
    drums = np.abs(stem(corpus, house, "drums").astype(float)).max(axis=0)
    kicks_s = [hit.time_s for hit in house.drums if hit.piece == "kick"]
    assert len(kicks_s) > 15
    for time_s in kicks_s:
        at = int(time_s * SAMPLE_RATE)
        before, after = drums[at - 220 : at].max(), drums[at : at + 220].max()
        assert after > 3 * before


def test_the_singer_is_in_tune_with_the_melody(corpus, track):
    """Pitch at the start of each sung note by autocorrelation against its MIDI number."""
    voice = resample_poly(stem(corpus, track, "vocals").mean(axis=0) / 32768, 1, 2)
    rate = SAMPLE_RATE // 2
    cents = []
    for note in track.melody:
        segment = voice[int((note.start_s + 0.05) * rate) : int(note.end_s * rate)][: int(0.12 * rate)]
        if len(segment) < 0.08 * rate:
            continue
        segment = segment - segment.mean()
        wanted = rate / (440 * 2 ** ((note.midi - 69) / 12))
        lags = np.arange(int(wanted / 1.3), int(wanted * 1.3))
        power = correlate(segment, segment, method="fft")[len(segment) - 1 :]
        peak = int(np.argmax(power[lags]))
        left, middle, right = power[lags[peak] - 1 : lags[peak] + 2]
        lag = lags[peak] + 0.5 * (left - right) / (left - 2 * middle + right)
        cents.append(1200 * np.log2(wanted / lag))
    assert len(cents) >= 8
    assert abs(np.median(cents)) < 10
    assert np.mean(np.abs(cents) < 50) > 0.85  # the rest is a consonant


def test_words_are_the_lyrics_in_order_and_sound_where_they_are(corpus, track):
    sheet = track.lyrics.replace(",", "").split()
    assert [word.word for word in track.words] == sheet
    starts = [word.start_s for word in track.words]
    assert starts == sorted(starts)
    assert all(word.start_s < word.end_s < track.duration_s for word in track.words)
    voice = stem(corpus, track, "vocals").astype(float)
    level = [
        np.sqrt(np.mean(voice[:, int(w.start_s * SAMPLE_RATE) : int(w.end_s * SAMPLE_RATE)] ** 2))
        for w in track.words
    ]
    before_s = track.words[0].start_s
    silence = np.sqrt(np.mean(voice[:, : int((before_s - 0.1) * SAMPLE_RATE)] ** 2))
    assert min(level) > 10 * (silence + 1)


def test_words_lie_in_sung_sections(track):
    verse = next(section for section in track.sections if section.label == "verse")
    upbeat_s = 60 / track.bpm
    assert verse.start_s - upbeat_s < track.words[0].start_s
    assert track.words[-1].end_s < verse.end_s + 0.3


def test_loudness_is_that_of_a_record_and_nothing_clips(corpus, track):
    samples, _ = soundfile.read(corpus.folder / track.path, dtype="float32")
    integrated = es.LoudnessEBUR128()(samples)[2]
    assert -17.5 < integrated < -13.5
    assert np.abs(read(corpus.folder / track.path)).max() < 32767


def test_files_carry_what_their_owner_would_have(corpus, truth):
    for track in truth.tracks:
        path = corpus.folder / track.path
        tags = mutagen.File(path, easy=True)
        assert tags["artist"] == [track.artist]
        assert tags["title"][0].startswith(track.title)
        assert tags["date"] == [str(track.year)]
        sheet = path.with_suffix(".txt")
        assert sheet.exists() == (track.version == "studio")  # nobody transcribes a live recording
        if sheet.exists():
            assert sheet.read_text(encoding="utf-8").strip() == track.lyrics


def test_the_path_names_genre_and_subgenre(truth):
    for track in truth.tracks:
        assert track.path.split("/")[:3] == ["music", track.genre, track.subgenre]
