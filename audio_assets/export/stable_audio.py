"""A data set folder as Stable-Audio-Tools reads it.

    <folder>/dataset_config.json    for `train.py --dataset-config`
    <folder>/custom_metadata.py     gives the trainer what stands beside each file
    <folder>/audio/<Track>_000.flac, <Track>_000.json

There is a file for each crop. Its JSON has ``prompt`` (the full caption, else what tags and measurements
say), ``seconds_start`` (of the crop in the track),
``seconds_total`` (of the track), the crop's features, and the track's where they are not measured on
crops; also the track's tempo, where a crop holds too few beats for one. The trainer takes a random part
of each file and says where that begins; the metadata module adds this to ``seconds_start``, so that the
model is told the place in the track, in whole seconds as the trainer counts them. What was not measured
has no name in the JSON; list in the module's `required` what a model is conditioned on, and files without
it are left out of training.

Paths in the configuration are absolute: export again after moving the folder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from audio_assets.assets.music.crops import CROP_FEATURES, CROPS
from audio_assets.engine.declare.tables import Item
from audio_assets.engine.platform import Platform
from audio_assets.export.audio import crop_features, crop_values, cut
from audio_assets.export.common import Export, ExportReport, to_json
from audio_assets.export.flat import flat_features

METADATA = "custom_metadata.py"
CONFIG = "dataset_config.json"
AUDIO = "audio"


def export_stable_audio(platform: Platform, keys: Sequence[str] | None, folder: Path) -> ExportReport:
    """Write the data set of the tracks' crops.

    Raises:
        ExportError: nothing can be exported at all; see `Export`.
    """
    export = Export(platform, keys, folder)
    crops = export.rows(CROPS.name, order="crop_index")
    of_crops = crop_features(export)
    of_tracks = flat_features(platform, list(export.items))
    for item, name in export.tracks():
        if item.key not in crops:
            export.nothing(item, "no crops, or not computed yet")
        features = of_tracks[item.key]
        prompt = features.get("captions", {}).get("full") or describe(item, features)
        with export.refusals(item):
            for row, data in cut(item, crops.get(item.key, [])):
                measured = of_crops.get((item.key, row["crop_index"]), {})
                values = {
                    **_inherited(features, measured),
                    **crop_values(item, row, measured),
                    "prompt": prompt,
                    "seconds_start": row["start_s"],
                    "seconds_total": item.duration_s,
                }
                stem = f"{AUDIO}/{name}_{row['crop_index']:03d}"
                export.write(f"{stem}.flac", data)
                export.write(f"{stem}.json", to_json(values))
    export.write(METADATA, (Path(__file__).parent / "stable_audio_metadata.py").read_bytes())
    export.write(CONFIG, to_json(_config(folder.absolute())))
    return export.report


def describe(item: Item, features: Mapping[str, Any]) -> str:
    """A prompt from tags and measurements, for tracks without a caption; empty if nothing is known."""
    record = item.record
    genres = (record.get("genre") or record.get("folder_genre"), record.get("folder_subgenre"))
    parts = list(dict.fromkeys(str(genre).lower() for genre in genres if genre))
    if "bpm" in features:
        parts.append(f"{features['bpm']:.0f} BPM")
    if "key" in features and "scale" in features:
        parts.append(f"{features['key']} {features['scale']}")
    return ", ".join(parts)


def _inherited(of_track: Mapping[str, Any], of_crop: Mapping[str, Any]) -> dict[str, Any]:
    """What a crop has from its track: what is measured on tracks only, and a tempo it cannot tell."""
    names = {column.name for column in CROP_FEATURES.columns}
    series = {
        f"{c.name}_{i}" for c in CROP_FEATURES.columns if isinstance(c.length, int) for i in range(c.length)
    }
    tempo = {"bpm"} - of_crop.keys()
    return {name: value for name, value in of_track.items() if name in tempo or name not in names | series}


def _config(folder: Path) -> dict[str, Any]:
    dataset = {
        "id": "audio_assets",
        "path": str(folder / AUDIO),
        "custom_metadata_module": str(folder / METADATA),
    }
    return {"dataset_type": "audio_dir", "datasets": [dataset], "random_crop": True}
