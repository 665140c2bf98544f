"""Two tracks of one name, a surround file, and a track that is gone."""

from __future__ import annotations

import copy
from functools import cache

import numpy as np
import pytest

from audio_assets.audio.encode import encode_flac
from audio_assets.export import flat, sidecars, stable_audio
from tests.small_catalog import SmallCatalog

ONE, TWO, WIDE, GONE = "song-aaaa", "song-bbbb", "wide-cccc", "gone-dddd"


@pytest.fixture(scope="session")
def ramp():
    """A stereo file of 16 bits in which every sample is another."""
    n = np.arange(8 * 4000)
    return np.stack([(n % 65_536 - 32_768), (7 * n % 65_536 - 32_768)]).astype(np.float32) / 32_768


@pytest.fixture(scope="session")
def catalog(tmp_path_factory, ramp):
    made = SmallCatalog(tmp_path_factory.mktemp("catalog"))
    made.add(ONE, ramp, 8000, file="a/Song.wav", title="First", genre="Rock")
    made.add(TWO, ramp[:1, :16_000], 8000, file="b/song.wav", title="Second", subtype="PCM_24")
    made.add(WIDE, np.tile(ramp[:1], (9, 1)), 8000, file="wide.wav")
    made.add(GONE, ramp + 0.001, 8000, file="gone.wav").unlink()
    made.put("loudness", ONE, [{"lufs": -14.25, "lra": 6.5}])
    made.put("loudness", GONE, [{"lufs": -20.0}])
    made.put("tonal", ONE, [{"chroma": [k / 12 for k in range(12)], "key": "Eb", "scale": "minor"}])
    made.put("tempo", ONE, [{"bpm": 120.0, "bpm_is_defined": True, "beat_count": 8}])
    made.put("timbre", ONE, [{"brightness": 61.5}])
    beats = [{"time_s": 0.5 * k, "is_downbeat": k % 4 == 0, "tracker": "essentia"} for k in range(8)]
    made.put("beats", ONE, beats[::-1])
    made.put("beats", TWO, [{"time_s": 0.25, "tracker": "essentia"}, {"time_s": 1.0, "tracker": "essentia"}])
    crops = [
        {"crop_index": k, "start_s": 2.0 * k, "end_s": 2.0 * k + 2, "position_in_file": k / 2}
        | {"cut_on": "downbeats", "bar_count": 1, "beat_count": 4}
        for k in range(2)
    ]
    made.put("crops", ONE, crops[::-1])
    made.put("crops", WIDE, crops[:1])
    made.put("crops", GONE, crops[:1])
    of_crops = [{"crop_index": 0, "lufs": -13.0, "bpm": None}, {"crop_index": 1, "lufs": None, "bpm": 121.0}]
    made.put("crop_features", ONE, of_crops)
    for stem in ("drums", "vocals"):
        data = encode_flac(ramp * 0.5, 8000, 16)
        made.platform.objects.put(f"stems/{ONE}/{stem}.flac", data)
        stored = {"stem": stem, "audio": f"stems/{ONE}/{stem}.flac", "is_silent": False}
        made.put("stems", ONE, [stored])
    made.put("stems", TWO, [{"stem": "bass", "audio": "stems/lost.flac", "is_silent": False}])
    made.store()
    return made


@pytest.fixture(scope="session")
def features_of(catalog):
    """What `flat_features` says, asked once for each selection: a question to every table takes a second."""
    return cache(lambda items: flat.flat_features(catalog.platform, items))


@pytest.fixture(autouse=True)
def features_asked_once(features_of, monkeypatch):
    for module in (sidecars, stable_audio):
        monkeypatch.setattr(
            module, "flat_features", lambda _, items: copy.deepcopy(features_of(tuple(items)))
        )
