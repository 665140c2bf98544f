"""The platform's tables: made, altered and documented as declared, and asked for items and states."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from audio_assets.engine import FLOAT, INTEGER, TEXT, Column
from audio_assets.engine.declare.graph import AssetGraph
from audio_assets.engine.platform import Platform
from audio_assets.engine.state.catalog import catalog_tables
from audio_assets.engine.state.states import State
from audio_assets.resources.objects import Objects
from tests.engine.conftest import CATALOG, Bench, make_bench, quick_lake
from tests.engine.toys import NOTE, lengths, words


def with_columns(bench: Bench, *columns: Column) -> Bench:
    """The same lake, with other columns declared for `lengths`."""
    changed = replace(lengths, tables=(replace(lengths.table, columns=columns),))
    graph = AssetGraph.of([changed, words])
    return Bench(replace(bench.platform, graph=graph, lake=bench.platform.lake), bench.folder)


def columns_of(bench: Bench, table: str) -> dict[str, str]:
    return dict(bench.query(f"SELECT column_name, column_type FROM (DESCRIBE {table})"))


CHARACTERS = lengths.table.columns[0]


def test_tables_have_the_declared_columns_and_the_engines(bench):
    assert columns_of(bench, "lengths") == {
        "item": "VARCHAR",
        "fingerprint": "VARCHAR",
        "characters": "BIGINT",
    }
    assert columns_of(bench, "notes") == {column.name: column.sql_type for column in CATALOG}
    assert {"ledger", "data_dictionary", "platform_state", "copies"} <= {
        name for (name,) in bench.query("SELECT table_name FROM duckdb_tables() WHERE database_name = 'lake'")
    }


def test_preparing_again_writes_nothing(bench):
    before = bench.platform.lake.snapshot()
    bench.platform.prepare()
    make_bench(bench.folder.parent)
    assert bench.platform.lake.snapshot() == before


def test_a_new_column_is_empty_until_its_values_are_computed_again(bench):
    bench.add({"a": "two words"})
    bench.run(["lengths", "words"])
    newer = with_columns(bench, CHARACTERS, Column("share", FLOAT, doc="New"))
    newer.platform.prepare()
    assert bench.query("SELECT characters, share FROM lengths") == [(9, None)]
    assert newer.state("lengths", "a") is State.STALE
    assert newer.state("words", "a") is State.OK


def test_a_column_that_is_no_longer_declared_is_removed_and_older_snapshots_still_have_it(bench):
    bench.add({"a": "two words"})
    bench.run(["lengths"])
    before = bench.platform.lake.snapshot()
    with_columns(bench, Column("share", FLOAT, doc="Another")).platform.prepare()
    assert set(columns_of(bench, "lengths")) == {"item", "fingerprint", "share"}
    assert bench.query(f"SELECT characters FROM lengths AT (VERSION => {before})") == [(9,)]


def test_values_of_a_column_of_another_type_are_converted_and_computed_again(bench):
    bench.add({"a": "two words"})
    bench.run(["lengths", "words"])
    newer = with_columns(bench, Column("characters", FLOAT, doc="Now with fractions"))
    newer.platform.prepare()
    assert columns_of(bench, "lengths")["characters"] == "DOUBLE"
    assert bench.query("SELECT characters FROM lengths") == [(9.0,)]
    assert newer.state("lengths", "a") is State.STALE


def test_what_cannot_be_converted_is_null_and_the_rest_of_the_catalog_stays(bench):
    bench.add({"a": "two words", "b": "three"})
    bench.platform.lake.write(lambda c: c.execute("UPDATE notes SET path = '1.5' WHERE item = 'a'"))
    columns = [replace(c, type=FLOAT) if c.name == "path" else c for c in CATALOG]
    replace(bench.platform, tables=catalog_tables("notes", columns)).prepare()
    assert bench.query("SELECT item, path, duration_s FROM notes ORDER BY item") == [
        ("a", 1.5, 1.0),
        ("b", None, 1.0),
    ]


def test_the_tables_of_assets_that_are_gone_stay(bench):
    bench.add({"a": "two words"})
    bench.run(["lengths", "words"])
    graph = AssetGraph.of([words])
    replace(bench.platform, graph=graph).prepare()
    assert bench.query("SELECT characters FROM lengths") == [(9,)]


def test_the_data_dictionary_tells_every_column_of_every_table(bench):
    rows = bench.query(
        "SELECT type, unit, low, high, doc FROM data_dictionary WHERE table_name = 'lengths' ORDER BY ALL"
    )
    assert ("BIGINT", None, 0.0, 1000.0, "Length") in rows
    assert len(rows) == 3
    undocumented = bench.query(
        "SELECT table_name, column_name FROM duckdb_columns() WHERE database_name = 'lake' "
        "EXCEPT SELECT table_name, column_name FROM data_dictionary"
    )
    assert undocumented == []
    newer = with_columns(bench, replace(CHARACTERS, doc="In Unicode characters", high=2000))
    newer.platform.prepare()
    query = (
        "SELECT high, doc FROM data_dictionary WHERE (table_name, column_name) = ('lengths', 'characters')"
    )
    assert bench.query(query) == [(2000.0, "In Unicode characters")]


def test_views_are_made_and_made_again_when_their_file_changes(bench, tmp_path):
    file = tmp_path / "long_notes.sql"
    for limit, found in ((5, [("a",)]), (100, [])):
        file.write_text(
            f"CREATE OR REPLACE VIEW long_notes AS SELECT item FROM lengths WHERE characters > {limit}"
        )
        replace(bench.platform, views=[file]).prepare()
        bench.add({"a": "two words"})
        bench.run(["lengths"])
        assert bench.query("SELECT * FROM long_notes") == found


def test_processes_that_prepare_a_new_lake_at_once_make_each_table_once(tmp_path):
    bench = make_bench(tmp_path / "first")
    settings = bench.with_settings(
        home=tmp_path / "new", lake_catalog="", lake_data="", objects="", mlflow_uri=""
    )
    errors: list[Exception] = []

    def prepare() -> None:
        chosen = settings.platform.settings
        platform = Platform(
            chosen,
            bench.platform.graph,
            quick_lake(chosen),
            Objects.from_settings(chosen),
            catalog_tables("notes", CATALOG),
        )
        try:
            platform.prepare()
        except Exception as error:
            errors.append(error)
        platform.lake.close()

    threads = [threading.Thread(target=prepare) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    made = quick_lake(settings.platform.settings)
    assert made.rows("SELECT lake_id FROM platform_state") == [
        (Objects.from_settings(settings.platform.settings).lake_id,)
    ]
    made.close()


def test_items_come_with_their_whole_catalog_row_in_the_catalogs_order(bench):
    bench.add({"b": "two", "a": "one", "c": "three"})
    items = bench.platform.items(NOTE)
    assert list(items) == ["a", "b", "c"]
    assert items["b"].record["path"] == items["b"].path == str(bench.folder / "b.txt")
    assert list(bench.platform.items(NOTE, ["c", "a", "nowhere"])) == ["a", "c"]
    assert bench.platform.items(NOTE, []) == {}


@pytest.mark.parametrize("few", [1, 1000])
def test_many_items_are_asked_for_otherwise_than_few_with_the_same_answer(bench, few, monkeypatch):
    bench.add({"a": "one", "b": "two", "c": "three"})
    bench.run(["words"], items=["a", "b"])
    monkeypatch.setattr("audio_assets.engine.state.rows.FEW_ITEMS", few)
    assert list(bench.platform.items(NOTE, ["a", "c"])) == ["a", "c"]
    plan = bench.plan(["words"], items=["a", "c"])
    assert plan["words"].states == {State.OK: 1, State.MISSING: 1}


def test_a_plan_counts_every_item_of_every_asset_by_where_it_stands(bench):
    bench.add({"a": "two words", "b": "fail"})
    bench.run(["lengths", "words"])
    plan = bench.plan()
    assert plan["lengths"].states == {State.OK: 1, State.FAILED: 1}
    assert plan["ratios"].states == {State.MISSING: 2}
    assert set(plan.assets) == {"lengths", "words", "ratios", "remarks", "copies"}


def test_a_text_column_of_any_length_and_numbers_of_any_kind_are_declared_in_sql():
    assert Column("x", TEXT, doc="", length="any").sql_type == "VARCHAR[]"
    assert Column("x", FLOAT, doc="", length=3).sql_type == "FLOAT[]"
    assert Column("x", INTEGER, doc="").sql_type == "BIGINT"
