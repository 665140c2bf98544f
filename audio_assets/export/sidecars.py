"""`.INFO`, `.BEATS_GRID` and `.DOWNBEATS`: what pipelines around Stable-Audio-Tools keep beside audio.

An .INFO file is a JSON object of flat names. One that is there is merged into: values measured here
replace those of the same name, everything else in it stays. Under ``audio_assets`` it says which item it
is of and which names were written, so that a value which is no longer measured is taken out by the next
export, and one that somebody else wrote never is. A file that is no JSON object is refused, not replaced.

The beat files have one time in seconds with six decimals per line, as `numpy.loadtxt` and annotation
tools read them; a line ends each. There is none where no beat, or no bar, was found.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from audio_assets.engine.declare.tables import Item
from audio_assets.engine.platform import Platform
from audio_assets.export.common import Export, ExportError, ExportReport, to_json
from audio_assets.export.flat import flat_features

OWN = "audio_assets"


def export_info(platform: Platform, keys: Sequence[str] | None, folder: Path) -> ExportReport:
    """Write or merge ``<Track>.INFO``.

    Raises:
        ExportError: nothing can be exported at all; see `Export`.
    """
    export = Export(platform, keys, folder)
    features = flat_features(platform, list(export.items))
    for item, name in export.tracks():
        with export.refusals(item):
            path = folder / f"{name}.INFO"
            merged = _merged(_read(path), item, features[item.key])
            export.write(path.name, to_json(merged))
    return export.report


def export_beats(platform: Platform, keys: Sequence[str] | None, folder: Path) -> ExportReport:
    """Write ``<Track>.BEATS_GRID`` and ``<Track>.DOWNBEATS``.

    Raises:
        ExportError: nothing can be exported at all; see `Export`.
    """
    export = Export(platform, keys, folder)
    beats = export.rows("beats", order="time_s")
    for item, name in export.tracks():
        found = beats.get(item.key, [])
        downbeats_s = [beat["time_s"] for beat in found if beat["is_downbeat"]]
        if not found:
            export.nothing(item, "no beats, or not computed yet")
        elif not downbeats_s:
            export.nothing(item, "beats without clear bars: no .DOWNBEATS")
        with export.refusals(item):
            for ending, times_s in (
                ("BEATS_GRID", [beat["time_s"] for beat in found]),
                ("DOWNBEATS", downbeats_s),
            ):
                if times_s:
                    lines = "".join(f"{time_s:.6f}\n" for time_s in times_s)
                    export.write(f"{name}.{ending}", lines.encode())
    return export.report


def _read(path: Path) -> dict[str, Any]:
    """The object in an .INFO file, empty where there is none.

    Raises:
        ExportError: the file holds no JSON object.
    """
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError) as error:
        raise ExportError(
            f"{path} is there and no valid JSON ({error}); it was left as it is: mend or move it"
        ) from error
    if not isinstance(found, dict) or not isinstance(found.get(OWN, {}), dict):
        raise ExportError(f"{path} is there and no JSON object of values by name; it was left as it is")
    return found


def _merged(there: dict[str, Any], item: Item, features: dict[str, Any]) -> dict[str, Any]:
    written_before = there.get(OWN, {}).get("names", [])
    kept = {name: value for name, value in there.items() if name not in {*written_before, OWN}}
    own = {"item": item.key, "content_hash": item.content_hash, "names": sorted(features)}
    return {**kept, **features, OWN: own}
