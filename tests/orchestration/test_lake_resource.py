"""The lake as a dagster-duckdb resource, and what gets along without Dagster."""

from __future__ import annotations

import subprocess
import sys

import dagster as dg
import duckdb
import pytest

from audio_assets.orchestration import lake_resource
from audio_assets.orchestration.lake_resource import LakeResource
from tests.resources.test_lake import make_lake


@dg.asset
def tempo_count(lake: LakeResource) -> dg.MaterializeResult:
    with lake.get_connection() as connection:
        (count,) = connection.execute("SELECT count(*) FROM tempo").fetchone()
    return dg.MaterializeResult(metadata={"count": count})


@dg.asset
def tempo_wiped(lake: LakeResource) -> None:
    with lake.get_connection() as connection:
        connection.execute("DELETE FROM tempo")


@pytest.fixture
def lake(tmp_path, monkeypatch):
    lake = make_lake(tmp_path)
    lake.write(lambda c: c.execute("CREATE TABLE tempo AS SELECT range AS bpm FROM range(3)"))
    monkeypatch.setattr(
        lake_resource, "_lake", lambda read_only: make_lake(tmp_path, read_only=True) if read_only else lake
    )
    return lake


def test_an_asset_in_plain_dagster_reads_the_tables_and_writes_only_where_it_says_so(lake):
    result = dg.materialize([tempo_count], resources={"lake": LakeResource()})
    assert result.asset_materializations_for_node("tempo_count")[0].metadata["count"].value == 3
    with pytest.raises(duckdb.InvalidInputException, match="read-only"):
        dg.materialize([tempo_wiped], resources={"lake": LakeResource()})
    assert dg.materialize([tempo_wiped], resources={"lake": LakeResource(read_only=False)}).success
    assert lake.rows("SELECT count(*) FROM tempo") == [(0,)]


def test_commands_that_compute_nothing_load_no_dagster_and_no_pandas(tmp_path, monkeypatch):
    monkeypatch.setenv("AUDIO_ASSETS_HOME", str(tmp_path))
    script = (
        "import sys\n"
        "from audio_assets.command.main import main\n"
        "for arguments in (['run'], ['plan'], ['status']):\n"
        "    sys.argv = ['audio-assets', *arguments]\n"
        "    try: main()\n"
        "    except SystemExit as end: assert not end.code, end.code\n"
        "print(sorted({'dagster', 'pandas', 'torch', 'polars', 'mlflow'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stdout
