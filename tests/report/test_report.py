"""The listening report: pages parsed as a browser would, and the pictures and figures on them."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import signal
import time
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile
from PIL import Image

from audio_assets.audio.encode import encode_flac
from audio_assets.audio.signal import Signal
from audio_assets.engine import Item
from audio_assets.ingest.catalog import TRACK, open_recording
from audio_assets.report import ReportError, write_report
from audio_assets.report.collection import Distribution
from audio_assets.report.pictures import SPECTRUM_COLUMNS, WAVE_COLUMNS, Canvas
from audio_assets.report.previews import Wanted, previews
from audio_assets.report.sound import PAGE_BYTES, mix_preview
from tests.features.music import sine
from tests.small_catalog import SmallCatalog

EVIL = "<script>alert(\"x\")</script> & 'quotes'\n</title>"
TALK, SONG, GONE, QUIET, ODD = "talk-0001", "song-0002", "gone-0003", "quiet-0004", "odd-0005"
VOID = {"meta", "link", "img", "input", "br", "hr"}


class Parsed(HTMLParser):
    """A page's elements, their attributes, and the text of each kind of element."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.open: list[str] = []
        self.unbalanced: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self.texts.setdefault(tag, []).append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if self.open and self.open[-1] == tag:
            self.open.pop()
        else:
            self.unbalanced.append(tag)

    def handle_data(self, data):
        for tag in set(self.open):
            self.texts[tag][-1] += data

    def all(self, tag, **attributes):
        return [a for t, a in self.elements if t == tag and attributes.items() <= a.items()]

    @property
    def text(self):
        return " ".join(self.texts["body"][0].split())


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    made = SmallCatalog(tmp_path_factory.mktemp("report"))
    rng = np.random.default_rng(0)
    music = np.stack([sine(440, 6, 0.5), sine(880, 6, 0.25)])
    made.add(SONG, music, title=EVIL, artist='O"Brien', album="A & B", year=1999, genre="Rock")
    made.add(TALK, music[:1, : 3 * 44_100], kind="episodes", title="Talk")
    made.add(GONE, music + 0.01, title="Gone").unlink()
    made.add(QUIET, np.zeros((1, 44_100)), title="Quiet")
    made.add(ODD, rng.normal(0, 0.1, (8, 22_050)), 22_050, title="Odd")
    for number, key in enumerate([SONG, QUIET, ODD]):
        made.put("loudness", key, [{"lufs": -14.0 - number, "lra": None}])
    for number in range(12):
        made.add(f"more-{number:04d}", rng.normal(0, 0.1, 4410), title=f"More {number}")
        made.put("loudness", f"more-{number:04d}", [{"lufs": -14.5 - 0.1 * number}])
        made.put("tempo", f"more-{number:04d}", [{"bpm": 120.0 + number, "beat_count": 9}])
    made.put("tempo", SONG, [{"bpm": 300.0, "bpm_is_defined": True, "beat_count": 12}])
    made.put("tonal", SONG, [{"chroma": [0.05] * 9 + [0.55, 0, 0], "key": "A", "scale": "minor"}])
    beats = [{"time_s": 0.5 * k, "is_downbeat": k % 4 == 0, "tracker": "essentia"} for k in range(12)]
    made.put("beats", SONG, beats)
    chords = [(0, 2, "A:min"), (2, 4, "N"), (4, 6, "<b>C:maj")]
    made.put("chords", SONG, [dict(zip(("start_s", "end_s", "chord"), c, strict=True)) for c in chords])
    tags = [("genre", "Rock---<i>", 0.9), ("genre", "Pop", 0.05)]
    made.put("tags", SONG, [dict(zip(("family", "label", "probability"), t, strict=True)) for t in tags])
    text = "A <em>caption</em> that is long enough to be shown as a paragraph & not as a cell of a table."
    made.put("captions", SONG, [{"kind": "full", "text": text}])
    for stem, gain in (("drums", 0.5), ("bass", 0.25)):
        made.platform.objects.put(f"stems/{stem}.flac", encode_flac(music * gain, 44_100, 16))
        row = {"stem": stem, "audio": f"stems/{stem}.flac", "is_silent": False}
        made.put("stems", SONG, [row])
    made.end(
        "timbre", SONG, "failed", "ValueError: <img src=x onerror=alert(1)>", detail="Traceback\n </pre>"
    )
    made.end(
        "aesthetics", SONG, "not_applicable", "weights not installed", licence="CC-BY-NC-4.0", revision="r1"
    )
    for asset in ("loudness", "spectral"):
        made.end(asset, GONE, "failed", None)
    turns = [(0.0, 1.5, "ann"), (1.0, 2.5, "bob"), (2.5, 3.0, "ann")]
    made.put(
        "speaker_turns",
        TALK,
        [dict(zip(("start_s", "end_s", "speaker"), t, strict=True), source="x") for t in turns],
    )
    laughs = {"user_speaker": "ann", "frame_rate_hz": 12.5, "probabilities": [0.1] * 30}
    made.put(
        "laughter_predictions", TALK, [{**laughs, "start_s": [1.0], "end_s": [1.4], "confidence": [0.9]}]
    )
    made.reject(made.folder / "audio" / "<bad>.wav", "no audio & no hope")
    made.store()
    return made


@pytest.fixture(scope="module")
def report(catalog, tmp_path_factory):
    return write_report(catalog.platform, None, tmp_path_factory.mktemp("pages"))


@pytest.fixture(scope="module")
def pages(report):
    files = [report.index, *report.pages]
    return {path.stem: Parsed(path.read_text(encoding="utf-8")) for path in files}


def test_every_item_has_a_page_and_the_index_links_them_all(report, pages):
    links = {a["href"] for a in pages["index"].all("a") if a["href"].startswith("items/")}
    assert {f"items/{path.name}" for path in report.pages} == links
    assert len(links) == 17
    for path in report.pages:
        for a in pages[path.stem].all("a"):
            assert a["href"].startswith("#") or (path.parent / a["href"]).is_file()


def test_pages_ask_for_nothing_from_outside(pages):
    for name, page in pages.items():
        for tag, attributes in page.elements:
            for attribute in ("src", "href", "srcset", "poster", "data", "action"):
                value = attributes.get(attribute) or ""
                assert not re.match(r"\s*(https?:|//|ftp:|file:|javascript:)", value), (name, tag)
                if attribute == "src" and attribute in attributes:
                    assert value.startswith("data:")
        style = "".join(page.texts["style"])
        assert "url(" not in style
        assert "@import" not in style
        (policy,) = page.all("meta", **{"http-equiv": "Content-Security-Policy"})
        assert policy["content"].startswith("default-src 'none'")


def test_html_is_balanced_ids_are_unique_and_references_meet(pages):
    for name, page in pages.items():
        assert (page.unbalanced, page.open) == ([], []), name
        ids = Counter(attributes["id"] for _, attributes in page.elements if "id" in attributes)
        assert max(ids.values()) == 1, name
        for _, attributes in page.elements:
            for attribute in ("for", "aria-labelledby", "data-for"):
                for reference in (attributes.get(attribute) or "").split():
                    assert reference in ids, (name, reference)
            if (attributes.get("href") or "").startswith("#"):
                assert attributes["href"][1:] in ids


def test_titles_reasons_tags_and_captions_cannot_become_markup(pages):
    song = pages[SONG]
    assert "".join(song.texts["h1"]).strip() == EVIL.strip()
    assert "em" not in song.texts
    assert all(a["src"].startswith("data:image/png") for a in song.all("img"))
    assert not [a for _, a in song.elements for name in a if name.startswith("on")]
    assert "ValueError: <img src=x onerror=alert(1)>" in song.text
    assert "<b>C:maj" in song.text
    assert "Rock---<i>" in song.text
    assert "A <em>caption</em>" in song.text
    for page in pages.values():
        assert "alert(" not in "".join(page.texts["script"])


def test_everything_that_acts_is_reachable_and_named(pages):
    for page in pages.values():
        assert not [a for tag, a in page.elements if a.get("tabindex") not in (None, "0")]
        for a in page.all("button"):
            assert a["type"] == "button"
        labelled = {a["for"] for a in page.all("label") if "for" in a}
        for a in page.all("input") + page.all("select"):
            assert a.get("aria-label") or a.get("id") in labelled or a["type"] == "radio"
        assert len(page.all("main", id="main")) == len(page.texts["h1"]) == 1
        for tag in ("svg", "img"):
            for a in page.all(tag):
                assert a.get("aria-label") or a.get("alt") or a.get("aria-hidden") == "true"
    (button,) = pages[SONG].all("button", id="play")
    assert button["aria-label"] == "Play"


def test_the_sound_on_a_page_is_the_recording(pages, catalog):
    sources = [a["src"] for a in pages[SONG].all("audio")]
    assert len(sources) == 3  # mix, drums, bass
    peaks = []
    for source in sources:
        kind, _, data = source.partition(",")
        assert kind == "data:audio/ogg;base64"
        samples, rate = soundfile.read(io.BytesIO(base64.b64decode(data)))
        mono = samples if samples.ndim == 1 else samples[:, 0]
        assert len(mono) / rate == pytest.approx(6, abs=0.05)
        spectrum = np.abs(np.fft.rfft(mono[rate : 3 * rate] * np.hanning(2 * rate)))
        peaks.append(spectrum.argmax() / 2)
    assert peaks == pytest.approx([440, 440, 440], abs=1)


def test_beats_chords_and_playhead_lie_on_one_time_line(pages):
    song = pages[SONG]
    (downbeats,) = song.all("path", **{"class": "downbeats"})
    assert downbeats["d"] == "M0.000 0V100M2.000 0V100M4.000 0V100"
    assert {a["viewbox"] for a in song.all("svg") if a.get("viewbox", "").endswith(" 100")} == {"0 0 6.0 100"}
    chords = [a["style"] for a in song.all("b")]
    assert chords[1].startswith("left:33.333%;width:33.333%")
    assert song.all("div", id="playhead")


def test_a_number_shows_its_unit_and_its_place_in_the_collection(pages):
    song = pages[SONG]
    assert "300 bpm" in song.text
    assert "−14.0 LUFS" in song.text
    places = [a["aria-label"] for a in song.all("span", **{"class": "strip"})]
    assert "higher than 100 % of the other 12 tracks" in places  # 300 bpm among 13
    assert [a for a in song.all("dd") if a.get("class") == "place far"]


def test_lineage_names_outcome_backend_licence_and_reason(pages):
    song = pages[SONG].text
    for part in ("CC-BY-NC-4.0", "r1", "not applicable", "weights not installed", "2025-02-03 04:05"):
        assert part in song
    assert "loudness-s" in song  # the fingerprint's first ten characters


def test_failed_items_come_first_then_outliers_with_the_feature(pages, report):
    index = pages["index"]
    states = [a["data-state"] for a in index.all("tr") if "data-state" in a]
    tracks = states[:-1]
    assert tracks == sorted(tracks, key=["failed", "outlier", "ok"].index)
    assert tracks[:2] == ["failed", "failed"]
    assert "1 failed" in index.text
    assert "no audio & no hope" in index.text


def test_an_item_without_sound_still_has_its_page(pages, report):
    reasons = dict(report.silent)
    assert set(reasons) == {GONE}
    assert not pages[GONE].all("audio")
    assert "the file is gone" in pages[GONE].text
    assert "2 values could not be computed" in pages[GONE].text


def open_with_a_crash(item: Item) -> Signal:
    """Stands for a decoder that dies of what is in a file."""
    if item.key == ODD:
        os.kill(os.getpid(), signal.SIGSEGV)
    return open_recording(item)


def test_a_file_that_crashes_a_decoder_costs_its_own_sound_and_no_more(catalog):
    platform, kind = catalog.platform, replace(TRACK, open=open_with_a_crash)
    items = platform.items(TRACK)
    wanted = {key: [Wanted("mix", items[key], None, 0)] for key in (ODD, QUIET)}
    assert previews(platform, kind, wanted[ODD]) == ([], "the worker died: killed by SIGSEGV")
    ((heard,), reason) = previews(platform, kind, wanted[QUIET])
    assert (heard.name, heard.preview.duration_s, reason) == ("mix", 1.0, "")


def test_silence_eight_channels_and_speech_are_no_trouble(pages):
    for key in (QUIET, ODD, TALK):
        assert len(pages[key].all("audio")) == 1, key
    talk = pages[TALK].text
    for lane in ("speaker_turns: ann", "speaker_turns: bob", "laughter_predictions"):
        assert lane in talk


def test_a_report_repeated_is_the_same_to_the_byte(catalog, tmp_path):
    first = write_report(catalog.platform, [SONG], tmp_path)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in [first.index, *first.pages]}
    write_report(catalog.platform, [SONG], tmp_path)
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in before} == before
    assert len(before) == 2


def test_what_cannot_be_reported_on_says_so(catalog, tmp_path):
    with pytest.raises(ReportError, match="nobody-1 is no item"):
        write_report(catalog.platform, ["nobody-1"], tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(ReportError, match="is a file"):
        write_report(catalog.platform, None, tmp_path / "file")


def test_three_minutes_of_noise_fit_the_budget_of_a_page():
    rng = np.random.default_rng(1)
    noise = np.tile(rng.normal(0, 0.2, (2, 48_000 * 20)).clip(-1, 1), (1, 9))
    started = time.process_time()
    preview = mix_preview(Signal.from_array(noise, 48_000), 180.0, 4)
    previewed = time.process_time()
    soundfile.write(io.BytesIO(), noise[:, : 48_000 * 60].T, 48_000, format="OGG", subtype="OPUS")
    # Three minutes with their pictures cost less than two without, as the codec encodes by default.
    assert previewed - started < 2 * (time.process_time() - previewed)
    share = PAGE_BYTES * 2.5 / 6.5
    assert len(preview.opus) <= 1.1 * share
    assert preview.preview_s == 180
    # mix, four stems, picture and 0.3 MB of values
    assert (share + 4 * PAGE_BYTES / 6.5) * 1.1 * 4 / 3 + len(preview.spectrogram) * 4 / 3 + 3e5 < 3.4e6


def test_of_a_long_recording_a_page_holds_the_beginning(monkeypatch):
    monkeypatch.setattr("audio_assets.report.sound.PAGE_BYTES", 70_000)
    monkeypatch.setattr("audio_assets.report.sound.IN_MEMORY_S", 30.0)
    t = np.arange(8000 * 60) / 8000
    long = Signal.from_array(np.sin(2 * np.pi * 440 * t) * (t < 50), 8000)
    preview = mix_preview(long, 60.0, 0)
    assert preview.preview_s == 8 * 70_000 / 14_000
    samples, rate = soundfile.read(io.BytesIO(preview.opus))
    assert len(samples) / rate == pytest.approx(40, abs=0.1)
    assert np.abs(samples[30 * rate :]).max() > 0.5  # of the sound, not of silence
    edges = [int(point.split()[0]) for point in preview.waveform[1:-1].split("L") if point.endswith(" 0")]
    assert max(edges) == pytest.approx(WAVE_COLUMNS * 50 / 60, abs=2)  # the picture is of all of it


def test_a_spectrogram_shows_a_rising_tone_from_bottom_left_to_top_right():
    rate, seconds = 48_000, 8
    t = np.arange(rate * seconds) / rate
    sweep = np.sin(2 * np.pi * (100 * t + (12_000 - 100) / (2 * seconds) * t**2)).astype(np.float32)
    canvas = Canvas(len(sweep), rate)
    for block in np.array_split(sweep, 7):
        canvas.add(block)
    with Image.open(io.BytesIO(canvas.spectrogram())) as image:
        assert image.size == (SPECTRUM_COLUMNS, 112)
        level = np.asarray(image)
    loudest = 111 - level.argmax(axis=0)[60:-60]
    assert (np.diff(loudest.astype(int)) >= -1).all()
    # 6050 Hz, in the middle of time, on the mel scale of 40 Hz to 16 kHz
    mel = lambda hz: 2595 * np.log10(1 + hz / 700)  # noqa: E731
    expected = 112 * (mel(6050) - mel(40)) / (mel(16_000) - mel(40))
    assert loudest[SPECTRUM_COLUMNS // 2 - 60] == pytest.approx(expected, abs=2)


def test_a_waveform_is_the_lowest_and_highest_sample_of_each_column():
    samples = np.zeros(12_000, np.float32)
    samples[[50, 6005]] = (1.0, -0.5)
    canvas = Canvas(len(samples), 48_000)
    for block in np.array_split(samples, 5):
        canvas.add(block, spectrum=False)
    points = [tuple(map(int, p.split())) for p in canvas.waveform()[1:-1].split("L")]
    top, bottom = dict(points[:WAVE_COLUMNS]), dict(points[WAVE_COLUMNS:])
    assert {x for x, y in top.items() if y != 100} == {5}
    assert (top[5], bottom[600]) == (0, 151)
    assert {x for x, y in bottom.items() if y != 101} == {600}


def test_places_and_robust_scores_follow_their_definitions():
    values = Distribution(np.sort(np.array([1.0, 2, 2, 3, 4, 5, 6, 7, 8, 100])))
    assert values.rank(100) == 1
    assert values.rank(1) == 0
    assert values.rank(2) == pytest.approx(1.5 / 9)
    # median 4.5, median absolute deviation 2.5; of logarithms 1.498 and 0.631
    logarithms = np.log(values.values)
    deviation = 1.4826 * np.median(np.abs(logarithms - np.median(logarithms)))
    assert values.robust_z(100) == pytest.approx((np.log(100) - np.median(logarithms)) / deviation)
    assert Distribution(np.array([-1.0] + [0.0] * 9)).robust_z(-1.0) == pytest.approx(-1 / (1.2533 * 0.1))
    assert Distribution(np.zeros(9)).robust_z(0.0) == 0
    assert Distribution(np.arange(7.0)).robust_z(6.0) == 0
    assert Distribution(np.array([5.0])).rank(5.0) is None
    assert json.dumps(values.histogram())
