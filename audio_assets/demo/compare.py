"""The platform's tables beside the corpus's truth, with the field's own metrics (mir_eval).

Beats are trimmed of their first five seconds, as is usual, and count as found within 70 ms. Tempo is
right within 4 % (accuracy 1), or within 4 % of half, double, a third or three times it (accuracy 2).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import duckdb
import numpy as np

from audio_assets.demo.truth import TrackTruth, Truth

TEMPO_TOLERANCE = 0.04


@dataclass(frozen=True)
class TrackScores:
    """How one track's values compare with its truth, each from 0 to 1; None where not measured."""

    genre: str
    tempo_1: float | None
    tempo_2: float | None
    beat_f: float | None
    downbeat_f: float | None
    key: float | None
    chords: float | None


METRICS = ("tempo_1", "tempo_2", "beat_f", "downbeat_f", "key", "chords")


def score_tracks(connection: duckdb.DuckDBPyConnection, truth: Truth, corpus: Path) -> list[TrackScores]:
    """Scores of all tracks of the corpus that are in the catalog."""
    items = items_of(connection, corpus)
    return [_score(connection, track, items[track.path]) for track in truth.tracks if track.path in items]


def items_of(connection: duckdb.DuckDBPyConnection, corpus: Path) -> dict[str, str]:
    """The items of the catalog by their path in the corpus."""
    prefix = corpus.absolute().as_uri() + "/"
    return {
        unquote(uri.removeprefix(prefix)): item
        for uri, item in connection.execute("SELECT uri, item FROM files").fetchall()
        if uri.startswith(prefix)
    }


def mean_scores(scores: Sequence[TrackScores]) -> dict[str, float | None]:
    """The mean of each metric over the tracks that have it."""
    means: dict[str, float | None] = {}
    for metric in METRICS:
        values = [value for score in scores if (value := getattr(score, metric)) is not None]
        means[metric] = float(np.mean(values)) if values else None
    return means


def _score(connection: duckdb.DuckDBPyConnection, truth: TrackTruth, item: str) -> TrackScores:
    import mir_eval

    def rows(query: str) -> list[tuple[object, ...]]:
        return connection.execute(f"{query} WHERE item = ?", [item]).fetchall()

    beats = np.array(rows("SELECT time_s, coalesce(is_downbeat, false) FROM beats"), dtype=float).reshape(
        -1, 2
    )
    beats = beats[np.argsort(beats[:, 0])]
    tempo = [bpm for (bpm,) in rows("SELECT bpm FROM tempo") if bpm is not None]
    keys = rows("SELECT key, scale FROM tonal")
    trim = mir_eval.beat.trim_beats
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # mir_eval warns of empty estimates, which score 0
        beat_f = mir_eval.beat.f_measure(
            trim(np.array([beat.time_s for beat in truth.beats])), trim(beats[:, 0])
        )
        downbeat_f = mir_eval.beat.f_measure(
            trim(np.array(truth.downbeats_s)), trim(beats[beats[:, 1] > 0, 0])
        )
    steady = truth.tempo == "steady"
    return TrackScores(
        genre=truth.genre,
        tempo_1=_tempo(truth.bpm, tempo, (1,)) if steady else None,
        tempo_2=_tempo(truth.bpm, tempo, (1, 2, 1 / 2, 3, 1 / 3)) if steady else None,
        beat_f=float(beat_f),
        downbeat_f=float(downbeat_f),
        key=_key(truth.key_name, keys),
        chords=_chords(truth, rows("SELECT start_s, end_s, chord FROM chords")),
    )


def _tempo(true_bpm: float, found: Sequence[object], factors: Sequence[float]) -> float:
    if not found:
        return 0.0
    bpm = float(found[0])  # type: ignore[arg-type]
    return float(any(abs(bpm / (true_bpm * f) - 1) <= TEMPO_TOLERANCE for f in factors))


def _key(true_key: str, found: Sequence[tuple[object, ...]]) -> float | None:
    import mir_eval

    if not found or found[0][0] is None:
        return None
    return float(mir_eval.key.weighted_score(true_key, f"{found[0][0]} {found[0][1]}"))


def _chords(truth: TrackTruth, found: list[tuple[object, ...]]) -> float | None:
    """Share of time with the right major or minor triad."""
    import mir_eval

    if not found:
        return None
    found = sorted(found)
    reference = np.array([(span.start_s, span.end_s) for span in truth.chords])
    estimate = np.array([(start, end) for start, end, _ in found], dtype=float)
    intervals, labels = mir_eval.util.adjust_intervals(
        estimate, [str(chord) for *_, chord in found], reference.min(), reference.max(), "N", "N"
    )
    merged, true_labels, labels = mir_eval.util.merge_labeled_intervals(
        reference, [span.label for span in truth.chords], intervals, labels
    )
    durations = mir_eval.util.intervals_to_durations(merged)
    comparison = mir_eval.chord.majmin(true_labels, labels)
    return float(mir_eval.chord.weighted_accuracy(comparison, durations))
