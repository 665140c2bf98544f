"""What the documents show works as it stands there, and the commands they name exist."""

from __future__ import annotations

import json
import math
import re
import shlex
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import soundfile
import typer

from audio_assets.command.main import app
from audio_assets.resources.lake import Lake
from audio_assets.settings import Settings
from audio_assets.settings_file import read_settings
from tests.conftest import CHECKOUT, Command

ASSETS = CHECKOUT / "docs" / "assets.md"
DOCUMENTS = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").glob("*.md"))]
EXAMPLE = re.compile(r"(?:<!-- executed by tests/test_\w+\.py: (\w+\.py) -->\n)?```python\n(.*?)```", re.S)


def examples() -> dict[str | None, str]:
    """The Python of docs/assets.md by the name of the file it is put in."""
    return dict(EXAMPLE.findall(ASSETS.read_text(encoding="utf-8")))


@pytest.fixture
def written(command: Command, tones: Path, new_mlflow: Callable[[Path], str]) -> Command:
    """A home with three tracks, and the examples as modules of its user."""
    for name in ("my_levels.py", "my_ranking.py", "my_model.py", "my_finer_model.py"):
        (command.home / name).write_text(examples()[name], encoding="utf-8")
    command.settings["modules"] = '["my_levels", "my_ranking", "my_model", "my_finer_model"]'
    new_mlflow(command.home / "state" / "mlflow" / "mlflow.db")
    for number, path in enumerate(sorted(tones.iterdir()), 1):
        samples, rate = soundfile.read(path)
        soundfile.write(path, samples * number, rate)
    command("ingest", str(tones), "--as", "track")
    return command


def test_every_example_is_one_that_a_test_executes():
    assert set(examples()) == {
        *("my_levels.py", "my_ranking.py", "my_model.py", "my_finer_model.py"),
        *("moods.py", "mood_backends.py"),  # by test_readme
    }


@pytest.mark.timeout(600)
def test_item_collection_and_training_are_a_file_each_and_what_is_said_of_adoption_is_so(
    written: Command, tones: Path
):
    command = written
    command("run", '+key:"headrooms" or group:levels')
    rows = rows_of(
        command,
        "SELECT peak, lufs, headroom_db, crest_db, label FROM peaks JOIN headrooms USING (item) "
        "JOIN loudness USING (item) ORDER BY peak",
    )
    assert len(rows) == 3
    for number, row in enumerate(rows, 1):
        assert math.isclose(row["peak"], number * 0.33, rel_tol=0.1)
        peak_db = 20 * math.log10(row["peak"])
        assert math.isclose(row["headroom_db"], -1 - peak_db)
        assert math.isclose(row["crest_db"], peak_db - row["lufs"])
        assert row["label"] == f"untitled: {-1 - peak_db:.1f} dB"
    ranked = rows_of(command, "SELECT rank, peak FROM loudest ORDER BY rank")
    assert [row["peak"] for row in ranked] == [row["peak"] for row in reversed(rows)]

    # One item trains, one validates, one tests: the boundary is the peak of the first.
    loud = rows_of(
        command,
        "SELECT split, peak, is_loud FROM loud_tracks AS l JOIN peaks USING (item) "
        "JOIN training_items AS t ON t.item = l.item AND t.checkpoint = l.checkpoint",
    )
    (boundary,) = (row["peak"] for row in loud if row["split"] == "train")
    assert [row["is_loud"] for row in loud] == [row["peak"] > boundary for row in loud]
    assert len(rows_of(command, "SELECT * FROM loud_boundary_evaluation")) == 2
    loudest = max(tones.iterdir(), key=lambda path: abs(soundfile.read(path)[0]).max())
    told = json.loads(command("predict", "loud", str(loudest), "--format", "json"))
    assert told == [{"is_loud": rows[-1]["peak"] > boundary}]

    # What is set for one training is a candidate; adopted by hand, it makes what it computes stale.
    command("run", "loud_boundary", "--set", "share=0.9")
    adopted, candidate = rows_of(
        command,
        "SELECT checkpoint, candidate_because FROM checkpoints WHERE asset = 'loud_boundary' "
        "ORDER BY candidate_because IS NOT NULL",
    )
    assert adopted["candidate_because"] is None
    assert "parameters other than those in force" in candidate["candidate_because"]
    assert "loud_tracks: 3 values" in command("adopt", candidate["checkpoint"], "--yes")
    stale = json.loads(command("status", "loud_tracks", "--format", "json"))
    assert stale[0]["ok"] == 0

    # What starts from it is trained again, and is a checkpoint of its own.
    command("run", "finer_boundary")
    finer = rows_of(
        command,
        "SELECT revision, metrics_json FROM checkpoints WHERE asset = 'finer_boundary' ORDER BY created_at",
    )
    assert [row["revision"] for row in finer] == [adopted["checkpoint"], candidate["checkpoint"]]
    assert {row["metrics_json"] for row in finer} == {'{"tracks": 3.0}'}


def test_a_parameter_is_put_in_force_by_the_file_after_plan_has_said_what_becomes_stale(written: Command):
    command = written
    command("run", '+key:"headrooms"')
    assert "add --save" in refused(command, "run", "headrooms", "--set", "target_db=-2")
    file = command.home / "state" / "audio-assets.toml"
    planned = json.loads(command("plan", "headrooms", "--set", "target_db=-2", "--save", "--format", "json"))
    assert [(row["why"], row["items"]) for row in planned] == [("parameters", 3)]
    assert not file.exists()
    command("run", "headrooms", "--set", "target_db=-2", "--save")
    assert tomllib.loads(file.read_text()) == {"parameters": {"headrooms": {"target_db": -2}}}
    rows = rows_of(command, "SELECT peak, headroom_db FROM headrooms JOIN peaks USING (item)")
    assert all(math.isclose(row["headroom_db"], -2 - 20 * math.log10(row["peak"])) for row in rows)


def rows_of(command: Command, query: str) -> list[dict[str, Any]]:
    """The rows of a query, without a process for it."""
    settings = Settings(home=command.home / "state")
    with Lake.from_settings(settings, read_only=True).get_connection() as connection:
        return connection.execute(query).pl().to_dicts()


def refused(command: Command, *arguments: str) -> str:
    """What a command that must not be obeyed says, on one line."""
    command(*arguments, code=2)
    return " ".join(command.errors.split())


def test_the_settings_shown_are_settings(tmp_path: Path):
    (toml,) = re.findall(r"```toml\n(.*?)```", (CHECKOUT / "docs/operations.md").read_text(), re.S)
    (tmp_path / "audio-assets.toml").write_text(toml)
    found = read_settings(tmp_path, Settings.model_fields)
    assert found["parameters"] == {"crops": {"length_s": 8}}
    assert found["backends"] == {"separation": "bs_roformer"} and found["profile"] == "learned"


def test_every_command_that_a_document_names_has_the_options_it_names():
    verbs = typer.main.get_command(app).commands
    named: list[str] = []
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        prose = re.sub(r"```.*?```", "", text, flags=re.S)
        lines = [*re.findall(r"`([^`]+)`", re.sub(r"\s+", " ", prose)), *map(str.strip, text.splitlines())]
        named += [line for line in lines if line.startswith("audio-assets ") and "…" not in line]
    assert len(named) > 30
    for line in named:
        _, verb, *rest = shlex.split(line, comments=True)
        assert verb in verbs, line
        options = {option for parameter in verbs[verb].params for option in parameter.opts}
        assert {word for word in rest if word.startswith("--")} <= options, line
