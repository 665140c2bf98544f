"""A version on disk: the audio file as its owner has it, and the truth about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from audio_assets.demo.files import LOSSLESS, write_audio, write_tags
from audio_assets.demo.music import SAMPLE_RATE
from audio_assets.demo.music.arrangement import arrange
from audio_assets.demo.music.drums import DRUM_CLASSES
from audio_assets.demo.music.performance import Performance, perform
from audio_assets.demo.music.score import Bar, Score
from audio_assets.demo.music.works import Style, Version, load_styles, load_versions
from audio_assets.demo.truth import (
    STEMS,
    Beat,
    DrumOnset,
    MelodyNote,
    Span,
    TrackTruth,
    Word,
    save,
)

_EXCERPT_FORM = (("intro", 1), ("verse", 0), ("outro", 1))
_TINY = ("afterglow", "the-river-stair")


def track_keys(tiny: bool) -> list[str]:
    """The keys of all recordings; ``tiny``: two works, two versions each."""
    versions = load_versions()
    if tiny:
        versions = tuple(
            version
            for version in versions
            if version.work.work_id in _TINY and version.label in ("studio", "live")
        )
    return [version.key_slug for version in versions]


def make_track(key: str, folder: Path, rng: np.random.Generator, tiny: bool) -> list[Path]:
    """Record the version ``key`` into ``folder``; ``tiny`` records two lines of it. All files made.

    Raises KeyError for a key that is not one of ``track_keys``.
    """
    version = {version.key_slug: version for version in load_versions()}[key]
    style = load_styles()[version.subgenre]
    if tiny:
        version = replace(version, work=version.work.excerpt())
        style = replace(style, form=_EXCERPT_FORM)
    score = arrange(version, style, rng)
    performance = perform(score, rng)

    name = f"{version.artist} - {version.work.title} ({version.label}).{version.format}"
    path = folder / "music" / style.genre / style.subgenre / name
    mix = performance.mix
    write_audio(path, mix, SAMPLE_RATE)
    if path.suffix != ".wav":  # WAV files rarely carry tags; the platform must live with that
        write_tags(path, _tags(version, style))
    made = [path]
    if score.sung and version.mix == "studio":  # nobody transcribes a bootleg
        sheet = path.with_suffix(".txt")
        sheet.write_text(f"{version.work.lyrics}\n", encoding="utf-8")
        made.append(sheet)
    stems = {}
    for stem, samples in performance.stems.items():
        stem_path = folder / STEMS / key / f"{stem}.flac"
        write_audio(stem_path, samples, SAMPLE_RATE)
        stems[stem] = stem_path.relative_to(folder).as_posix()
        made.append(stem_path)
    duration_s = mix.shape[1] / SAMPLE_RATE
    truth = _truth(score, performance, path.relative_to(folder).as_posix(), stems, duration_s)
    return [*made, save(truth, folder)]


def _tags(version: Version, style: Style) -> dict[str, str]:
    title = version.work.title
    return {
        "title": title if version.label == "studio" else f"{title} ({version.label})",
        "artist": version.artist,
        "album": version.album,
        "date": str(version.year),
        "genre": style.subgenre.title(),
    }


def _truth(
    score: Score, performance: Performance, path: str, stems: dict[str, str], duration_s: float
) -> TrackTruth:
    version, style = score.version, score.style
    instruments = [part.instrument for part, _ in score.parts]
    instruments += ["drums"] * bool(score.hits) + ["voice"] * bool(score.sung)
    return TrackTruth(
        key=version.key_slug,
        path=path,
        title=version.work.title,
        artist=version.artist,
        album=version.album,
        year=version.year,
        genre=style.genre,
        subgenre=style.subgenre,
        mood=style.mood,
        work_id=version.work.work_id,
        version=version.label,
        language=version.work.language if score.sung else None,
        voice=version.voice,
        instruments=tuple(dict.fromkeys(instruments)),
        sample_rate=SAMPLE_RATE,
        duration_s=duration_s,
        bpm=float(version.bpm),
        tempo=version.tempo,
        meter=style.meter,
        key_name=version.key.name,
        beats=tuple(_beats(score)),
        chords=tuple(_chords(score, duration_s)),
        sections=tuple(_sections(score)),
        drums=tuple(
            DrumOnset(hit.time_s, hit.piece, DRUM_CLASSES[hit.piece], hit.velocity) for hit in score.hits
        ),
        melody=tuple(
            MelodyNote(note.start_s, note.start_s + note.duration_s, note.midi) for note in score.melody
        ),
        lyrics=version.work.lyrics if score.sung else None,
        words=tuple(Word(word.start_s, word.end_s, word.text) for word in performance.words),
        stems=stems,
        lossless=Path(path).suffix in LOSSLESS,
    )


def _beats(score: Score) -> Iterator[Beat]:
    """Every beat to the downbeat of the last bar, whose chord rings without a pulse."""
    meter = score.style.meter
    for number in range(score.bars[-1].beat + 1):
        yield Beat(float(score.tempo.beat_times_s[number]), number % meter + 1)


def _chords(score: Score, duration_s: float) -> Iterator[Span]:
    """Chords from the start of the file to its end, ``N`` around the music, like neighbours joined."""
    labelled = [(0.0, "N")]
    for bar in score.bars:
        for offset, chord in bar.chords:
            time_s = score.tempo.seconds(bar.beat + offset)
            labelled.append((time_s, chord.label(score.version.key)))
    labelled.append((score.end_s, "N"))
    starts = [
        current
        for previous, current in zip([(-1.0, ""), *labelled], labelled, strict=False)
        if current[1] != previous[1]
    ]
    ends = [start_s for start_s, _ in starts[1:]] + [duration_s]
    for (start_s, label), end_s in zip(starts, ends, strict=True):
        yield Span(start_s, end_s, label)


def _sections(score: Score) -> Iterator[Span]:
    first: list[Bar] = [bar for bar in score.bars if bar.index == 0]
    starts_s = [score.tempo.seconds(bar.beat) for bar in first] + [score.end_s]
    for bar, start_s, end_s in zip(first, starts_s, starts_s[1:], strict=False):
        yield Span(start_s, end_s, bar.section)
