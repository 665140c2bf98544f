"""`drum_hits`: when a drum kit is struck, and what, from the drum stem."""

from __future__ import annotations

from typing import Any

from audio_assets.assets.catalog import TRACK
from audio_assets.assets.music.stem_features import BUNDLE, MEMORY_LIMIT_GIB
from audio_assets.assets.music.stems import GROUP, mono_stem, need_sound
from audio_assets.audio.signal import Signal
from audio_assets.backends.drum_hits import DRUM_CLASSES, DRUM_HITS_ROLE, DrumTranscriber
from audio_assets.engine import FLOAT, INTEGER, TEXT, Column, Table, item_asset
from audio_assets.resources.objects import Objects

DRUM_HITS = Table(
    "drum_hits",
    item=TRACK,
    rows="many",
    doc="Hits of the drum kit in order of time; no rows where drums sound without a hit.",
    columns=[
        Column("time_s", FLOAT, unit="s", low=0, nullable=False, doc="Time of the hit"),
        Column("midi", INTEGER, low=35, high=49, nullable=False, doc="General MIDI: 35, 38, 47, 42 or 49"),
        Column("drum_class", TEXT, nullable=False, doc="bass drum, snare drum, tom-tom, hi-hat or cymbal"),
        Column("strength", FLOAT, low=0, high=1, doc="Level relative to loud hits of its class; 0 is -40 dB"),
    ],
)


@item_asset(
    table=DRUM_HITS,
    group=GROUP,
    bundle=BUNDLE,
    code_version="1",
    roles=(DRUM_HITS_ROLE,),
    memory_limit_gib=MEMORY_LIMIT_GIB,
)
def drum_hits(
    track: Signal, stems: list[dict[str, Any]], *, drum_hits: DrumTranscriber, objects: Objects
) -> list[dict[str, Any]]:
    need_sound(stems, "drums")
    drums = mono_stem(track, stems, "drums", objects)
    assert drums is not None
    return [
        {
            "time_s": hit.time_s,
            "midi": hit.midi,
            "drum_class": DRUM_CLASSES[hit.midi],
            "strength": hit.strength,
        }
        for hit in drum_hits.hits(drums.mono())
    ]
