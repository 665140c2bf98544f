"""Dagster is told of what changed in a catalog, from where it was told last, and of nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
import pytest

from audio_assets.orchestration.catalog_changes import sync_catalog
from audio_assets.orchestration.dagster_private import latest_ids
from audio_assets.resources.lake import Lake
from tests.engine import toys
from tests.engine.conftest import Bench
from tests.orchestration.test_staleness import make_desk
from tests.orchestration.tongues import counts, languages, make_library, retag

SOUNDS, LANGUAGES = dg.AssetKey("notes"), dg.AssetKey(["notes", "language"])
MEMBERS = dg.AssetKey(["notes", "all"])


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def bench(tmp_path) -> Bench:
    bench = make_library(tmp_path, (toys.lengths, languages, counts))
    bench.add({"a": "one", "b": "two", "c": "three"})
    return bench


def execute(bench: Bench, sql: str) -> None:
    bench.platform.lake.write(lambda connection: connection.execute(sql))


def observed(instance: dg.DagsterInstance, asset: dg.AssetKey) -> dict[str, int]:
    return dict(latest_ids(instance, asset, ["?"] * 1000, dg.DagsterEventType.ASSET_OBSERVATION))


def members(instance: dg.DagsterInstance) -> str:
    return instance.get_latest_materialization_event(MEMBERS).asset_materialization.tags[
        "dagster/data_version"
    ]


@pytest.fixture
def asked(monkeypatch) -> list[str]:
    """The questions that are put to the lake."""
    questions: list[str] = []
    rows = Lake.rows

    def noted(self: Lake, query: str, *rest: object) -> object:
        questions.append(query)
        return rows(self, query, *rest)

    monkeypatch.setattr(Lake, "rows", noted)
    return questions


def test_partitions_come_and_go_with_the_items_and_new_items_need_no_event(bench, instance):
    assert sync_catalog(bench.platform, instance)["notes"].items == 3
    assert instance.get_dynamic_partitions("notes") == ["a", "b", "c"]
    bench.add({"d": "four"})
    execute(bench, "DELETE FROM notes WHERE item = 'b'")
    assert sync_catalog(bench.platform, instance)["notes"].items == 3
    assert instance.get_dynamic_partitions("notes") == ["a", "c", "d"]
    assert observed(instance, SOUNDS) == observed(instance, LANGUAGES) == {}


def test_no_key_is_read_while_the_catalog_stays_as_it_is(bench, instance, asked, monkeypatch):
    sync_catalog(bench.platform, instance)
    asked.clear()
    monkeypatch.setattr(instance, "get_dynamic_partitions", None)
    sync_catalog(bench.platform, instance)
    assert asked == ["SELECT id FROM lake.current_snapshot()"]
    execute(bench, "INSERT INTO ledger (asset, item) VALUES ('words', 'a')")
    sync_catalog(bench.platform, instance)
    assert len(asked) == 3 and "table_changes('notes'" in asked[-1]
    bench.add({"d": "four"})
    asked.clear()
    sync_catalog(bench.platform, instance)
    assert all("unnest(['d']::VARCHAR[])" in question for question in asked if 'FROM "notes"' in question)


def test_a_changed_column_is_observed_once_and_columns_that_nothing_reads_never(bench, instance):
    sync_catalog(bench.platform, instance)
    retag(bench.platform, "b", language="eesti", path="elsewhere")
    sync_catalog(bench.platform, instance)
    first = observed(instance, LANGUAGES)
    assert first.keys() == {"b"}
    retag(bench.platform, duration_s=7.0)
    sync_catalog(bench.platform, instance)
    assert observed(instance, LANGUAGES) == first
    assert observed(instance, SOUNDS) == {}


def test_what_was_changed_and_changed_back_is_no_change(bench, instance):
    sync_catalog(bench.platform, instance)
    retag(bench.platform, "b", language="eesti")
    retag(bench.platform, "b", language=None)
    sync_catalog(bench.platform, instance)
    assert observed(instance, LANGUAGES) == {}


def test_another_sound_under_the_same_key_is_observed(bench, instance):
    sync_catalog(bench.platform, instance)
    bench.add({"b": "another note"})
    sync_catalog(bench.platform, instance)
    assert observed(instance, SOUNDS).keys() == {"b"}


def test_the_membership_has_the_same_version_for_the_same_items(bench, instance):
    sync_catalog(bench.platform, instance)
    before = members(instance)
    bench.add({"d": "four"})
    sync_catalog(bench.platform, instance)
    assert members(instance) != before
    execute(bench, "DELETE FROM notes WHERE item = 'd'")
    sync_catalog(bench.platform, instance)
    assert members(instance) == before
    with dg.DagsterInstance.ephemeral() as other:  # told all at once
        sync_catalog(bench.platform, other)
        assert members(other) == before


def test_an_instance_that_was_cleared_is_told_all_again(bench, instance):
    sync_catalog(bench.platform, instance)
    for key in "abc":
        instance.delete_dynamic_partition("notes", key)
    sync_catalog(bench.platform, instance)
    assert instance.get_dynamic_partitions("notes") == ["a", "b", "c"]


def test_the_last_item_to_come_may_go(bench, instance):
    sync_catalog(bench.platform, instance)
    execute(bench, "DELETE FROM notes WHERE item = 'c'")
    assert sync_catalog(bench.platform, instance)["notes"].some_key == "b"
    execute(bench, "DELETE FROM notes")
    assert sync_catalog(bench.platform, instance)["notes"].some_key is None
    bench.add({"z": "last"})
    assert sync_catalog(bench.platform, instance)["notes"].items == 1
    assert instance.get_dynamic_partitions("notes") == ["z"]


def test_where_the_snapshot_it_was_told_of_has_expired_it_starts_over_and_says_so(bench, instance, caplog):
    sync_catalog(bench.platform, instance)
    bench.add({"d": "four"})
    execute(bench, "CALL ducklake_expire_snapshots('lake', older_than => now())")
    sync_catalog(bench.platform, instance)
    assert instance.get_dynamic_partitions("notes") == ["a", "b", "c", "d"]
    assert "What changed in notes since snapshot" in caplog.text


def test_the_shards_are_observed_that_an_item_came_to_left_or_changed_in(tmp_path, instance):
    desk = make_desk(tmp_path, instance, partitions="shards:1000")
    desk.bench.add({"a": "one", "b": "two"})
    sync_catalog(desk.platform, instance)
    assert observed(instance, SOUNDS) == {}
    desk.bench.add({"c": "three"})
    desk.execute("DELETE FROM notes WHERE item = 'a'")
    sync_catalog(desk.platform, instance)
    assert len(observed(instance, SOUNDS)) == len(observed(instance, LANGUAGES)) == 2
    before = observed(instance, LANGUAGES)
    retag(desk.platform, "b", language="eesti")
    sync_catalog(desk.platform, instance)
    assert len(observed(instance, LANGUAGES).keys() - before.keys()) == 1
    assert len(observed(instance, SOUNDS)) == 2
