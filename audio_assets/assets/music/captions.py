"""Captions of tracks in five kinds, and how captions made in several ways agree with what was measured."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from itertools import pairwise
from typing import Any

from audio_assets.assets.catalog import TRACK
from audio_assets.audio.signal import Signal
from audio_assets.backends.captions import (
    CAPTION_REVISION_ROLE,
    CAPTIONS_ROLE,
    SECOND_CAPTIONS_ROLE,
    Captioner,
    Describer,
    Reviser,
)
from audio_assets.captions import KINDS, Facts
from audio_assets.captions.agreement import ensemble, measure_agreement
from audio_assets.engine import BOOLEAN, FLOAT, INTEGER, TEXT, Column, NotApplicable, Table, item_asset

Row = dict[str, Any]

GROUP = "captions"

CAPTIONING: dict[str, Any] = {"group": GROUP, "pool": "gpu", "time_limit_s": 3600}

LIKELY = 0.1
"""Least probability of a label that a caption may state, as in the view `top_tags`."""

CAPTION_FACTS = Table(
    "caption_facts",
    item=TRACK,
    doc="What captioners are told of a track, and captions are held against; NULL is not measured.",
    columns=[
        Column("duration_s", FLOAT, unit="s", low=0, doc="Length"),
        Column("bpm", FLOAT, unit="bpm", low=40, high=300, doc="Tempo"),
        Column("has_tempo", BOOLEAN, doc="Whether there is a steady tempo"),
        Column("key", TEXT, doc="Name of the tonic"),
        Column("scale", TEXT, doc="major or minor"),
        Column("beats_per_bar", INTEGER, low=1, doc="Beats of most bars"),
        Column("bar_count", INTEGER, low=1, doc="Number of downbeats"),
        Column("lufs", FLOAT, unit="LUFS", low=-70, high=20, doc="Integrated loudness"),
        Column("lra", FLOAT, unit="LU", low=0, high=100, doc="Loudness range"),
        Column("brightness", FLOAT, low=0, high=100, doc="Timbral attribute"),
        Column("warmth", FLOAT, low=0, high=100, doc="Timbral attribute"),
        Column("chords", TEXT, length="any", doc="Chords by the time they take, the longest first"),
        Column("mean_chord_s", FLOAT, unit="s", low=0, doc="Mean length of a chord"),
        Column("genres", TEXT, length="any", doc="Likely genres, the likeliest first"),
        Column("moods", TEXT, length="any", doc="Likely moods and themes"),
        Column("instruments", TEXT, length="any", doc="Likely instruments"),
        Column("voice", FLOAT, low=0, high=1, doc="Probability of a voice"),
        Column("female", FLOAT, low=0, high=1, doc="Probability that the singer is female"),
    ],
)

CAPTIONS = Table(
    "captions",
    item=TRACK,
    rows="many",
    doc="Captions by kind; a kind of which there is nothing to say has no row.",
    columns=[
        Column("kind", TEXT, nullable=False, doc=", ".join(KINDS)),
        Column("text", TEXT, nullable=False, doc="One line: NFKC, plain dashes and quotes, single spaces"),
    ],
)

CAPTION_COMPARISON = Table(
    "caption_comparison",
    item=TRACK,
    rows="many",
    doc="Full captions made in up to five ways, and their agreement with the measured features, 0 to 1; NULL "
    "where the caption claims nothing or nothing was measured. The baseline; with a hint at the genres; the "
    "baseline revised by what was measured; by a second model; an ensemble of these. A way that is not open "
    "has no row. Composed captions agree by construction.",
    columns=[
        Column(
            "variant",
            TEXT,
            nullable=False,
            doc="baseline, genre_hint, revision, second_model or ensemble",
        ),
        Column("text", TEXT, nullable=False, doc="The caption"),
        Column("tempo_agreement", FLOAT, low=0, high=1, doc="1 within 4 %; 0.5 an octave or a third off"),
        Column("key_agreement", FLOAT, low=0, high=1, doc="MIREX weighted score of the first key claimed"),
        Column("instrument_agreement", FLOAT, low=0, high=1, doc="F1 against instruments of 0.1 and more"),
        Column("tag_agreement", FLOAT, low=0, high=1, doc="Share of the top genres and moods it names"),
        Column("agreement", FLOAT, low=0, high=1, doc="Mean of those that there are"),
    ],
)


@item_asset(table=CAPTION_FACTS, group=GROUP, bundle="caption_facts", code_version="1", reads=("duration_s",))
def caption_facts(  # noqa: PLR0917  (upstream assets are positional)
    track: Signal,
    loudness: Row,
    tempo: Row,
    tonal: Row,
    beats: list[Row],
    chords: list[Row],
    timbre: Row | None = None,
    tags: list[Row] | None = None,
    binary_labels: Row | None = None,
    *,
    record: Row,
) -> Row:
    if loudness["lufs"] is None:
        raise NotApplicable("the track is silent")
    downbeats = [index for index, row in enumerate(beats) if row["beat_in_bar"] == 1]
    bar_lengths = Counter(after - before for before, after in pairwise(downbeats))
    named = [row for row in chords if row["chord"] != "N"]
    time_of: Counter[str] = Counter()
    for row in named:
        time_of[row["chord"]] += row["end_s"] - row["start_s"]
    return {
        "duration_s": record["duration_s"],
        "bpm": tempo["bpm"],
        "has_tempo": tempo["bpm_is_defined"],
        "key": tonal["key"],
        "scale": tonal["scale"],
        "beats_per_bar": bar_lengths.most_common(1)[0][0] if bar_lengths else None,
        "bar_count": len(downbeats) or None,
        "lufs": loudness["lufs"],
        "lra": loudness["lra"],
        "brightness": timbre["brightness"] if timbre else None,
        "warmth": timbre["warmth"] if timbre else None,
        "chords": [chord for chord, _ in time_of.most_common()] or None,
        "mean_chord_s": sum(time_of.values()) / len(named) if named else None,
        "genres": _likely(tags, "genre"),
        "moods": _likely(tags, "mood_theme"),
        "instruments": _likely(tags, "instrument"),
        "voice": binary_labels["voice_probability"] if binary_labels else None,
        "female": binary_labels["female_probability"] if binary_labels else None,
    }


@item_asset(table=CAPTIONS, code_version="1", roles=(CAPTIONS_ROLE,), memory_limit_gib=48, **CAPTIONING)
def captions(track: Signal, caption_facts: Row, *, captions: Captioner) -> list[Row]:
    texts = captions.captions(track, _facts(caption_facts))
    return [{"kind": kind, "text": texts[kind]} for kind in KINDS if kind in texts]


@item_asset(
    table=CAPTION_COMPARISON,
    code_version="2",
    roles=(CAPTIONS_ROLE, CAPTION_REVISION_ROLE, SECOND_CAPTIONS_ROLE),
    memory_limit_gib=112,  # three models of 7 to 9 billion parameters in float32, where there is no GPU
    **CAPTIONING,
)
def caption_comparison(
    track: Signal,
    caption_facts: Row,
    *,
    captions: Captioner,
    caption_revision: Reviser,
    second_captions: Describer,
) -> list[Row]:
    facts = _facts(caption_facts)
    texts = {"baseline": captions.describe(track, facts, ())}
    if facts.genres:
        texts["genre_hint"] = captions.describe(track, facts, facts.genres[:3])
    texts["revision"] = caption_revision.revise(texts["baseline"], facts)
    with suppress(NotApplicable):
        texts["second_model"] = second_captions.describe(track, facts, ())
    texts["ensemble"] = ensemble(texts, facts)
    return [_compared(variant, text, facts) for variant, text in texts.items()]


def _facts(row: Row) -> Facts:
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in row.items()
    }
    return Facts(**values)


def _compared(variant: str, text: str, facts: Facts) -> Row:
    found = measure_agreement(text, facts)
    return {
        "variant": variant,
        "text": text,
        "tempo_agreement": found.tempo,
        "key_agreement": found.key,
        "instrument_agreement": found.instruments,
        "tag_agreement": found.tags,
        "agreement": found.mean,
    }


def _likely(tags: list[Row] | None, family: str) -> list[str] | None:
    """Labels of a family from `LIKELY` on, likeliest first; None where they were not measured."""
    if tags is None:
        return None
    rows = [row for row in tags if row["family"] == family and row["probability"] >= LIKELY]
    return [row["label"] for row in sorted(rows, key=lambda row: -row["probability"])[:10]]
