"""What the command says of settings, trainings and long lists, in this process: no subprocess is needed."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import BaseModel
from typer.testing import CliRunner

from audio_assets.assemble import current_platform
from audio_assets.assets.podcasts.predict import laughs
from audio_assets.command import app as cli
from audio_assets.command.output import print_bad
from audio_assets.command.predictions import print_predictions
from audio_assets.engine import PredictError
from audio_assets.engine.declare.training_asset import Trained, Training, training_asset
from audio_assets.engine.run.trainings import training_states
from audio_assets.engine.state.ledger import arrow_table, insert_rows
from audio_assets.engine.workers.local import LocalSession
from audio_assets.settings import get_settings, unknown_backends, unknown_variables
from tests.engine import toys
from tests.engine.conftest import make_bench


@pytest.fixture
def command(tmp_path, monkeypatch):
    """The command in a home of its own: exit code, output, errors."""
    monkeypatch.setenv("AUDIO_ASSETS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str, **settings: str):
        for name, value in settings.items():
            monkeypatch.setenv(f"AUDIO_ASSETS_{name}", value)
        forget()
        done = CliRunner().invoke(cli.app, list(arguments))
        return done.exit_code, done.stdout, done.stderr

    yield run
    forget()


def forget() -> None:
    if current_platform.cache_info().currsize:
        current_platform().lake.close()
    current_platform.cache_clear()
    get_settings.cache_clear()


def test_workers_end_with_the_command_that_had_them(command, tones, children, monkeypatch):
    at_rest = []
    close = LocalSession.close
    monkeypatch.setattr(LocalSession, "close", lambda self: at_rest.extend(self.resting) or close(self))
    code, out, _ = command("ingest", str(tones), "--as", "track")
    assert (code, out.partition(",")[0]) == (0, "3 new")
    assert at_rest
    assert children() == set()


@pytest.mark.parametrize("name", ["doctor", "ui", "status"])
def test_an_invalid_setting_is_told_by_its_variable_and_nothing_secret(command, name):
    code, _, errors = command(name, WORKERS="0", S3_SECRET="hush")
    assert code == 2
    assert "AUDIO_ASSETS_WORKERS: found '0'. Input should be greater than or equal to 1" in errors
    assert "hush" not in errors
    code, _, errors = command(name, WORKERS="1", PRESET="production")
    assert code == 2 and "needs AUDIO_ASSETS_LAKE_CATALOG" in errors and "hush" not in errors


def test_json_that_cannot_be_read_is_told_with_its_setting(command):
    code, _, errors = command("status", PARAMETERS="{")
    assert code == 2 and '"parameters"' in errors and "line 1 column 2" in errors


def test_a_misspelt_backend_is_told_with_its_variable_and_the_choices(command):
    code, _, errors = command("status", TAGS_BACKEND="publishd")
    assert code == 2 and "'publishd' for tags; there are embedded, published" in errors
    assert "AUDIO_ASSETS_TAGS_BACKEND" in errors


def test_a_misspelt_variable_is_warned_of_once_with_the_nearest_setting(command):
    _, _, errors = command("sql", WORKRS="3", TEST_POSTGRES="postgres:x")
    assert errors.count("AUDIO_ASSETS_WORKRS is set, but is no setting; AUDIO_ASSETS_WORKERS is one") == 1
    assert "TEST" not in errors


def test_variables_are_settings_in_any_case_and_others_are_left_alone():
    assert unknown_variables(["audio_assets_workers", "AUDIO_ASSETS_HOME", "HOME", "AUDIO_ASSETS"]) == {}
    assert unknown_variables(["AUDIO_ASSETS_QZXV"]) == {"AUDIO_ASSETS_QZXV": None}
    assert unknown_backends(["audio_assets_tags_backend", "AUDIO_ASSETS_QZXV", "A_BACKEND"], ["tags"]) == {}
    assert unknown_backends(["AUDIO_ASSETS_QZXV_BACKEND"], ["tags"]) == {"AUDIO_ASSETS_QZXV_BACKEND": None}


def test_a_backend_for_no_role_is_warned_of_with_the_nearest_role(command):
    _, _, errors = command("status", TAG_BACKEND="published", TAGS_BACKEND="embedded")
    told = "AUDIO_ASSETS_TAG_BACKEND is set, but is no setting; AUDIO_ASSETS_TAGS_BACKEND is one"
    assert errors.count(told) == 1 and errors.count("is no setting") == 1


def test_a_damaged_file_of_settings_is_told_without_a_traceback(command, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "audio-assets.toml").write_text("[settings]\nworkers = 'many'\n")
    code, _, errors = command("status")
    assert code == 2 and errors.startswith("SettingsError: ")
    assert "audio-assets.toml, line 2: found workers = 'many'. Input should be a valid integer" in errors


def test_a_training_without_a_checkpoint_is_missing(command):
    code, out, _ = command("status", "laughter_predictor", "--format", "json")
    (row,) = json.loads(out)
    assert code == 0 and row["asset"] == "laughter_predictor"
    assert row["missing"] == 1 and row["ok"] == row["stale"] == 0


class NoConfig(BaseModel):
    """Nothing to configure."""


@training_asset(item=toys.NOTE, upstream=["lengths"], config=NoConfig, group="toys", code_version="1")
def mean_length(training: Training, config: NoConfig) -> Trained:
    """Never trained here: only whether it should be is asked."""
    raise NotImplementedError


def test_a_training_is_ok_with_its_data_and_stale_with_others(tmp_path: Path):
    bench = make_bench(tmp_path)
    platform = replace(bench.platform, trainings=(mean_length,))
    platform.prepare()
    bench = replace(bench, platform=platform)
    bench.add({"a": "one", "b": "three"})
    assert state(platform) == "missing"  # nothing to learn from yet
    bench.run(["lengths"])
    assert state(platform) == "missing"
    rows = bench.query("SELECT item, fingerprint FROM ledger WHERE asset = 'lengths'")
    values = {item: {"lengths": fingerprint} for item, fingerprint in rows}
    keep_checkpoint(platform, mean_length.fingerprint(NoConfig(), 0, values))
    assert state(platform) == "ok"
    bench.add({"c": "a new note"})
    bench.run(["lengths"])
    assert state(platform) == "stale"


def state(platform) -> str:
    (found,) = training_states(platform)["mean_length"].values()
    return found.value


def keep_checkpoint(platform, name: str) -> None:
    from datetime import UTC, datetime

    from audio_assets.engine.state.checkpoints import CHECKPOINT_COLUMNS

    row = {column.name: None for column in CHECKPOINT_COLUMNS} | {
        "checkpoint": name, "asset": "mean_length", "folder": "f", "licences": "",
        "metrics_json": "{}", "created_at": datetime.now(UTC),
    }  # fmt: skip
    table = arrow_table(CHECKPOINT_COLUMNS, [row])
    platform.lake.write(lambda connection: insert_rows(connection, "checkpoints", table))


def test_items_are_separated_by_commas_or_given_again(command):
    assert cli._separated(["a,b", "c", "d, e"]) == ["a", "b", "c", "d", "e"]
    assert cli._separated(["a,"]) == ["a", ""]  # refused as fitting everything, not taken for all
    code, _, errors = command("run", "loudness", "--items", "nobody,noone")
    assert code == 2 and "'nobody' fits no item" in errors


def test_a_long_list_points_to_where_its_rest_is(capsys):
    rows = [(f"file {n}", "is no audio") for n in range(23)]
    print_bad("Rejected files", ("path", "reason"), rows, "`audio-assets sql 'SELECT 1'`")
    assert "and 3 more: `audio-assets sql 'SELECT 1'`" in capsys.readouterr().out
    print_bad("Lines refused", ("line",), [(reason,) for _, reason in rows])
    assert capsys.readouterr().out.rstrip().endswith("and 3 more")


def test_more_than_twenty_rejected_files_are_shown_by_the_command_that_is_named(command, tmp_path):
    for n in range(22):
        (tmp_path / f"{n}.wav").write_text("this is no audio")
    code, out, _ = command("ingest", str(tmp_path), "--as", "track")
    assert code == 1 and "and 2 more: `audio-assets sql 'SELECT * FROM rejected_files'`" in out


def test_mlflow_opens_on_trainings_of_this_home_or_names_their_server(command, tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr(os, "execv", lambda program, arguments: started.append([program, *arguments]))
    code, _, errors = command("mlflow", "--port", "5001")
    assert code == 0 and "http://127.0.0.1:5001/#/experiments?workflowType=machine_learning" in errors
    store = tmp_path / "home" / "mlflow"
    ((program, *arguments),) = started
    assert arguments == [
        program, "-m", "mlflow", "ui", "--backend-store-uri", f"sqlite:///{store}/mlflow.db",
        "--workers", "1", "--default-artifact-root", f"file://{store}/artifacts",
        "--host", "127.0.0.1", "--port", "5001",
    ]  # fmt: skip
    code, said, _ = command("mlflow", MLFLOW_URI="http://tracking:5000")
    assert "http://tracking:5000/#/experiments?workflowType=machine_learning" in said and len(started) == 1


def test_what_cannot_be_predicted_is_told_with_what_can(command, tmp_path):
    code, _, errors = command("predict", "age", str(tmp_path / "a.wav"))
    assert code == 2 and "No training tells 'age'; there are: laughter (laughter_predictor)." in errors
    for name in ("laughter", "laughter_predictor"):
        code, _, errors = command("predict", name, str(tmp_path / "a.wav"))
        assert code == 2 and "No laughter can be told: No laughter_predictor has been trained" in errors


def test_predictions_are_printed_as_a_table_as_json_or_as_labels(capsys):
    rows = [{"start_s": 1.25, "end_s": 2.0, "speaker": "left", "confidence": 0.987654}]
    print_predictions(laughs, rows, "audacity")
    assert capsys.readouterr().out == "1.250\t2.000\tlaughter left\n"
    print_predictions(laughs, rows, "json")
    assert json.loads(capsys.readouterr().out) == rows
    print_predictions(laughs, rows, "table")
    assert capsys.readouterr().out.split() == [
        "start_s", "end_s", "speaker", "confidence", "1.25", "2.00", "left", "0.99",
    ]  # fmt: skip
    timeless = replace(laughs, columns=laughs.columns[1:])
    with pytest.raises(PredictError, match="laughter has no times for a label track"):
        print_predictions(timeless, rows, "audacity")
