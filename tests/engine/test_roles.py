"""Roles: who plays one under which settings, and what a backend is given."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from audio_assets.engine.declare.roles import BackendError, BackendSettings, Player, Role
from audio_assets.settings import Settings


class Plain:
    """Needs nothing."""

    name, revision, licence = "plain", "1", "MIT"


class Asking:
    """Needs weights and a device, and is called by what is installed."""

    name, licence = "asking", "MIT"

    @staticmethod
    def revision(weights: Path) -> str:
        return f"of {weights.name}"

    def __init__(self, weights: Path, device: str = "none", size: int = 3, **options: float) -> None:
        self.given = (weights, device, size, options)


class Greedy:
    name, revision, licence = "greedy", "1", "MIT"

    def __init__(self, colour: str) -> None: ...


CLASSES = {"embedded": f"{__name__}:Plain", "learned": f"{__name__}:Asking", "loud": f"{__name__}:Greedy"}
MOOD = Role("mood", CLASSES)
HUM = Role("hum", {"embedded": f"{__name__}:Plain", "published": f"{__name__}:Asking"})


def test_a_profile_plays_its_backend_and_learned_the_embedded_one_where_there_is_none(tmp_path):
    chosen = {
        profile: [role.player(Settings(home=tmp_path, profile=profile)).choice for role in (MOOD, HUM)]
        for profile in ("embedded", "learned", "published")
    }
    assert chosen["embedded"] == ["embedded", "embedded"]
    assert chosen["learned"] == ["learned", "embedded"]
    assert chosen["published"] == ["published", "published"]
    wanted = (
        "^No backend 'published' for mood; there are embedded, learned, loud: set AUDIO_ASSETS_MOOD_BACKEND"
    )
    with pytest.raises(BackendError, match=wanted):
        MOOD.player(Settings(home=tmp_path, profile="published")).make()


def test_a_role_of_ones_own_is_chosen_by_its_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("AUDIO_ASSETS_MOOD_BACKEND", "learned")
    monkeypatch.setenv("audio_assets_hum_backend", "")
    settings = Settings(home=tmp_path)
    assert MOOD.player(settings).name == "asking" and HUM.player(settings).name == "plain"
    assert MOOD.player(Settings(home=tmp_path, mood_backend="embedded")).name == "plain"


def test_a_backend_is_given_what_its_constructor_asks_for_by_name(tmp_path):
    settings = Settings(home=tmp_path, weights=tmp_path / "w7", device="cpu", contact="me@example.org")
    player = MOOD.player(Settings(**{**settings.model_dump(), "profile": "learned"}))
    assert (player.name, player.revision, player.licence) == ("asking", "of w7", "MIT")
    assert player.make().given == (tmp_path / "w7", "cpu", 3, {})
    assert isinstance(HUM.player(settings).make(), Plain)
    assert player.given == BackendSettings(tmp_path / "w7", tmp_path / "cache", "cpu", "me@example.org")


def test_a_backend_that_asks_for_something_else_is_told_what_there_is(tmp_path):
    given = BackendSettings(weights=tmp_path, cache=tmp_path)
    with pytest.raises(
        BackendError, match=r"Greedy asks for colour; .* given weights, cache, device, contact"
    ):
        Player(MOOD, "loud", given).make()


def test_a_player_travels_to_a_worker(tmp_path):
    player = MOOD.player(Settings(home=tmp_path, profile="learned"))
    assert pickle.loads(pickle.dumps(player)) == player


def test_what_plays_every_role_is_known_without_a_heavy_library(tmp_path):
    program = (
        "import sys, pathlib\n"
        "from audio_assets.assemble import build_platform\n"
        "from audio_assets.settings import Settings\n"
        "for profile in ('embedded', 'learned', 'published'):\n"
        "    settings = Settings(home=pathlib.Path(sys.argv[1]), profile=profile)\n"
        "    players = build_platform(settings).graph.choices(settings)\n"
        "    assert len(players) >= 11\n"
        "    assert all(p.name and p.revision and p.licence for p in players.values())\n"
        "assert not {'torch', 'transformers', 'onnxruntime', 'essentia'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, timeout=120)
