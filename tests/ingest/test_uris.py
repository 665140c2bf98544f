"""Every path has a URI of plain ASCII, and comes back from it."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_assets.ingest.uris import from_uri, to_uri

PARTS = st.binary(min_size=1, max_size=30).filter(
    lambda part: b"\0" not in part and b"/" not in part and part not in (b".", b"..")
)


@given(st.lists(PARTS, min_size=1, max_size=4))
def test_any_path_comes_back_exactly(parts):
    path = Path("/" + "/".join(map(os.fsdecode, parts)))
    uri = to_uri(path)
    assert uri.isascii()
    assert uri.isprintable()
    assert from_uri(uri) == path


@pytest.mark.parametrize("name", ["a b#c?d%20.wav", 'it\'s "so".wav', "line\nbreak.wav", "caf\udce9.wav"])
def test_awkward_names(name):
    assert from_uri(to_uri(f"/music/{name}")) == Path(f"/music/{name}")


def test_relative_paths_are_made_absolute_and_links_stay(tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert from_uri(to_uri("link/../link/a.wav")) == tmp_path / "link" / "a.wav"


def test_other_schemes_are_refused():
    with pytest.raises(ValueError, match="wanted one that begins with file://"):
        from_uri("s3://bucket/a.wav")
