"""Files are many to one item: which of them the catalog shows, and what a change of one changes."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from audio_assets.audio.decode import AudioError
from audio_assets.engine.declare.graph import AssetGraph
from audio_assets.engine.platform import Platform
from audio_assets.engine.run.items import BundleRun
from audio_assets.engine.state.catalog import canonical_text
from audio_assets.engine.state.kept import keep_plan
from audio_assets.engine.state.states import DEFAULT, State
from audio_assets.ingest.catalog import CATALOG_TABLES, RECORDING_COLUMNS, TRACK, open_recording
from audio_assets.ingest.files import Counts, Rejected, set_events, write_files
from audio_assets.ingest.inspect import inspect
from audio_assets.resources.objects import Objects
from audio_assets.settings import Settings
from tests.audio.synthesis import tones, write_pcm
from tests.engine.conftest import quick_lake
from tests.ingest.tagging import retag
from tests.ingest.track_toys import counts, shouts

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)


class Library:
    """A platform with two toy assets, and a folder of tracks that are ingested in this process."""

    def __init__(self, folder: Path) -> None:
        settings = Settings(home=folder / "home", workers=1)
        self.platform = Platform(
            settings=settings,
            graph=AssetGraph.of([shouts, counts]),
            lake=quick_lake(settings),
            objects=Objects.from_settings(settings),
            tables=CATALOG_TABLES,
        )
        self.platform.prepare()
        self.folder = folder / "music"
        self.folder.mkdir()
        self._now = NOON

    def write(self, name: str, hertz: float = 1.0, title: str | None = None) -> Path:
        """A file with a sound that `hertz` tells apart."""
        path = write_pcm(self.folder / name, np.float32(hertz / 10) * tones(0.1), 44_100)
        if title:
            retag(path, title)
        return path

    def ingest(self, *paths: Path, kind: str | None = None) -> Counts:
        """Ingest files an hour after those before; what became of them."""
        self._now += timedelta(hours=1)
        return self.ingest_at(self._now, *paths, kind=kind)

    def ingest_at(self, now: datetime, *paths: Path, kind: str | None = None) -> Counts:
        found = [inspect(path, self.folder, kind) for path in paths]
        results: list[Counts] = []
        self.platform.lake.write(lambda c: results.append(write_files(c, found, [], kind, now)))
        return results[-1]

    def rows(self, table: str, order: str = "item") -> list[dict[str, object]]:
        with self.platform.lake.get_connection() as connection:
            cursor = connection.execute(f'SELECT * FROM "{table}" ORDER BY {order}')
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def track(self) -> dict[str, object]:
        (row,) = self.rows("tracks")
        return row

    def check_texts(self) -> None:
        """The canonical texts are those of the rows that are there."""
        for table in ("tracks", "episodes"):
            rows = [
                {c.name: canonical_text(row[c.name]) for c in RECORDING_COLUMNS} | {"item": row["item"]}
                for row in self.rows(table)
            ]
            assert self.rows(f"{table}_text") == rows


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(tmp_path)


def test_a_later_copy_with_other_tags_is_a_second_file_and_changes_nothing_that_is_shown(library: Library):
    first = library.write("z.wav", title="First")
    assert library.ingest(first).new_keys["track"] == [library.track()["item"]]
    row = library.track()
    assert (row["title"], row["path"]) == ("First", first.as_uri())
    copy = library.write("a.wav", title="Second")
    assert library.ingest(copy) == Counts(moved=1)
    assert library.track() == row
    files = library.rows("files", "uri")
    assert [(file["uri"], file["item"]) for file in files] == [
        (copy.as_uri(), row["item"]),
        (first.as_uri(), row["item"]),
    ]
    assert [(file["tags_json"], file["state"]) for file in files] == [
        ('{"title": "Second"}', "present"),
        ('{"title": "First"}', "present"),
    ]
    library.check_texts()


def test_of_files_first_seen_in_one_ingest_the_first_by_uri_is_shown_whoever_is_read_first(library: Library):
    last, first = library.write("b.wav", title="B"), library.write("a.wav", title="A")
    library.ingest_at(NOON, last)
    library.ingest_at(NOON, first)
    assert (library.track()["title"], library.track()["path"]) == ("A", first.as_uri())


def test_new_tags_of_the_shown_file_change_its_columns_and_not_the_item(library: Library):
    path = library.write("a.wav", title="Before")
    library.ingest(path)
    before, file_before = library.track(), library.rows("files")[0]
    retag(path, "After")
    assert library.ingest(path) == Counts(known=1)
    after, file_after = library.track(), library.rows("files")[0]
    assert (before["title"], after["title"]) == ("Before", "After")
    for column in ("item", "content_hash", "ingested_at", "path"):
        assert after[column] == before[column]
    assert len(str(after["content_hash"])) == 64
    assert file_after["first_seen_at"] == file_before["first_seen_at"] == before["ingested_at"]
    assert file_after["seen_at"] == file_before["seen_at"] + timedelta(hours=1)
    library.check_texts()


def test_new_tags_of_a_file_that_is_not_shown_stay_with_it(library: Library):
    library.ingest(library.write("a.wav", title="Shown"))
    copy = library.write("b.wav", title="Copy")
    library.ingest(copy)
    row = library.track()
    retag(copy, "Copy again")
    library.ingest(copy)
    assert library.track() == row
    assert library.rows("files", "uri")[1]["tags_json"] == '{"title": "Copy again"}'


def test_another_sound_in_a_file_is_a_new_item_and_the_old_one_goes_on_with_its_next_file(library: Library):
    path, copy = library.write("a.wav", title="Old"), library.write("b.wav", title="Copy")
    library.ingest(path)
    library.ingest(copy)
    old = library.track()["item"]
    library.write("a.wav", 2.0, title="New")
    (new,) = library.ingest(path).new_keys["track"]
    tracks = {row["item"]: row for row in library.rows("tracks")}
    assert (tracks[new]["title"], tracks[new]["path"]) == ("New", path.as_uri())
    assert (tracks[old]["title"], tracks[old]["path"]) == ("Copy", copy.as_uri())
    assert tracks[old]["size_bytes"] == copy.stat().st_size
    assert [file["item"] for file in library.rows("files", "uri")] == [new, old]
    library.check_texts()


def test_an_item_whose_only_file_holds_another_sound_keeps_its_row_without_a_path(library: Library):
    path = library.write("a.wav", title="Old")
    library.ingest(path)
    before = library.track()
    library.write("a.wav", 2.0)
    library.ingest(path)
    (row,) = [row for row in library.rows("tracks") if row["item"] == before["item"]]
    assert row == before | {"path": None}
    library.check_texts()


def test_a_file_that_takes_a_known_sound_later_is_not_the_first_seen_with_it(library: Library):
    early, late = library.write("a.wav", 1.0, title="One"), library.write("b.wav", 2.0, title="Two")
    library.ingest(early)
    library.ingest(late)
    two = next(row for row in library.rows("tracks") if row["title"] == "Two")
    library.write("a.wav", 2.0, title="Two as well")
    library.ingest(early)
    assert next(row for row in library.rows("tracks") if row["item"] == two["item"]) == two


def test_a_kind_that_is_said_moves_the_item_and_all_its_files(library: Library):
    path, copy = library.write("a.wav", title="A"), library.write("b.wav")
    library.ingest(path, copy)
    assert library.ingest(copy, kind="episode") == Counts(known=1)
    assert library.rows("tracks") == []
    (row,) = library.rows("episodes")
    assert (row["title"], row["path"], row["kind_reason"]) == ("A", path.as_uri(), "as given")
    assert {file["kind"] for file in library.rows("files")} == {"episode"}
    library.ingest(path)
    assert library.rows("episodes")[0]["kind_reason"] == "as given"
    library.check_texts()


def test_imported_events_stay_with_the_item_and_in_step_with_their_text(library: Library):
    path = library.write("a.wav", title="A")
    library.ingest(path, kind="episode")
    item = str(library.rows("episodes")[0]["item"])
    texts = library.rows("episodes_text")[0]
    library.platform.lake.write(lambda c: set_events(c, {item: '[{"label": "laugh"}]', "unknown": "[]"}))
    library.check_texts()
    assert library.rows("episodes_text") == [
        texts | {"imported_events_json": canonical_text('[{"label": "laugh"}]')}
    ]
    retag(path, "B")
    library.ingest(path)
    (row,) = library.rows("episodes")
    assert (row["title"], row["imported_events_json"]) == ("B", '[{"label": "laugh"}]')
    library.check_texts()


def test_a_rejected_file_that_has_become_good_is_rejected_no_more(library: Library):
    path = library.write("a.wav")
    bad = Rejected(path.as_uri(), "no audio", 12, 34)
    library.platform.lake.write(lambda c: write_files(c, [], [bad], None, NOON))
    (row,) = library.rows("rejected_files", "uri")
    assert row == {
        "uri": path.as_uri(), "reason": "no audio", "size_bytes": 12, "modified_ns": 34, "seen_at": NOON
    }  # fmt: skip
    library.ingest(path)
    assert library.rows("rejected_files", "uri") == []


def planned(platform: Platform) -> dict[str, State]:
    """Where the only track stands for each asset."""
    plan = platform.plan(["shouts", "counts"])
    return {name: state for name, asset in plan.assets.items() for state in asset.states.elements()}


def test_new_tags_make_stale_only_what_reads_them_and_a_copy_nothing(library: Library):
    path = library.write("a.wav", title="quiet")
    library.ingest(path)
    platform = library.platform
    _, plan = keep_plan(platform, "test-run", ["shouts", "counts"], None, DEFAULT)
    for bundle in platform.graph.bundles:
        names = [asset.name for asset in bundle.assets]
        list(BundleRun(platform, bundle, names, plan, run_id="test-run"))
    assert library.rows("shouts")[0]["shout"] == "QUIET"
    assert library.rows("counts")[0]["samples"] == 4_410
    assert planned(platform) == {"shouts": State.OK, "counts": State.OK}
    library.ingest(library.write("b.wav", title="another"))
    assert planned(platform) == {"shouts": State.OK, "counts": State.OK}
    retag(path, "loud")
    library.ingest(path)
    assert planned(platform) == {"shouts": State.STALE, "counts": State.OK}


def test_audio_is_opened_after_new_tags_and_not_after_another_sound(library: Library):
    path = library.write("a.wav", title="Old")
    library.ingest(path)
    (item,) = library.platform.items(TRACK).values()
    retag(path, "New")
    assert path.stat().st_mtime_ns != item.record["modified_ns"]
    assert open_recording(item).samples.shape == (2, 4_410)
    shutil.copy(library.write("b.wav", 2.0), path)
    with pytest.raises(AudioError, match=r"a\.wav: the file holds another sound than when it was ingested"):
        open_recording(item)
