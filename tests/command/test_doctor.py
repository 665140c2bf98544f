"""`doctor` says what is missing and what it would enable, whatever is wrong with the rest."""

from __future__ import annotations

import os
import sqlite3
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from huggingface_hub import constants

from audio_assets.backends.aesthetics.published import AUDIOBOX
from audio_assets.backends.tags.published import EssentiaTags
from audio_assets.backends.voice_activity.silero import SILERO, SileroVoiceActivity
from audio_assets.command.doctor import Finding, Level, examine
from audio_assets.settings import Settings

ROLES_OF_WEIGHTS = ("aesthetics", "tags", "separation", "captions", "second_captions", "dialogue_frames")


@pytest.fixture(autouse=True)
def _no_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)


@pytest.fixture
def look(tmp_path):
    """What `examine` finds under settings, by what was looked at; of several the first."""

    def look(**values: object) -> dict[str, Finding]:
        settings = Settings(home=tmp_path / "home", **values)
        found: dict[str, Finding] = {}
        for finding in examine(settings):
            assert finding.advice != "this check itself broke", finding
            found.setdefault(finding.what, finding)
        return found

    return look


def test_what_the_embedded_profile_lacks_is_absent_with_its_reason(look):
    found = look()
    for role in ("aesthetics", "tags", "second_captions"):
        finding = found[f"backend: {role}"]
        assert finding.level is Level.ABSENT
        assert f"AUDIO_ASSETS_{role.upper()}_BACKEND=published" in finding.advice
    assert found["backend: separation"].level is Level.GOOD
    enabled = found["weights: tags"]
    assert enabled.level is Level.ABSENT and "16 of 16 not installed" in enabled.found
    assert "enables tags, binary_labels, tag_embeddings" in enabled.advice


def test_a_published_profile_without_weights_is_not_said_to_be_in_order(look, tmp_path):
    found = look(profile="published")
    for role in ROLES_OF_WEIGHTS:
        assert found[f"backend: {role}"].level is Level.ABSENT, role
        assert str(tmp_path / "home" / "weights") in found[f"weights: {role}"].advice
        assert "downloaded on first use" in found[f"weights: {role}"].advice
    assert found["backend: drum_hits"].level is Level.GOOD


def test_chosen_weights_that_no_first_use_can_get_are_bad(look, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    found = look(aesthetics_backend="published", separation_backend="bs_roformer")
    for role in ("aesthetics", "separation"):
        assert found[f"backend: {role}"].level is Level.BAD, role
    assert found["weights: captions"].level is Level.ABSENT  # nobody asked for them


def test_weights_in_their_folder_are_found(look, tmp_path):
    folder = tmp_path / "home" / "weights"
    for path in (
        *(folder / file.url.removeprefix("https://") for file in EssentiaTags.weights),
        folder / AUDIOBOX.repo / "model.safetensors",
        folder / "bs_roformer" / "config.yaml",
        folder / "bs_roformer" / "model.ckpt",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"numbers")
    found = look(aesthetics_backend="published", tags_backend="published", separation_backend="bs_roformer")
    for role in ("aesthetics", "tags"):
        assert found[f"backend: {role}"].level is Level.GOOD, role
        assert found[f"weights: {role}"].level is Level.GOOD, role


def test_a_misspelt_backend_is_a_finding_among_others(look):
    found = look(tags_backend="publishd")
    finding = found["backend: tags"]
    assert finding.level is Level.BAD and "publishd" in finding.found
    assert "AUDIO_ASSETS_TAGS_BACKEND" in finding.advice and "embedded, published" in finding.advice
    assert found["backend: separation"].level is Level.GOOD


def test_the_learned_profile_says_where_it_plays_an_embedded_backend(look):
    found = look(profile="learned")
    assert found["backend: voice_activity"].found == "silero-vad 6.2.3 (learned)"
    assert found["backend: beats"].found.endswith("(embedded: no learned one is declared)")
    assert look(profile="learned", beats_backend="embedded")["backend: beats"].found.endswith("(embedded)")


def test_weights_of_a_backend_that_plays_in_several_profiles_are_listed_once(tmp_path):
    findings = examine(Settings(home=tmp_path / "home", profile="learned"))
    found = [finding.found for finding in findings if finding.what == "weights: voice_activity"]
    assert found == ["silero-vad (learned)"]


def test_weights_inside_a_package_that_is_not_there_are_bad_with_the_command(look, monkeypatch):
    absent = replace(SILERO, distribution="no-such-ears", file="no_such_ears/net.onnx")
    monkeypatch.setattr(SileroVoiceActivity, "weights", (absent,))
    found = look()
    assert found["backend: voice_activity"].level is Level.BAD
    assert "pip install no-such-ears==6.2.3" in found["weights: voice_activity"].advice


def test_a_backend_for_no_role_is_a_finding(look, monkeypatch):
    monkeypatch.setenv("AUDIO_ASSETS_TAG_BACKEND", "published")
    finding = look()["AUDIO_ASSETS_TAG_BACKEND"]
    assert finding.level is Level.BAD and finding.advice == "AUDIO_ASSETS_TAGS_BACKEND is one"


def test_mlflow_in_sqlite_is_found_with_its_runs_and_its_command(look, tmp_path):
    assert look()["MLflow"].level is Level.ABSENT
    file = tmp_path / "home" / "mlflow" / "mlflow.db"
    file.parent.mkdir()
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE runs AS SELECT 1 AS run_uuid")
    connection.close()
    assert look()["MLflow"] == Finding(
        Level.GOOD, "MLflow", f"{file}, 1 runs", "`audio-assets mlflow` shows them"
    )
    file.write_bytes(b"this is no database" * 100)
    assert look()["MLflow"].level is Level.BAD


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_of_mlflow_that_cannot_be_written_is_bad(look, tmp_path):
    folder = tmp_path / "home" / "mlflow"
    folder.mkdir(parents=True)
    folder.chmod(0o500)
    assert look()["MLflow"].level is Level.BAD


def test_a_server_of_mlflow_is_asked_whether_it_is_there(look):
    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/health" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Health) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        uri = f"http://127.0.0.1:{server.server_port}"
        assert look(mlflow_uri=uri)["MLflow"].level is Level.GOOD
        server.shutdown()
    finding = look(mlflow_uri=uri)["MLflow"]
    assert finding.level is Level.BAD and "AUDIO_ASSETS_MLFLOW_URI" in finding.advice
