"""Exports: what the platform knows of tracks, as files for other programs.

Every export takes the platform, keys of tracks (None: all) and a folder, and gives an `ExportReport`.
Files are named after the track's own file (``<Track>``), with the end of the item's key behind where two
tracks of the catalog share a name. They are written whole or not at all and left alone where they hold
the same already, so an export can be repeated. Original audio is read, never written: an output that
would replace one is refused. One track's refusal does not keep the others.

| kind | files |
|---|---|
| info | ``<Track>.INFO``: JSON object of all features, merged into one that is there |
| beats | ``<Track>.BEATS_GRID``, ``<Track>.DOWNBEATS``: one time in seconds per line |
| stems | ``<Track>/drums.flac``, ``bass``, ``other``, ``vocals`` |
| crops | ``<Track>/<Track>_000.flac`` at the native rate, ``<Track>_000.json`` beside it |
| stable-audio | a data set folder for Stable-Audio-Tools |
| parquet | ``track_features.parquet`` and a file for every table |
"""

from collections.abc import Callable, Mapping

from audio_assets.export.audio import export_crops, export_stems
from audio_assets.export.common import ExportError, ExportReport
from audio_assets.export.sidecars import export_beats, export_info
from audio_assets.export.stable_audio import export_stable_audio
from audio_assets.export.tables import export_parquet

EXPORTS: Mapping[str, Callable[..., ExportReport]] = {
    "info": export_info,
    "beats": export_beats,
    "stems": export_stems,
    "crops": export_crops,
    "stable-audio": export_stable_audio,
    "parquet": export_parquet,
}
"""Each kind's function of platform, keys or None, and folder."""

__all__ = [
    "EXPORTS",
    "ExportError",
    "ExportReport",
    "export_beats",
    "export_crops",
    "export_info",
    "export_parquet",
    "export_stable_audio",
    "export_stems",
]
