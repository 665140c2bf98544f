"""A home has a format from when its lake is made; another one is refused before anything is written."""

from __future__ import annotations

import pytest

from audio_assets.command.doctor import Level, examine
from audio_assets.engine.platform import Platform
from audio_assets.resources.home_format import FORMAT, HomeFormatError
from audio_assets.resources.objects import Objects
from audio_assets.resources.query import connect
from tests.engine.conftest import make_bench, quick_lake


@pytest.fixture
def platform(tmp_path) -> Platform:
    return make_bench(tmp_path).platform


def change(platform: Platform, statement: str) -> None:
    platform.lake.write(lambda connection: connection.execute(statement))


NONE = "ALTER TABLE platform_state DROP COLUMN format"
EMPTY = "DELETE FROM platform_state"
OLDER = f"UPDATE platform_state SET format = {FORMAT - 1}"
NEWER = f"UPDATE platform_state SET format = {FORMAT + 1}"


def test_a_new_home_gets_the_format(platform):
    assert platform.lake.rows("SELECT format FROM platform_state") == [(FORMAT,)]
    connect(platform.settings).close()


@pytest.mark.parametrize(
    ("state", "found", "advice"),
    [
        (NONE, "no format, as those of early versions,", "make a new home .* and ingest again"),
        (EMPTY, "no format, as those of early versions,", "make a new home .* and ingest again"),
        (OLDER, f"format {FORMAT - 1}", "make a new home .* and ingest again"),
        (NEWER, f"format {FORMAT + 1}", "install a newer audio-assets"),
    ],
)
def test_a_home_of_another_format_is_refused_in_one_sentence_and_left_as_it_is(
    platform, state, found, advice
):
    change(platform, state)
    change(platform, "DROP TABLE ledger")  # what preparing would make again
    before = platform.lake.snapshot()
    home = platform.settings.home
    sentence = rf"^The home {home} has {found} and this audio-assets reads format {FORMAT}: {advice}\.$"
    for _ in range(2):
        with pytest.raises(HomeFormatError, match=sentence):
            platform.prepare()
    for write in (False, True):
        with pytest.raises(HomeFormatError, match=sentence):
            connect(platform.settings, write=write)
    assert platform.lake.snapshot() == before
    assert platform.lake.rows("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'ledger'") == [(0,)]
    (lake,) = [finding for finding in examine(platform.settings) if finding.what == "lake"]
    assert lake.level is Level.BAD
    assert lake.advice.startswith(f"The home {home} has {found}")


def test_tables_that_others_made_in_a_new_lake_are_no_older_home(tmp_path):
    settings = (
        make_bench(tmp_path / "made")
        .with_settings(home=tmp_path / "new", lake_catalog="", lake_data="", objects="", mlflow_uri="")
        .platform.settings
    )
    lake = quick_lake(settings)
    lake.write(lambda connection: connection.execute("CREATE TABLE my_notes AS SELECT 1 AS note"))
    made = make_bench(tmp_path / "made").platform
    Platform(settings, made.graph, lake, Objects.from_settings(settings), made.tables).prepare()
    assert lake.rows("SELECT format FROM platform_state") == [(FORMAT,)]
    assert lake.rows("SELECT note FROM my_notes") == [(1,)]
    lake.close()
