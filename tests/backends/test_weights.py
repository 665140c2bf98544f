"""Published weights: where they are looked for, and what is said when they are not there."""

from __future__ import annotations

import hashlib
import json
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from audio_assets.backends import weights
from audio_assets.backends.weights import MissingWeightsError, Weights, WeightsFile, WeightsFolder
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


def test_weights_are_installed_once_all_files_of_their_index_are_there(home):
    weights_of_two = Weights("org/model", "main")
    folder = home / "weights" / "org" / "model"
    assert not weights_of_two.is_installed and weights_of_two.place == folder
    folder.mkdir(parents=True)
    assert not weights_of_two.is_installed  # a folder alone is none
    names = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
    index = {"weight_map": dict(zip("ab", names, strict=True))}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    for name, is_installed in zip(names, (False, True), strict=True):
        (folder / name).write_bytes(CONTENT)
        assert weights_of_two.is_installed == is_installed


def test_weights_in_the_cache_of_hugging_face_are_installed(home, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "cache"))
    cache = home / "cache" / "models--org--model"
    for path in (cache / "refs" / "main", cache / "snapshots" / "abc" / "model.safetensors"):
        path.parent.mkdir(parents=True)
    (cache / "refs" / "main").write_text("abc")
    assert not Weights("org/model", "main").is_installed
    (cache / "snapshots" / "abc" / "model.safetensors").write_bytes(CONTENT)
    assert Weights("org/model", "main").is_installed and Weights("org/model", "abc").is_installed
    assert not Weights("org/model", "other").is_installed
    assert Weights("org/model", "main").identity == "abc"


def test_a_folder_of_ones_choice_is_installed_with_one_file_of_each_kind(home):
    folder = WeightsFolder("net", (("config.yaml",), ("model.safetensors", "model.ckpt")))
    folder.place.mkdir(parents=True)
    (folder.place / "config.yaml").write_bytes(CONTENT)
    assert not folder.is_installed and not folder.is_downloaded
    (folder.place / "model.ckpt").write_bytes(CONTENT)
    assert folder.is_installed
