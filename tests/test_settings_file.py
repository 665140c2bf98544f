"""`audio-assets.toml`: every process reads it alike, the environment is above it, errors name the line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from audio_assets.assemble import build_platform
from audio_assets.settings import Settings
from audio_assets.settings_file import FILE, SettingsError, check_roles, write_parameters

TEXT = """\
# chosen for the choir
[settings]
profile = "learned"   # silero
workers = 3
weights = "models"
tags_backend = "published"
modules = ["choir"]

[parameters.crops]
length_s = 8
overlap = 0.5
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("AUDIO_ASSETS_HOME", str(tmp_path))
    return tmp_path


def written(home: Path, text: str) -> Path:
    path = home / FILE
    path.write_text(text, encoding="utf-8")
    return path


def test_the_file_sets_settings_backends_and_parameters(home):
    written(home, TEXT)
    found = Settings()
    assert (found.profile, found.workers, found.modules) == ("learned", 3, ("choir",))
    assert found.weights == home / "models"  # relative to the home, not to where the command was called
    assert found.backends == {"tags": "published"}
    assert found.parameters == {"crops": {"length_s": 8, "overlap": 0.5}}


def test_the_environment_stands_above_the_file_and_the_file_above_defaults(home, monkeypatch):
    written(home, TEXT)
    monkeypatch.setenv("AUDIO_ASSETS_WORKERS", "5")
    monkeypatch.setenv("AUDIO_ASSETS_TAGS_BACKEND", "embedded")
    monkeypatch.setenv("AUDIO_ASSETS_BEATS_BACKEND", "published")
    monkeypatch.setenv("AUDIO_ASSETS_PARAMETERS", '{"crops": {"length_s": 4}}')
    found = Settings()
    assert (found.workers, found.profile, found.chunk_items) == (5, "learned", 64)
    assert found.backends == {"tags": "embedded", "beats": "published"}
    assert found.parameters == {"crops": {"length_s": 4, "overlap": 0.5}}
    assert Settings(profile="embedded", tags_backend="x").backends == {"tags": "x", "beats": "published"}


def test_a_home_given_as_an_argument_has_its_own_file(home, tmp_path):
    written(home, TEXT)
    other = tmp_path / "other"
    other.mkdir()
    written(other, "[settings]\nworkers = 7\n")
    assert Settings(home=other).workers == 7 and Settings(home=tmp_path / "none").profile == "embedded"


def test_another_process_reads_the_same(home, tmp_path):
    written(home, TEXT)
    write_parameters(home, "crops", {"length_s": 2.5})
    program = "from audio_assets.settings import get_settings; print(get_settings().model_dump_json())"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd="/"
    )
    assert json.loads(done.stdout) == json.loads(Settings().model_dump_json())
    assert json.loads(done.stdout)["parameters"]["crops"]["length_s"] == 2.5


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("[settings]\nworkers = \n", "", "damaged file, wanted TOML: Invalid value (at line 2, column 11)"),
        ("[settings]\n\nworkrs = 3\n", ", line 3", "found workrs, which is no setting, wanted workers"),
        ("[settings]\nqzxv = 3\n", ", line 2", "no setting, wanted one that docs/operations.md lists"),
        ('[settings]\nworkers = "many"\n', ", line 2", "found workers = 'many'. Input should be a valid"),
        ("[settings]\nworkers = 0\n", ", line 2", "found workers = 0. Input should be greater than"),
        ('[settings]\nprofile = "best"\n', ", line 2", "found profile = 'best'. Input should be 'embedded'"),
        ("[settings]\ns3_secret = 12345\n", ", line 2", "found s3_secret = a value. Input should be"),
        ('[settings]\nhome = "/tmp"\n', ", line 2", "found home, which is not set here: it is where"),
        ("[settings]\ntags_backend = 3\n", ", line 2", "found tags_backend = 3, wanted the name of"),
        ("workers = 3\n", ", line 1", "found workers, wanted the sections [settings] and"),
        ("[parameters]\ncrops = 8\n", ", line 2", "wanted a section [parameters.crops]"),
        ("settings = 8\n", ", line 1", "found settings = 8, wanted a section [settings]"),
        ("[settings]\n[parameters.crops]\nstart = 1979-05-27\n", ", line 3", "found start = datetime.date("),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_told_with_file_and_line(home, text, line, message):
    path = written(home, text)
    with pytest.raises(SettingsError) as caught:
        Settings()
    assert str(caught.value).startswith(f"{path}{line}: ") and message in str(caught.value)
    assert "12345" not in str(caught.value)


def test_a_file_that_is_no_text_is_told(home):
    (home / FILE).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="found a file that cannot be read"):
        Settings()


def test_a_backend_for_no_role_is_told_once_roles_are_known(home):
    path = written(home, TEXT.replace("tags_backend", "tag_backend").replace('["choir"]', "[]"))
    settings = Settings()
    with pytest.raises(SettingsError) as caught:
        build_platform(settings)
    assert f"{path}, line 6: found tag_backend, of which there is no role" in str(caught.value)
    assert "tags_backend" in str(caught.value)
    check_roles(home, ["tag"])


def test_writing_parameters_keeps_all_else_as_it_is(home):
    path = written(home, TEXT)
    assert write_parameters(home, "crops", {"length_s": 4.0}) == path
    assert path.read_text() == TEXT.replace("length_s = 8", "length_s = 4.0")
    write_parameters(home, "laughter_predictor", {"loss": {"kind": "focal"}, "layers": [1, 2], "warm": True})
    assert path.read_text().startswith(TEXT.replace("length_s = 8", "length_s = 4.0"))
    assert Settings().parameters == {
        "crops": {"length_s": 4.0, "overlap": 0.5},
        "laughter_predictor": {"loss": {"kind": "focal"}, "layers": [1, 2], "warm": True},
    }
    assert sorted(p.name for p in home.iterdir()) == [f".{FILE}.lock", FILE]  # no half-written file is left


def test_the_first_parameters_make_home_and_file(tmp_path):
    write_parameters(tmp_path / "new", "crops", {"length_s": 4})
    assert (tmp_path / "new" / FILE).read_text() == "[parameters.crops]\nlength_s = 4\n"


def test_a_link_stays_a_link_and_a_mode_a_mode(home, tmp_path):
    target = tmp_path / "shared.toml"
    target.write_text(TEXT)
    target.chmod(0o640)
    (home / FILE).symlink_to(target)
    write_parameters(home, "crops", {"length_s": 4})
    assert (home / FILE).is_symlink() and "length_s = 4" in target.read_text()
    assert target.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("value", [None, object(), float("nan"), b"bytes"])
def test_a_value_that_the_file_cannot_hold_is_refused_and_nothing_written(home, value):
    with pytest.raises(SettingsError, match=r"^crops\.length_s: found .*, wanted a number"):
        write_parameters(home, "crops", {"overlap": 0.1, "length_s": value})
    assert not list(home.iterdir())


def test_a_damaged_file_is_not_written_over(home):
    path = written(home, "[settings\n")
    with pytest.raises(SettingsError, match="damaged file"):
        write_parameters(home, "crops", {"length_s": 4})
    assert path.read_text() == "[settings\n"


def test_processes_that_write_at_once_lose_nothing(home):
    program = (
        "import sys, pathlib\n"
        "from audio_assets.settings_file import write_parameters\n"
        "for n in range(20):\n"
        "    write_parameters(pathlib.Path(sys.argv[1]), sys.argv[2], {f'p{n}': n})\n"
    )
    names = ["a", "b", "c"]
    running = [subprocess.Popen([sys.executable, "-c", program, str(home), name]) for name in names]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    wanted = {f"p{n}": n for n in range(20)}
    assert Settings().parameters == dict.fromkeys(names, wanted)
