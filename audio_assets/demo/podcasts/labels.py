"""What people leave beside their recordings: label tracks, turns, words, and one big CSV.

Formats: Audacity label track (start, end, label, tab-separated); RTTM ``SPEAKER`` lines and CTM word
lines with confidence, type and speaker, after NIST's Rich Transcription evaluation plan (2009), as
NeMo writes and reads them; PodcastFillers' CSV (Zhu, Caceres & Salamon, Interspeech 2022).
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable
from math import log2
from pathlib import Path

import numpy as np

from audio_assets.demo.truth import EpisodeTruth, Event, Truth

CSV_COLUMNS = (
    "clip_name", "pfID", "label_full_vocab", "label_consolidated_vocab", "podcast_filename",
    "event_start_inepisode", "event_end_inepisode", "event_start_inclip", "event_end_inclip",
    "clip_start_inepisode", "clip_end_inepisode", "duration", "confidence", "n_annotators",
    "episode_split_subset", "clip_split_subset", "pitch_cent",
)  # fmt: skip
_FULL_VOCABULARY = {
    "laughter": "Laughter", "breath": "Breath", "uh": "Uh", "um": "Um", "agree": "Agree",
    "music": "Music", "noise": "Noise",
}  # fmt: skip
_CONSOLIDATED = {"Laughter", "Breath", "Uh", "Um", "Music"}
_CLIP_S = 1.0


def write_sidecars(truth: EpisodeTruth, audio: Path, kinds: Iterable[str]) -> list[Path]:
    """Write the sidecars of ``kinds`` (audacity, rttm, ctm) beside ``audio``; the files made."""
    made = []
    # File names may have blanks, the fields of these formats may not.
    recording = audio.stem.replace(" ", "-")
    for kind in kinds:
        if kind == "audacity":
            path = audio.with_name(f"{audio.stem}.labels.txt")
            lines = [
                f"{event.start_s:.6f}\t{event.end_s:.6f}\t{event.label}"
                for event in truth.events
                if event.label != "speech"
            ]
        elif kind == "rttm":
            path = audio.with_suffix(".rttm")
            lines = [
                f"SPEAKER {recording} 1 {turn.start_s:.3f} {turn.end_s - turn.start_s:.3f} "
                f"<NA> <NA> {turn.speaker} <NA> <NA>"
                for turn in truth.turns
            ]
        else:
            path = audio.with_suffix(".ctm")
            lines = [
                f"{recording} 1 {word.start_s:.3f} {word.end_s - word.start_s:.3f} "
                f"{word.word} NA lex {word.speaker}"
                for word in sorted(truth.words, key=lambda word: word.start_s)
            ]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        made.append(path)
    return made


def write_podcast_fillers_csv(truth: Truth, path: Path, rng: np.random.Generator) -> None:
    """All events but plain speech in the columns of PodcastFillers.

    Annotators are simulated: three to five look, and now and then one disagrees.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(CSV_COLUMNS)
        number = 0
        for episode in truth.episodes:
            for event in episode.events:
                if event.label in _FULL_VOCABULARY:
                    writer.writerow(_row(number, episode, event, rng))
                    number += 1


def _row(number: int, episode: EpisodeTruth, event: Event, rng: np.random.Generator) -> list[str | int]:
    label = _FULL_VOCABULARY[event.label]
    middle_s = (event.start_s + event.end_s) / 2
    clip_start_s = min(max(0.0, middle_s - _CLIP_S / 2), episode.duration_s - _CLIP_S)
    within = [min(max(0.0, t - clip_start_s), _CLIP_S) for t in (event.start_s, event.end_s)]
    annotators = int(rng.integers(3, 6))
    confidence = (annotators - int(rng.random() < 0.15)) / annotators
    pitches = {speaker.name: speaker.pitch_hz for speaker in episode.speakers}
    # In cents above 10 Hz, as pitch trackers count; nothing for what has no pitch.
    cents = f"{1200 * log2(pitches[event.speaker] / 10):.1f}" if event.speaker in pitches else ""
    return [
        f"{number:05d}.wav", f"{number:05d}", label,
        label if label in _CONSOLIDATED else "None", Path(episode.path).stem,
        f"{event.start_s:.4f}", f"{event.end_s:.4f}", f"{within[0]:.4f}", f"{within[1]:.4f}",
        f"{clip_start_s:.4f}", f"{clip_start_s + _CLIP_S:.4f}",
        f"{event.end_s - event.start_s:.4f}", f"{confidence:.4f}", annotators,
        episode.split, episode.split if confidence > 0.7 else "extra", cents,
    ]  # fmt: skip


def write_versions_csv(truth: Truth, corpus: Path, path: Path) -> None:
    """The benchmark table of version identification: version, clique, lyrics, MD5 of the file."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("version_id", "clique_id", "lyrics", "md5_encoded"))
        for track in truth.tracks:
            digest = hashlib.md5((corpus / track.path).read_bytes()).hexdigest()
            writer.writerow((track.key, track.work_id, track.lyrics or "", digest))
