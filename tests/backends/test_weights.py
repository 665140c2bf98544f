"""Published weights: where they are looked for, and what is said when they are not there."""

from __future__ import annotations

import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from audio_assets.backends import weights
from audio_assets.backends.weights import MissingWeightsError, Weights, WeightsFile
from audio_assets.settings import Settings

CONTENT = b"numbers that were learnt"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "get_settings", lambda: Settings(home=tmp_path))
    return tmp_path


@pytest.fixture
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("web")
    (folder / "genre.onnx").write_bytes(CONTENT)
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


def test_a_file_is_downloaded_once_into_the_weights_folder(server, home, monkeypatch):
    file = WeightsFile(f"{server}/genre.onnx", SHA256)
    path = file.path()
    assert path.read_bytes() == CONTENT
    assert path == home / "weights" / server.removeprefix("http://") / "genre.onnx"
    monkeypatch.setattr(weights.urllib.request, "urlopen", None)  # asked again, it would raise
    assert file.path() == path
    assert [p.name for p in path.parent.iterdir()] == ["genre.onnx"]  # no partial file is left


def test_other_bytes_than_those_wanted_are_refused(server):
    with pytest.raises(MissingWeightsError, match=f"found SHA-256 {SHA256}, wanted 00"):
        WeightsFile(f"{server}/genre.onnx", "00").path()


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/a.onnx", "{server}/b.onnx"])
def test_a_file_that_cannot_be_had_is_told_with_its_address_and_place(url, server, home):
    url = url.format(server=server)
    with pytest.raises(MissingWeightsError) as caught:
        WeightsFile(url).path()
    assert url in str(caught.value)
    assert str(home / "weights" / url.partition("://")[2]) in str(caught.value)
    assert not list((home / "weights").rglob("*.onnx*"))


def test_a_repository_in_the_weights_folder_is_taken_before_any_cache(home):
    folder = home / "weights" / "org" / "model"
    folder.mkdir(parents=True)
    assert Weights("org/model", "abc").folder() == folder
    assert Weights(str(folder)).folder() == folder


def test_weights_are_named_by_commit_or_by_what_the_folder_holds(home):
    commit = "0123456789abcdef0123456789abcdef01234567"
    assert Weights("org/model", commit).identity == commit
    assert Weights("org/model", "main").identity == "main"  # neither installed nor cached
    folder = home / "weights" / "org" / "model"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(CONTENT * 10_000)
    before = Weights("org/model", "main").identity
    assert before.startswith("folder-") and before == Weights("org/model", "main").identity
    (folder / "model.safetensors").write_bytes(CONTENT * 9_999 + CONTENT[::-1])
    assert Weights("org/model", "main").identity != before
