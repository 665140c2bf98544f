"""`audio-assets demo`: make the corpus, compute everything on it, compare with the truth."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from rich.console import Console
from rich.table import Table

from audio_assets.assemble import current_platform
from audio_assets.command.progress import bar, run_progress
from audio_assets.demo.compare import METRICS, TrackScores, mean_scores, score_tracks
from audio_assets.demo.corpus import make_corpus
from audio_assets.demo.stem_scores import score_drums, score_separation
from audio_assets.ingest.annotations.podcastfillers import read_podcastfillers
from audio_assets.ingest.register import import_events, register
from audio_assets.orchestration.launch import bad_items, launch, select_assets
from audio_assets.settings import get_settings

HEADINGS = {
    "tempo_1": "tempo acc. 1",
    "tempo_2": "tempo acc. 2",
    "beat_f": "beat F",
    "downbeat_f": "downbeat F",
    "key": "key",
    "chords": "chords maj/min",
}


def show(size: Literal["tiny", "demo"], out: Console, err: Console) -> int:
    """Everything, with progress; 1 if anything could not be computed."""
    started = time.monotonic()
    settings = get_settings()
    platform = current_platform()
    platform.prepare()
    with bar(err, "making the corpus") as progress:
        folder = settings.home / f"corpus-{size}"
        corpus = make_corpus(folder, size=size, progress=lambda done, total, _: progress(done, total))
    with bar(err, "reading") as progress:
        report = register(platform, [corpus.music, corpus.podcasts], on_file=progress)
    import_events(platform, read_podcastfillers(corpus.podcasts / "PodcastFillers.csv"))
    out.print(f"Corpus in {folder}: {report.added} new recordings, {report.known} known.")
    names = select_assets(platform, None)
    with run_progress(err) as tally:
        finished = launch(platform, names)
    if finished.run_ids:
        out.print(tally.table(names))
    else:
        out.print("Nothing to compute: everything is up to date.")
    bad = bad_items(platform, names, finished.run_ids)
    for asset, item, outcome, reason in bad:
        out.print(f"{outcome}: {asset} of {item}: {reason}", markup=False)
    for error in finished.errors:
        err.print(error, markup=False)
    with platform.lake.get_connection() as connection:
        scores = score_tracks(connection, corpus.truth(), folder)
        improvements = score_separation(connection, platform.objects, corpus.truth(), folder)
        drums = score_drums(connection, corpus.truth(), folder)
        laughter = connection.execute(LAUGHTER).fetchall()
    out.print(score_table(scores))
    out.print(stem_table(improvements, drums))
    if laughter:
        out.print(laughter_table(laughter))
    out.print(
        f"Done in {time.monotonic() - started:.0f} s. Look around:\n"
        "  make ui                     the Dagster UI with these assets, on 127.0.0.1:3000\n"
        "  audio-assets report         pages to hear and see what was measured: report/index.html\n"
        '  audio-assets sql "SELECT title, bpm, key, scale, lufs FROM track_features LIMIT 10"\n'
        "  audio-assets status         what is there, and how it stands",
        soft_wrap=True,
    )
    return 1 if bad or finished.errors else 0


LAUGHTER = """
SELECT label_kind, metric, value, low, high, base_rate, episodes
FROM laughter_evaluation
WHERE split = 'test'
  AND metric IN (
      'auprc', 'f1', 'event_f1', 'warning_median_lead_s', 'warning_false_alarms_per_hour',
      'mae_s', 'baseline_mae_s')
ORDER BY label_kind, metric
"""
LABEL_KINDS = {
    "detection": "laughing now", "onset": "about to laugh", "shifted": "laughing soon", "time": "next laugh",
}  # fmt: skip
METRIC_NAMES = {
    "auprc": "AUPRC",
    "f1": "F1",
    "event_f1": "event F1",
    "warning_median_lead_s": "lead, median s",
    "warning_false_alarms_per_hour": "false alarms/h",
    "mae_s": "mean error, s",
    "baseline_mae_s": "of the median, s",
}


def laughter_table(rows: Sequence[tuple[Any, ...]]) -> Table:
    """What the laughter models reach on held-out episodes."""
    table = Table(
        "told", "metric", "value", "95 % interval", "base rate", "episodes", box=None,
        title="Laughter on episodes held out of training", title_justify="left",
    )  # fmt: skip
    for kind, metric, value, low, high, base_rate, episodes in rows:
        interval = "–" if low is None else f"{low:.2f} to {high:.2f}"
        shown = "–" if value is None else f"{value:.2f}"
        chance = f"{base_rate:.3f}" if base_rate is not None and metric == "auprc" else "–"
        table.add_row(LABEL_KINDS[kind], METRIC_NAMES[metric], shown, interval, chance, str(episodes))
    return table


def stem_table(improvements: Mapping[str, list[float]], drums: Mapping[str, list[float]]) -> Table:
    """What separation and the drum transcriber reach, as means."""
    table = Table(
        "what", "mean", "tracks", box=None, title_justify="left",
        title="Stems and drum hits against the truth (stems: one track of each subgenre)",
    )  # fmt: skip
    for stem, values in sorted(improvements.items()):
        finite = [value for value in values if np.isfinite(value)]
        table.add_row(
            f"{stem}: SI-SDR improvement over the mix", f"{np.mean(finite):+.1f} dB", str(len(finite))
        )
    for drum_class, values in drums.items():
        table.add_row(f"{drum_class} hits: onset F", f"{np.mean(values):.2f}", str(len(values)))
    return table


def score_table(scores: Sequence[TrackScores]) -> Table:
    """The mean scores by genre and over all, as a table for people."""
    table = Table(
        "genre", "tracks", *HEADINGS.values(), box=None, title_justify="left",
        title="Measured features against the corpus's truth (1 is perfect)",
    )  # fmt: skip
    genres = sorted({score.genre for score in scores})
    for genre in (*genres, None):
        chosen = [score for score in scores if genre in (None, score.genre)]
        means = mean_scores(chosen)
        cells = ("–" if (mean := means[metric]) is None else f"{mean:.2f}" for metric in METRICS)
        table.add_row(genre or "all", str(len(chosen)), *cells, style=None if genre else "bold")
    return table
