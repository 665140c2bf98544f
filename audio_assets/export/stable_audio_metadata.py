"""Gives Stable-Audio-Tools what audio-assets wrote beside each audio file.

Needs nothing but Python's own library. Its function carries all it uses, since the trainer sends it to
its data loaders pickled.
"""

from __future__ import annotations

from typing import Any


def get_custom_metadata(info: dict[str, Any], audio: Any, required: tuple[str, ...] = ()) -> dict[str, Any]:
    """The JSON beside ``info["path"]``; a file that lacks one of `required` is rejected.

    Set the default of `required` to the names of the numbers that your model is conditioned on, e.g.
    ``required=("bpm", "brightness")``.
    """
    import json
    import math
    from pathlib import Path

    values = json.loads(Path(info["path"]).with_suffix(".json").read_text(encoding="utf-8"))
    if any(name not in values for name in required):
        return {"__reject__": True}
    start_s = values["seconds_start"] + float(info.get("seconds_start", 0))
    return {
        **values,
        "seconds_start": math.floor(start_s),
        "seconds_total": math.ceil(values["seconds_total"]),
    }
