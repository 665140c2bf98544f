"""The views and queries that ship in `sql/`."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from audio_assets.assemble import build_platform
from audio_assets.engine.state.rows import arrow_table, insert_rows
from audio_assets.settings import Settings
from tests.conftest import CHECKOUT


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    platform = build_platform(Settings(home=tmp_path_factory.mktemp("sql") / "home"))
    platform.prepare()
    yield platform
    platform.lake.close()


@pytest.mark.parametrize("name", ["checkpoint_lineage", "failed_items", "provenance"])
def test_a_query_to_start_from_is_one_that_the_lake_answers(platform, name):
    assert {path.stem for path in (CHECKOUT / "sql/queries").iterdir()} == {
        "checkpoint_lineage",
        "failed_items",
        "provenance",
    }
    assert platform.lake.rows((CHECKOUT / f"sql/queries/{name}.sql").read_text()) == []


def test_the_laughter_evaluation_is_that_of_the_checkpoint_adopted_last_not_of_the_newest(platform):
    evaluation = platform.graph.tables["laughter_predictor_evaluation"]
    metric = {column.name: None for column in evaluation.all_columns} | {"metric": "auprc", "split": "test"}

    def write(connection):
        rows = [metric | {"checkpoint": name, "value": value} for name, value in (("old", 0.9), ("new", 0.4))]
        insert_rows(connection, evaluation.name, arrow_table(evaluation.all_columns, rows))
        connection.execute(
            "INSERT INTO checkpoints (checkpoint, asset, created_at) VALUES "
            "('old', 'laughter_predictor', '2025-01-01'), ('new', 'laughter_predictor', '2025-02-01')"
        )

    def adopt(name, month):
        when = datetime(2025, month, 1, tzinfo=UTC).isoformat()
        platform.lake.write(
            lambda c: c.execute(
                f"INSERT INTO adoptions VALUES ('laughter_predictor', '{name}', false, '{when}')"
            )
        )
        return platform.lake.rows("SELECT model, checkpoint, value FROM laughter_evaluation")

    platform.lake.write(write)
    assert platform.lake.rows("SELECT * FROM laughter_evaluation") == []
    assert adopt("new", 2) == [("laughter_predictor", "new", 0.4)]
    assert adopt("old", 3) == [("laughter_predictor", "old", 0.9)]
