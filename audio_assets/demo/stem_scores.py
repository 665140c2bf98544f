"""Stems and drum hits beside the corpus's truth.

SI-SDR is the scale-invariant signal-to-distortion ratio of Le Roux et al., "SDR - half-baked or well done?",
ICASSP 2019, in dB, over both channels at once. Its improvement is against the mix as the estimate, so 0 dB
is what doing nothing reaches. Drum hits are scored as onsets: F-measure within 50 ms (mir_eval).
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
from numpy.typing import NDArray

from audio_assets.audio.signal import Signal
from audio_assets.demo.compare import items_of
from audio_assets.demo.music.drums import GENERAL_MIDI
from audio_assets.demo.truth import DrumOnset, Truth
from audio_assets.resources.objects import Objects

Samples = NDArray[np.float32]

SAMPLE_RATE = 44_100
ONSET_WINDOW_S = 0.05


@dataclass(frozen=True)
class StemScore:
    """How a stem compares with its truth, in dB."""

    si_sdr_db: float
    improvement_db: float


def si_sdr_db(estimate: Samples, truth: Samples) -> float | None:
    """SI-SDR of an estimate; None where the truth is silent, which nothing can be compared with.

    An estimate that is silent, or has nothing of the truth, has -inf; a perfect one has inf.

    Shape:
        - both: ``[channels, n]``
    """
    if estimate.shape != truth.shape:
        raise ValueError(f"found an estimate of shape {estimate.shape}; wanted the truth's, {truth.shape}")
    wanted = truth.astype(np.float64).ravel()
    found = estimate.astype(np.float64).ravel()
    energy = float(wanted @ wanted)
    if not energy:
        return None
    projection = float(found @ wanted) ** 2 / energy
    noise = max(float(found @ found) - projection, 0.0)
    if not projection:
        return -np.inf
    with np.errstate(divide="ignore"):
        return float(10 * np.log10(np.float64(projection) / noise))


def score_stems(
    estimates: Mapping[str, Samples], truth: Mapping[str, Samples], mix: Samples
) -> dict[str, StemScore | None]:
    """The scores of the stems that `truth` has; None for one that is silent there.

    Signals are cut to the shortest of them, since lossy copies may be some samples longer.

    Shape:
        - all: ``[2, n]``
    """
    n = min(samples.shape[1] for samples in (mix, *estimates.values(), *truth.values()))
    scores: dict[str, StemScore | None] = {}
    for stem, wanted in truth.items():
        reached = si_sdr_db(estimates[stem][:, :n], wanted[:, :n])
        without = si_sdr_db(mix[:, :n], wanted[:, :n])
        if reached is None or without is None:
            scores[stem] = None
        else:
            scores[stem] = StemScore(reached, reached - without)
    return scores


def score_separation(
    connection: duckdb.DuckDBPyConnection, objects: Objects, truth: Truth, corpus: Path
) -> dict[str, list[float]]:
    """Improvements in dB by stem, of one track of each subgenre whose mix is lossless.

    A stem that is silent in the truth, or was called silent, is left out.
    """
    items = items_of(connection, corpus)
    chosen = {t.subgenre: t for t in reversed(truth.tracks) if t.lossless and t.path in items}
    found: dict[str, list[float]] = {}
    for track in chosen.values():
        rows = connection.execute(
            "SELECT stem, audio FROM stems WHERE item = ? AND NOT is_silent", [items[track.path]]
        ).fetchall()
        wanted = {stem: _stereo(corpus / path) for stem, path in track.stems.items()}
        estimates = {stem: _stereo(io.BytesIO(objects.get(key))) for stem, key in rows if stem in wanted}
        wanted = {stem: samples for stem, samples in wanted.items() if stem in estimates}
        if wanted:
            mix = Signal(corpus / track.path).stereo(SAMPLE_RATE)
            for stem, score in score_stems(estimates, wanted, mix).items():
                if score is not None:
                    found.setdefault(stem, []).append(score.improvement_db)
    return found


def score_drums(connection: duckdb.DuckDBPyConnection, truth: Truth, corpus: Path) -> dict[str, list[float]]:
    """F-measures by class, of every track in which it is struck."""
    items = items_of(connection, corpus)
    found: dict[str, list[float]] = {}
    for track in (track for track in truth.tracks if track.path in items):
        query = "SELECT time_s, midi FROM drum_hits WHERE item = ? ORDER BY time_s"
        hits = connection.execute(query, [items[track.path]]).fetchall()
        for drum_class in ("BD", "SD", "HH"):
            f = drum_f(hits, track.drums, drum_class)
            if f is not None:
                found.setdefault(drum_class, []).append(f)
    return found


def _stereo(file: Path | io.BytesIO) -> Samples:
    import soundfile

    samples: Samples = soundfile.read(file, dtype="float32", always_2d=True)[0].T
    return samples if len(samples) == 2 else np.repeat(samples, 2, axis=0)


def drum_f(hits: Sequence[tuple[float, int]], truth: Sequence[DrumOnset], drum_class: str) -> float | None:
    """F-measure of one class, BD, SD, TT, HH or CY; None for a track where it is never struck.

    Args:
        hits: time in seconds and General MIDI note of each.
    """
    import mir_eval

    wanted = np.sort([onset.time_s for onset in truth if onset.drum_class == drum_class])
    if not len(wanted):
        return None
    found = np.sort([time_s for time_s, midi in hits if midi == GENERAL_MIDI[drum_class]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # mir_eval warns of empty estimates, which score 0
        f, _, _ = mir_eval.onset.f_measure(wanted, found, window=ONSET_WINDOW_S)
    return float(f)
