"""What is lost is found, marked as missing and made again, and nothing else is touched."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from audio_assets.engine.platform import STATE
from audio_assets.engine.run.damage import find_damage
from audio_assets.engine.run.repair import BEGUN, begun_repair, repair, steps
from audio_assets.engine.state.catalog import write_items
from audio_assets.engine.state.states import RunOptions, State
from audio_assets.resources.ducklake import drop_files, table_files
from audio_assets.resources.lake import LakeError
from tests.engine.collection_toys import ranks
from tests.engine.conftest import CATALOG, Bench, copied, make_learning_bench
from tests.engine.learning_toys import parts, scales
from tests.engine.toys import NOTE, copies, lengths, words

FIRST = {"a": "one", "b": "three", "c": "seventeen", "d": "two"}
LATER = {"x": "four", "y": "five five"}
ASSETS = ["lengths", "words", "copies", "ranks", "scales", "parts"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Everything computed in two goes, so that tables have two files each; some rows have been deleted since."""
    bench = make_learning_bench(
        tmp_path_factory.mktemp("whole"), [lengths, words, copies, ranks, scales, parts], workers=1
    )
    for notes in (FIRST, LATER):
        bench.add(notes)
        bench.work()
        flush(bench)
    bench.work(["scales"], RunOptions(everything=True))
    bench.work()
    flush(bench)
    assert find_damage(bench.platform).lost == []
    return bench


@pytest.fixture
def bench(whole: Bench, tmp_path: Path) -> Bench:
    return copied(whole, tmp_path)


def flush(bench: Bench) -> None:
    bench.platform.lake.write(lambda c: c.execute("CALL ducklake_flush_inlined_data('lake')").fetchall())


def values(bench: Bench) -> dict[str, list[tuple[object, ...]]]:
    found = {
        name: bench.query(f"SELECT {columns} FROM {name} ORDER BY ALL")
        for name, columns in {
            "lengths": "*", "words": "*", "copies": "*", "ranks": "*", "rank_summary": "*",
            "parts_by_checkpoint": "*", "notes": "* EXCLUDE path", "notes_text": "* EXCLUDE path",
            "training_items": "*", "shown_checkpoints": "*",
            "checkpoints": "checkpoint, recipe, metrics_json, items", "adoptions": "DISTINCT asset, checkpoint",
            "ledger": "asset, item, checkpoint, outcome, fingerprint",
        }.items()
    }  # fmt: skip
    found["objects"] = [
        (key, bench.platform.objects.get(key))
        for key, _ in sorted(bench.platform.objects.modified())
        if not key.startswith("plans/") and not key.endswith("README.md")
    ]
    return found


def files_of(bench: Bench, table: str, *, is_delete: bool = False) -> list[Path]:
    with bench.platform.lake.get_connection() as connection:
        files = [f for f in table_files(connection) if f.table == table and f.is_delete == is_delete]
    return [Path(bench.platform.lake.data) / f.path for f in files]


def delete(path: Path) -> None:
    path.unlink()


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def garble(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:4] + bytes(b ^ 0xA5 for b in data[4:-4]) + data[-4:])


def mended(bench: Bench) -> list[str]:
    """Repair, run, and what was computed."""
    damage = find_damage(bench.platform)
    assert damage.lost and list(steps(bench.platform, damage))
    repair(bench.platform, damage)
    assert find_damage(bench.platform).lost == []
    assert not begun_repair(bench.platform.settings.home)
    return bench.work()


@pytest.mark.parametrize("hurt", [delete, truncate, garble])
@pytest.mark.parametrize(
    ("table", "again"),
    [
        ("lengths", ["lengths"]),
        ("words", ["words"]),
        ("copies", ["copies"]),
        ("ranks", ["ranks"]),
        ("parts_by_checkpoint", ["parts"]),
    ],
)
def test_a_lost_file_of_a_table_is_made_again_and_nothing_else(
    whole: Bench, bench: Bench, table: str, again: list[str], hurt: Callable[[Path], None]
):
    files = files_of(bench, table)
    file = files[-1]  # what an earlier checkpoint told is not told again
    hurt(file)
    damage = find_damage(bench.platform)
    assert [(lost.what, lost.of, Path(lost.name).name) for lost in damage.lost] == [
        ("rows", table, file.name)
    ]
    before = dict(bench.query("SELECT (asset, item, checkpoint), computed_at FROM ledger"))
    assert mended(bench) == again
    after = dict(bench.query("SELECT (asset, item, checkpoint), computed_at FROM ledger"))
    redone = {key for key in after if after[key] != before.get(key)}
    assert {key["asset"] if isinstance(key, dict) else key[0] for key in redone} == set(again)
    if table == "lengths":
        assert len(files) == 2
        assert len(redone) < len(FIRST | LATER)
    assert values(bench) == values(whole)


def test_deleted_rows_do_not_come_back_where_the_file_that_says_so_is_lost(whole: Bench, bench: Bench):
    bench.platform.lake.write(lambda c: c.execute("DELETE FROM words WHERE item = 'a'"))
    bench.platform.lake.write(lambda c: c.execute("DELETE FROM ledger WHERE item = 'a' AND asset = 'words'"))
    flush(bench)
    bench.work()
    truncate(files_of(bench, "words", is_delete=True)[0])
    assert mended(bench) == ["words"]
    assert values(bench) == values(whole)


@pytest.mark.parametrize("hurt", [delete, truncate, garble])
@pytest.mark.parametrize("table", ["copies", "rank_summary"])
def test_a_lost_object_is_made_again_and_nothing_else(
    whole: Bench, bench: Bench, table: str, hurt: Callable[[Path], None]
):
    column = "copy" if table == "copies" else "figure"
    ((key,),) = bench.query(f"SELECT {column} FROM {table} ORDER BY ALL LIMIT 1")
    hurt(Path(bench.platform.objects.root) / str(key))
    assert mended(bench) == ["copies" if table == "copies" else "ranks"]
    assert values(bench) == values(whole)


@pytest.mark.parametrize("hurt", [delete, truncate, garble])
@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "README.md"])
def test_a_lost_checkpoint_is_said_not_adopted_any_more_and_trained_again(
    whole: Bench, bench: Bench, file: str, hurt: Callable[[Path], None]
):
    ((adopted,),) = bench.query("SELECT checkpoint FROM adoptions ORDER BY adopted_at DESC LIMIT 1")
    hurt(Path(bench.platform.objects.root) / "scales" / str(adopted) / file)
    damage = find_damage(bench.platform)
    assert damage.checkpoints == {adopted: "scales"}
    (said,) = steps(bench.platform, damage)
    assert said.startswith(f"scales: checkpoint {adopted}, which is adopted and will not be, is lost;")
    repair(bench.platform, damage)
    assert adopted not in {
        found.checkpoint.checkpoint for found in bench.platform.adopted(["scales"]).values()
    }
    bench.work()
    assert find_damage(bench.platform).lost == []
    assert len(bench.query("SELECT * FROM parts")) == len(FIRST | LATER)


@pytest.mark.parametrize(
    "table", ["ledger", "notes", "notes_text", "checkpoints", "training_items", "adoptions", STATE.name]
)
def test_a_lost_file_of_the_platforms_own_tables_costs_work_and_no_value(
    whole: Bench, bench: Bench, table: str
):
    for file in files_of(bench, table):
        delete(file)
    damage = find_damage(bench.platform)
    assert {lost.of for lost in damage.lost} == {table}
    said = " ".join(steps(bench.platform, damage))
    if table.startswith("notes"):
        assert "ingest again" in said
    repair(bench.platform, damage)
    assert find_damage(bench.platform).lost == []
    if table.startswith("notes"):
        assert bench.query("FROM notes") == bench.query("FROM notes_text") == []
        paths = {key: str(whole.folder / f"{key}.txt") for key in FIRST | LATER}
        rows = [dict(zip((c.name for c in CATALOG), row, strict=True)) for row in whole.query("FROM notes")]
        bench.platform.lake.write(lambda c: write_items(c, NOTE.plural, CATALOG, rows))
        assert {row["path"] for row in rows} == set(paths.values())
    done = bench.work()
    assert table not in ("notes", "notes_text", STATE.name) or done == []
    assert bench.plan().is_empty
    ours, theirs = values(bench), values(whole)
    for name in ("lengths", "words", "copies", "ranks", "notes", "notes_text"):
        assert ours[name] == theirs[name], name
    assert len(bench.query("SELECT * FROM parts")) == len(FIRST | LATER)


def test_a_damaged_plan_is_removed(bench: Bench):
    plan = Path(bench.platform.objects.root) / "plans" / "run" / "plan.json"
    plan.parent.mkdir(parents=True, exist_ok=True)
    plan.write_text('{"snapsh')
    damage = find_damage(bench.platform)
    assert [(lost.what, lost.name) for lost in damage.lost] == [("plan", "plans/run/plan.json")]
    repair(bench.platform, damage)
    assert not plan.exists() and find_damage(bench.platform).lost == []


def test_all_objects_lost_at_once_are_made_again(whole: Bench, bench: Bench):
    shutil.rmtree(bench.platform.objects.root)
    with pytest.raises(LakeError, match="audio-assets repair"):
        bench.platform.prepare()
    assert set(mended(bench)) == {"copies", "ranks", "scales"}
    assert values(bench)["copies"] == values(whole)["copies"]


def test_a_repair_that_was_killed_is_gone_on_with_by_the_next(whole: Bench, bench: Bench, monkeypatch):
    delete(files_of(bench, "words")[0])
    with pytest.raises(KeyboardInterrupt), monkeypatch.context() as patch:
        patch.setattr("audio_assets.engine.run.repair._forget", kill)
        repair(bench.platform, find_damage(bench.platform))
    assert find_damage(bench.platform).lost == []  # its file is taken out; the ledger still says ok
    assert bench.state("words", "a") is State.OK
    assert (bench.platform.settings.home / BEGUN).exists()
    repair(bench.platform, find_damage(bench.platform))
    assert bench.work() == ["words"]
    assert values(bench) == values(whole)


def kill(*_: object) -> None:
    raise KeyboardInterrupt


def test_where_nothing_is_lost_a_repair_changes_no_value(whole: Bench, bench: Bench):
    repair(bench.platform, find_damage(bench.platform))
    assert bench.work() == []
    assert values(bench) == values(whole)


def test_a_file_taken_out_of_the_catalog_is_gone_for_all_who_read_and_write(bench: Bench):
    lake = bench.platform.lake
    with lake.get_connection() as connection:
        lost = [file for file in table_files(connection) if file.table == "words"][:1]
    before = lake.rows("SELECT count(*) FROM words")[0][0]
    lake.write(lambda connection: drop_files(connection, lost, [lost[0].path]))
    assert lake.rows("SELECT count(*) FROM words")[0][0] < before
    lake.write(lambda c: c.execute("CALL ducklake_merge_adjacent_files('lake')").fetchall())
    lake.write(lambda c: c.execute("CALL ducklake_cleanup_old_files('lake', cleanup_all => true)").fetchall())
    assert not (Path(lake.data) / lost[0].path).exists()
    assert len(lake.rows("FROM words")) == lake.rows("SELECT count(*) FROM words")[0][0]
