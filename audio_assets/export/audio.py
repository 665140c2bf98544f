"""Stems and crops as FLAC files.

Stems are the stored objects, byte for byte. Crops are cut from the original at its native rate and
channels, to the sample; of 16 bits where it has no more, else of 24. Samples beyond full scale, which
lossy and float files can hold, are clipped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from audio_assets.assets.music.crops import CROP_FEATURES, CROPS
from audio_assets.audio.encode import encode_flac
from audio_assets.engine.declare.tables import Item
from audio_assets.engine.platform import Platform
from audio_assets.export.common import Export, ExportError, ExportReport, Row, open_track, to_json
from audio_assets.export.flat import flat_row


def export_stems(platform: Platform, keys: Sequence[str] | None, folder: Path) -> ExportReport:
    """Write ``<Track>/<stem>.flac``.

    Raises:
        ExportError: nothing can be exported at all; see `Export`.
    """
    export = Export(platform, keys, folder)
    stems = export.rows("stems", order="stem")
    for item, name in export.tracks():
        stored = [row for row in stems.get(item.key, []) if row["audio"] is not None]
        if not stored:
            export.nothing(item, "no stems, or not computed yet")
        with export.refusals(item):
            for row in stored:
                export.write(f"{name}/{row['stem']}.flac", platform.objects.get(row["audio"]))
    return export.report


def export_crops(platform: Platform, keys: Sequence[str] | None, folder: Path) -> ExportReport:
    """Write ``<Track>/<Track>_<index>.flac`` and its place and features as JSON beside it.

    Raises:
        ExportError: nothing can be exported at all; see `Export`.
    """
    export = Export(platform, keys, folder)
    crops = export.rows(CROPS.name, order="crop_index")
    features = crop_features(export)
    for item, name in export.tracks():
        if item.key not in crops:
            export.nothing(item, "no crops, or not computed yet")
        with export.refusals(item):
            for row, data in cut(item, crops.get(item.key, [])):
                stem = f"{name}/{name}_{row['crop_index']:03d}"
                values = crop_values(item, row, features.get((item.key, row["crop_index"]), {}))
                export.write(f"{stem}.flac", data)
                export.write(f"{stem}.json", to_json(values))
    return export.report


def cut(item: Item, crops: Sequence[Row]) -> Iterator[tuple[Row, bytes]]:
    """Each crop of a track with its audio as FLAC.

    Raises:
        AudioError: the file is gone, has changed or does not decode.
        ExportError: it has more channels than FLAC takes.
    """
    if not crops:
        return
    signal = open_track(item)
    samples, rate = signal.samples, signal.sample_rate
    depth = item.record.get("bit_depth")
    for row in crops:
        first, last = round(row["start_s"] * rate), round(row["end_s"] * rate)
        try:
            data = encode_flac(samples[:, first:last], rate, 16 if depth and depth <= 16 else 24)
        except ValueError as error:
            raise ExportError(f"{item.key} cannot be written as FLAC: {error}") from error
        yield row, data


def crop_features(export: Export) -> Mapping[tuple[str, int], dict[str, Any]]:
    """Flat features of all crops by item and index."""
    rows = export.rows(CROP_FEATURES.name)
    columns = [column for column in CROP_FEATURES.columns if column.name != "crop_index"]
    return {(key, row["crop_index"]): flat_row(columns, row) for key, found in rows.items() for row in found}


def crop_values(item: Item, row: Row, features: Mapping[str, Any]) -> dict[str, Any]:
    """What the JSON beside a crop holds: its place in the track, then its features."""
    return {"item": item.key, **flat_row(CROPS.columns, row), **features}
