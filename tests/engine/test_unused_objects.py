"""Objects are deleted that nothing names, and none on missing proof or beside a run that is about to name it."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest

from audio_assets.engine.platform import Platform
from audio_assets.engine.run.maintenance import maintain
from audio_assets.engine.run.unused_objects import collect_objects
from audio_assets.resources.belonging import BelongingError
from audio_assets.resources.lake import LakeError
from audio_assets.resources.objects import LAKE_ID, Objects
from audio_assets.settings import Settings
from tests.engine import toys
from tests.engine.conftest import Bench, make_bench, quick_lake
from tests.engine.here import HereSession

NOW = datetime.now(UTC)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = make_bench(tmp_path, [toys.copies])
    bench = Bench(replace(made.platform, session=HereSession()), made.folder)
    bench.add({"a": "one", "b": "two"})
    bench.run(["copies"])
    return bench


def age(objects: Objects, days: float) -> None:
    """Make all objects older."""
    for key, when in objects.modified():
        then = when.timestamp() - days * 86400
        os.utime(Path(objects.root) / key, (then, then))


def keys(bench: Bench) -> set[str]:
    return {key for key, _ in bench.platform.objects.modified() if not key.startswith("plans/")}


def named(bench: Bench) -> set[object]:
    return {key for (key,) in bench.query("SELECT copy FROM copies")}


def orphan(bench: Bench, item: str) -> str:
    """The object of an item as a run leaves it that was killed 40 days ago before it stored its rows."""
    ((key,),) = bench.query(f"SELECT copy FROM copies WHERE item = '{item}'")

    def change(connection):
        connection.execute(f"DELETE FROM copies WHERE item = '{item}'")
        connection.execute(f"DELETE FROM ledger WHERE item = '{item}'")

    bench.platform.lake.write(change)
    objects = bench.platform.objects
    objects.delete([name for name, _ in objects.modified() if name.startswith("plans/")])
    age(bench.platform.objects, 40)
    return str(key)


def while_listing(bench: Bench, act: Callable[[], object]) -> Bench:
    """The bench, where `act` happens between the listing of objects and their deletion."""

    class Watched(Objects):
        def modified(self) -> Iterator[tuple[str, datetime]]:
            yield from super().modified()
            act()

    return Bench(replace(bench.platform, objects=Watched(bench.platform.objects.root)), bench.folder)


def test_objects_that_nothing_names_go_when_they_are_old(bench: Bench):
    gone = orphan(bench, "a")
    left = named(bench)
    assert collect_objects(bench.platform, NOW - timedelta(days=41)) == 0
    assert collect_objects(bench.platform, NOW - timedelta(days=30)) == 1
    assert keys(bench) == left and gone not in left


@pytest.mark.parametrize("ends", ["before the deletion", "after the deletion"])
def test_an_orphan_that_a_run_uses_again_between_listing_and_deletion_is_kept(bench: Bench, ends: str):
    key = orphan(bench, "a")
    data = bench.platform.objects.get(key)

    def run() -> None:
        if ends == "before the deletion":
            assert set(bench.run(["copies"])["copies"].outcomes.values()) == {1}
        else:
            bench.platform.objects.put(key, data)

    assert collect_objects(while_listing(bench, run).platform, NOW - timedelta(days=30)) == 0
    bench.run(["copies"])
    assert key in named(bench) and bench.platform.objects.get(key) == data


def test_a_run_and_maintenance_that_race_leave_every_object_that_a_row_names(bench: Bench):
    chance = random.Random(os.urandom(8))
    for _ in range(12):
        key = orphan(bench, "a")
        pause_s = chance.uniform(0, 0.05)
        cleaner = Thread(target=lambda s=pause_s: (time.sleep(s), collect_objects(bench.platform, NOW)))
        cleaner.start()
        bench.run(["copies"])
        cleaner.join()
        bench.run(["copies"])  # what was left, since its object went, is made now
        assert key in named(bench) and named(bench) <= keys(bench)


def test_a_value_whose_object_goes_between_its_making_and_its_writing_is_left_to_the_next_run(bench: Bench):
    key = orphan(bench, "a")

    class Careless(Objects):
        """Deletes an object as soon as it is used again, at the worst of times."""

        def missing(self, keys):
            self.delete([key])
            return super().missing(keys)

    careless = replace(bench.platform, objects=Careless(bench.platform.objects.root))
    summary = Bench(careless, bench.folder).run(["copies"])["copies"]
    assert (summary.left, dict(summary.outcomes)) == (1, {})
    assert key not in named(bench)
    bench.run(["copies"])
    assert key in named(bench) <= keys(bench)


def test_what_is_younger_than_a_day_is_kept_whatever_is_configured(bench: Bench):
    orphan(bench, "a")
    before = keys(bench)
    bench.platform.objects.put("stray/object", b"young")
    stray = Path(bench.platform.objects.root) / "stray/object"
    hours_ago = time.time() - 23 * 3600
    os.utime(stray, (hours_ago, hours_ago))
    maintain(bench.platform, keep_days=0)
    assert keys(bench) == {*named(bench), "stray/object"} < before | {"stray/object"}


def test_what_killed_processes_left_half_written_goes_when_it_is_old_and_nothing_else(bench: Bench):
    home = bench.platform.settings.home
    script = (
        "import os, pathlib, sys\n"
        "from audio_assets.whole_files import replacing\n"
        "with replacing(pathlib.Path(sys.argv[1])) as file:\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    targets = [
        home / "trainings/x/1/snapshot.json",
        home / "objects/copies/a/new.txt",
        home / "audio-assets.toml",
    ]
    for target in targets:
        subprocess.run([sys.executable, "-c", script, str(target)], check=False)
    left = {path for target in targets for path in target.parent.glob(f".{target.name}.*")}
    mine = home / "trainings/x/1/.notes"
    mine.parent.mkdir(parents=True, exist_ok=True)
    mine.write_text("a file of somebody's own")
    assert len(left) == 3
    maintain(bench.platform, keep_days=1)
    assert all(path.exists() for path in left), "a process may be writing it"
    for path in (*left, mine):
        os.utime(path, (1e9, 1e9))
    maintain(bench.platform, keep_days=1)
    assert not any(path.exists() for path in left)
    assert mine.exists()


def test_a_delete_that_would_empty_the_store_is_refused(bench: Bench):
    age(bench.platform.objects, 40)
    before = keys(bench)
    bench.platform.lake.write(lambda c: c.execute("DELETE FROM copies"))
    with pytest.raises(LakeError, match=r"holds 2 objects, and of the 0 that the lake names none: .*Nothing"):
        collect_objects(bench.platform, NOW)
    bench.platform.lake.write(lambda c: c.execute("INSERT INTO copies (item, copy) VALUES ('a', 'copies/x')"))
    with pytest.raises(LakeError, match=r"of the 1 that the lake names none"):
        collect_objects(bench.platform, NOW)
    assert keys(bench) == before


def again(bench: Bench, **places: str) -> Platform:
    """The same assets with a lake or objects elsewhere, as a process that starts would have them."""
    settings = Settings(home=bench.platform.settings.home, mlflow_uri="http://127.0.0.1:9", **places)
    return replace(
        bench.platform, settings=settings, lake=quick_lake(settings), objects=Objects.from_settings(settings)
    )


@pytest.mark.parametrize(
    "fault", ["catalog gone", "catalog empty", "catalog mistyped", "objects mistyped", "others"]
)
def test_lake_and_objects_that_do_not_belong_together_are_refused_and_nothing_is_deleted(
    bench: Bench, tmp_path: Path, fault: str
):
    age(bench.platform.objects, 40)
    before, home = keys(bench), bench.platform.settings.home
    bench.platform.lake.close()
    catalog, places = home / "lake" / "catalog.sqlite", {}
    match fault:
        case "catalog gone":
            catalog.unlink()
        case "catalog empty":
            catalog.write_bytes(b"")
        case "catalog mistyped":
            places = {"lake_catalog": f"sqlite:{tmp_path}/mistyped.sqlite", "lake_data": f"{tmp_path}/data"}
        case "objects mistyped":
            places = {"objects": str(tmp_path / "mistyped")}
        case "others":
            other = make_bench(tmp_path / "other", [toys.copies])
            other.add({"a": "one"})
            places = {"objects": other.platform.objects.root}
    platform = again(bench, **places)
    for act in (platform.prepare, lambda: maintain(platform, 1), platform.prepare):
        with pytest.raises(LakeError, match=r"AUDIO_ASSETS_(OBJECTS|LAKE_CATALOG)"):
            act()
    assert keys(bench) == before
    assert not fault.startswith("objects") or not list((tmp_path / "mistyped").rglob("*"))
    platform.lake.close()


def test_a_home_from_before_lakes_had_ids_gets_one(bench: Bench):
    (Path(bench.platform.objects.root) / LAKE_ID).unlink()
    bench.platform.lake.write(lambda c: c.execute("ALTER TABLE platform_state DROP COLUMN lake_id"))
    before = keys(bench)
    bench.platform.prepare()
    ((lake_id,),) = bench.query("SELECT lake_id FROM platform_state")
    assert bench.platform.objects.lake_id == lake_id and keys(bench) == before


def test_an_id_stays_when_tables_change(bench: Bench):
    before = bench.query("SELECT lake_id FROM platform_state")
    bench.add_assets(toys.lengths)
    assert bench.query("SELECT lake_id FROM platform_state") == before != [(None,)]


def test_objects_that_are_all_lost_are_no_new_store(bench: Bench):
    shutil.rmtree(bench.platform.objects.root)
    with pytest.raises(BelongingError, match=r"not in .*objects: .*`audio-assets repair` lets them be made"):
        bench.platform.prepare()
    with pytest.raises(BelongingError):
        maintain(bench.platform, 30)
    bench.platform.prepare(missing_objects=True)
    bench.platform.prepare()


def test_a_store_that_lost_nothing_yet_is_marked_again(bench: Bench):
    bench.platform.lake.write(lambda c: c.execute("DELETE FROM copies"))
    shutil.rmtree(bench.platform.objects.root)
    bench.platform.prepare()
    assert bench.platform.objects.lake_id is not None
