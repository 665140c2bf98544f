"""What all commands share: settings and what is wrong with them, the home they open, workers that end."""

from __future__ import annotations

import pytest

from audio_assets.assemble import current_platform
from audio_assets.engine.workers.local import LocalSession
from audio_assets.resources.home_format import FORMAT
from audio_assets.settings import unknown_backends, unknown_variables


def test_workers_end_with_the_command_that_had_them(typed, tones, children, monkeypatch):
    at_rest = []
    close = LocalSession.close
    monkeypatch.setattr(LocalSession, "close", lambda self: at_rest.extend(self.resting) or close(self))
    said = typed("ingest", str(tones), "--as", "track")
    assert (said.code, said.out.partition(",")[0]) == (0, "3 new")
    assert at_rest
    assert children() == set()


@pytest.mark.parametrize("name", ["doctor", "ui", "status"])
def test_an_invalid_setting_is_told_by_its_variable_and_nothing_secret(typed, name):
    said = typed(name, WORKERS="0", S3_SECRET="hush")
    assert said.code == 2
    assert "AUDIO_ASSETS_WORKERS: found '0'. Input should be greater than or equal to 1" in said.err
    assert "hush" not in said.err
    said = typed(name, WORKERS="1", PRESET="production")
    assert said.code == 2 and "needs AUDIO_ASSETS_LAKE_CATALOG" in said.err and "hush" not in said.err


def test_json_that_cannot_be_read_is_told_with_its_setting(typed):
    said = typed("status", PARAMETERS="{")
    assert said.code == 2 and '"parameters"' in said.err and "line 1 column 2" in said.err


def test_a_misspelt_backend_is_told_with_its_variable_and_the_choices(typed):
    said = typed("status", TAGS_BACKEND="publishd")
    assert said.code == 2 and "'publishd' for tags; there are embedded, published" in said.err
    assert "AUDIO_ASSETS_TAGS_BACKEND" in said.err


def test_a_misspelt_variable_is_warned_of_once_with_the_nearest_setting(typed):
    said = typed("sql", WORKRS="3", TEST_POSTGRES="postgres:x")
    assert said.err.count("AUDIO_ASSETS_WORKRS is set, but is no setting; AUDIO_ASSETS_WORKERS is one") == 1
    assert "TEST" not in said.err


def test_variables_are_settings_in_any_case_and_others_are_left_alone():
    assert unknown_variables(["audio_assets_workers", "AUDIO_ASSETS_HOME", "HOME", "AUDIO_ASSETS"]) == {}
    assert unknown_variables(["AUDIO_ASSETS_QZXV"]) == {"AUDIO_ASSETS_QZXV": None}
    assert unknown_backends(["audio_assets_tags_backend", "AUDIO_ASSETS_QZXV", "A_BACKEND"], ["tags"]) == {}
    assert unknown_backends(["AUDIO_ASSETS_QZXV_BACKEND"], ["tags"]) == {"AUDIO_ASSETS_QZXV_BACKEND": None}


def test_a_backend_for_no_role_is_warned_of_with_the_nearest_role(typed):
    said = typed("status", TAG_BACKEND="published", TAGS_BACKEND="embedded")
    told = "AUDIO_ASSETS_TAG_BACKEND is set, but is no setting; AUDIO_ASSETS_TAGS_BACKEND is one"
    assert said.err.count(told) == 1 and said.err.count("is no setting") == 1


@pytest.mark.parametrize("name", ["plan", "run", "status"])
def test_a_damaged_file_of_settings_is_told_without_a_traceback(typed, tmp_path, name):
    (tmp_path / "home").mkdir()
    file = tmp_path / "home" / "audio-assets.toml"
    file.write_text("[settings]\nworkers = \n")
    said = typed(name)
    assert said.code == 2
    assert said.err.startswith(f"SettingsError: {file}: found a damaged file, wanted TOML: ")
    assert said.out == ""
    file.write_text("[settings]\nchunk_items = 'many'\n")
    said = typed(name)
    assert said.code == 2
    assert f"{file}, line 2: found chunk_items = 'many'. Input should be a valid integer" in said.err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[parameters.ratios]\nscal = 2\n", "ratios has no parameter scal; it has scale."),
        ("[parameters.ratios]\nscale = 'x'\n", "ratios: parameter scale is 'x'; wanted a number, like 1.0."),
        ("[parameters.mean_length]\nscale = 'x'\n", "mean_length: scale is 'x': Input should be a valid number"),
        ("[parameters.ratio]\nscale = 2\n", "Parameters are set for ratio, which is no asset. There are counts,"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["plan", "run", "status"])
def test_a_parameter_that_there_is_not_is_told_with_those_there_are(library, text, told, name):
    library.home.mkdir(exist_ok=True)
    (library.home / "audio-assets.toml").write_text(text)
    said = library(name)
    assert said.code == 2 and said.out == ""
    (line,) = said.err.strip().splitlines()
    assert line.startswith(f"ParameterError: {told}")


@pytest.mark.parametrize("name", ["plan", "run", "status"])
def test_a_home_of_a_newer_version_is_refused_in_one_sentence_and_left_as_it_is(library, name):
    library.add(a="two words")
    current_platform().lake.write(lambda c: c.execute(f"UPDATE platform_state SET format = {FORMAT + 1}"))
    before = current_platform().lake.snapshot()
    said = library(name)
    assert said.code == 2
    assert said.err == (
        f"HomeFormatError: The home {library.home} has format {FORMAT + 1} and this audio-assets reads format "
        f"{FORMAT}: install a newer audio-assets.\n"
    )
    assert current_platform().lake.snapshot() == before
