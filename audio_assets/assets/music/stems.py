"""`stems`: drums, bass, other and vocals of a track as FLAC, and how loud each is.

A track is decoded, separated, measured and encoded as a stream, so that a mix of two hours takes no more
memory than one of four minutes; the FLAC files grow in the temporary folder (``TMPDIR``) until they are
moved to object storage.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import numpy as np

from audio_assets.assets.catalog import TRACK
from audio_assets.audio.downmix import Samples
from audio_assets.audio.encode import FlacWriter
from audio_assets.audio.signal import Signal
from audio_assets.backends.separation import SAMPLE_RATE, SEPARATION_ROLE, STEMS, Separation
from audio_assets.engine import (
    BOOLEAN,
    FLOAT,
    INTEGER,
    OBJECT,
    TEXT,
    Blob,
    Column,
    NotApplicable,
    Table,
    item_asset,
)
from audio_assets.features.loudness import LoudnessMeter
from audio_assets.resources.objects import Objects

Row = dict[str, Any]

GROUP = "stems"

BLOCK_S = 10.0

SILENT_BELOW = -60.0
"""LUFS, or dBFS RMS where a track is too short for a loudness, below which a stem is silent."""

STEM_TABLE = Table(
    "stems",
    item=TRACK,
    rows="many",
    doc="The four stems of a track; what needs a stem that is silent is not applicable.",
    columns=[
        Column("stem", TEXT, nullable=False, doc="drums, bass, other or vocals"),
        Column("audio", OBJECT, nullable=False, doc="FLAC, stereo, 44.1 kHz, as long as the track"),
        Column("sample_rate", INTEGER, unit="Hz", nullable=False, doc="Sample rate of the FLAC"),
        Column("duration_s", FLOAT, unit="s", low=0, nullable=False, doc="Its length"),
        Column("lufs", FLOAT, unit="LUFS", low=-70, high=20, doc="Integrated loudness; NULL below -70"),
        Column("lra", FLOAT, unit="LU", low=0, high=100, doc="Loudness range, EBU Tech 3342"),
        Column(
            "sample_peak_dbfs",
            FLOAT,
            unit="dBFS",
            doc="Largest sample of the separator; what is above 0 is clipped in the FLAC",
        ),
        Column("is_silent", BOOLEAN, nullable=False, doc="Below -60 LUFS"),
    ],
)


@item_asset(
    table=STEM_TABLE,
    group=GROUP,
    bundle="stems",
    code_version="1",
    roles=(SEPARATION_ROLE,),
    pool="gpu",
    time_limit_s=8 * 3600,
    memory_limit_gib=24,
)
def stems(track: Signal, *, separation: Separation, bit_depth: int = 16) -> list[Row]:
    """The stems; `bit_depth` of the FLAC is 16 or 24."""
    if bit_depth not in (16, 24):
        raise ValueError(f"found a bit_depth of {bit_depth}; wanted 16 or 24")
    bits: Literal[16, 24] = 16 if bit_depth == 16 else 24
    with ExitStack() as open_files:
        recorders = [open_files.enter_context(_Recorder(stem, bits)) for stem in STEMS]
        for part in separation.separate(lambda: track.stereo_blocks(BLOCK_S, SAMPLE_RATE)):
            for recorder, samples in zip(recorders, part, strict=True):
                recorder.add(samples)
        return [recorder.row() for recorder in recorders]


def mono_stem(track: Signal, rows: list[Row], stem: str, objects: Objects) -> Signal | None:
    """A stem mixed down to mono, None if it is silent; decoded once for all who ask the same track."""
    (row,) = (row for row in rows if row["stem"] == stem)
    return None if row["is_silent"] else track.once(_decoded_stem, row["audio"], objects)


def need_sound(rows: list[Row], *names: str) -> None:
    """Raises `NotApplicable` if all the stems of these names are silent."""
    silent = {row["stem"] for row in rows if row["is_silent"]}
    if silent.issuperset(names):
        stems_are = "stem is" if len(names) == 1 else "stems are"
        raise NotApplicable(f"the {', '.join(names)} {stems_are} silent")


def _decoded_stem(_: Signal, key: str, objects: Objects) -> Signal:
    with tempfile.TemporaryDirectory(prefix="stem-") as cache:
        stored = Signal(objects.local_file(key, Path(cache)))
        blocks = [block[0] for block in stored.blocks(60.0, mono=True)]
        return Signal.from_array(np.concatenate(blocks), SAMPLE_RATE)


class _Recorder:
    """Writes a stem to a FLAC file and measures it on the way. The file goes if an error ends it."""

    def __init__(self, stem: str, bits: Literal[16, 24]) -> None:
        self._stem = stem
        self._meter = LoudnessMeter(SAMPLE_RATE)
        self._peak = self._energy = 0.0
        self._length = 0
        handle, name = tempfile.mkstemp(prefix=f"{stem}-", suffix=".flac")
        os.close(handle)
        self._path = Path(name)
        self._file = FlacWriter(self._path, SAMPLE_RATE, channels=2, bit_depth=bits)

    def __enter__(self) -> _Recorder:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._file.__exit__(None, None, None)
        if kind is not None:
            self._path.unlink(missing_ok=True)

    def add(self, samples: Samples) -> None:
        """What follows of the stem, ``[2, m]``."""
        if not samples.size:
            return
        self._file.write(samples)
        self._meter.add(samples)
        self._peak = max(self._peak, float(np.abs(samples).max()))
        self._energy += float(np.vdot(samples, samples))
        self._length += samples.shape[1]

    def row(self) -> Row:
        """The stem's row; the FLAC is whole once the recorder is closed."""
        loudness = self._meter.loudness()
        rms = np.sqrt(self._energy / max(1, 2 * self._length))
        level = loudness.lufs if loudness.lufs is not None else _db(float(rms))
        return {
            "stem": self._stem,
            "audio": Blob(self._path, "flac"),
            "sample_rate": SAMPLE_RATE,
            "duration_s": self._length / SAMPLE_RATE,
            "lufs": loudness.lufs,
            "lra": loudness.lra,
            "sample_peak_dbfs": _db(self._peak),
            "is_silent": level is None or level < SILENT_BELOW,
        }


def _db(amplitude: float) -> float | None:
    return 20 * float(np.log10(amplitude)) if amplitude > 0 else None
