"""`audio-assets demo`: make the corpus, compute everything on it, compare with the truth."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Literal

from rich.console import Console
from rich.table import Table

from audio_assets.definitions import build_platform
from audio_assets.demo.compare import METRICS, TrackScores, mean_scores, score_tracks
from audio_assets.demo.corpus import make_corpus
from audio_assets.demo.truth import load_truth
from audio_assets.instance import open_instance
from audio_assets.launch import bad_items, launch, select_assets
from audio_assets.register import register
from audio_assets.settings import get_settings
from audio_assets.watch import bar, run_progress

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
    platform = build_platform(settings)
    platform.prepare()
    corpus = settings.home / f"corpus-{size}"
    with bar(err, "making the corpus") as progress:
        make_corpus(corpus, size=size, progress=progress)
    with bar(err, "reading") as progress:
        report = register(platform, [corpus / "music", corpus / "podcasts"], on_file=progress)
    out.print(f"Corpus in {corpus}: {report.added} new recordings, {report.known} known.")
    names = select_assets(platform, None)
    with run_progress(err) as tally:
        finished = launch(platform, lambda: open_instance(settings), names)
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
        scores = score_tracks(connection, load_truth(corpus), corpus)
    out.print(score_table(scores))
    out.print(
        f"Done in {time.monotonic() - started:.0f} s. Look around:\n"
        "  make ui                     the Dagster UI with these assets, on 127.0.0.1:3000\n"
        '  audio-assets sql "SELECT title, bpm, key, scale, lufs FROM track_features LIMIT 10"\n'
        "  audio-assets status         what is there, and how it stands"
    )
    return 1 if bad or finished.errors else 0


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
