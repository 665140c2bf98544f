"""How long planning takes and how much memory, for collections of up to a million items on a ledger with a history.

``python -m benchmarks.planning [ITEMS×TABLES …]`` (default: 100000×12 1000000×12 1000000×33) makes a home, lets the
planner find everything missing, grows the ledger by 2,000 commits with the statements that runs write with, a tenth of
which replace the rows of the commit before, and then asks again and again, each time in a process of its own:
everything, and ten items by name, before and after maintenance has compacted the lake. Times are the best of three.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import pyarrow as pa

from audio_assets.assemble import build_platform
from audio_assets.engine import ItemAsset
from audio_assets.engine.declare.graph import AssetGraph
from audio_assets.engine.platform import Platform
from audio_assets.engine.run.maintenance import maintain
from audio_assets.engine.state.states import State
from audio_assets.settings import Settings
from benchmarks.planning_assets import GROUP

SIZES = ("100000×12", "1000000×12", "1000000×33")
COMMITS, REPLACING = 2000, 10
"""Commits that the ledger grows by, and every how many of them one replaces the rows of the one before."""

REPEATS = 3
MODULE = "benchmarks.planning_assets"
ADDED_TRACKS = """
INSERT INTO tracks BY NAME
SELECT 'artist-title-of-a-song-' || left(sha256(range::VARCHAR), 10) AS item, sha256('sound' || range) AS content_hash,
    'file:///music/' || range || '.flac' AS path, 'Song ' || range AS title, 60 + hash(range) % 400 AS duration_s
FROM range({items});
INSERT INTO tracks_text BY NAME
SELECT item, '"' || content_hash || '"' AS content_hash, '"' || path || '"' AS path, '"' || title || '"' AS title,
    duration_s::VARCHAR AS duration_s
FROM tracks
"""
PLANNED = """
CREATE TEMP TABLE planned AS
SELECT p.asset, p.item, 'ok' AS outcome, p.fingerprint, t.content_hash, r.*,
    left(sha256(strlen(x.title) || ':' || x.title), 32) AS read,
    p.upstream, (row_number() OVER () - 1) // {per_commit} AS number
FROM read_parquet({files}) AS p
JOIN recipes AS r ON r.name = p.asset JOIN tracks AS t USING (item) JOIN tracks_text AS x USING (item)
"""
ENTRIES = """
INSERT INTO ledger BY NAME
SELECT asset, item, '' AS checkpoint, outcome, fingerprint, content_hash, recipe, code_version, code_hash,
    libraries_json, parameters_json,
    ('0x' || left(fingerprint, 16))::UBIGINT AS fingerprint_high,
    ('0x' || right(fingerprint, 16))::UBIGINT AS fingerprint_low,
    (list_sum(list_transform(upstream, lambda u: ('0x' || left(u, 16))::UBIGINT::HUGEINT))
        % 18446744073709551616::HUGEINT)::UBIGINT AS upstream_sum,
    to_json(upstream)::VARCHAR AS upstream_json, CASE WHEN reads THEN read END AS reads_hash,
    0 AS deaths, 0.1 AS seconds, 0 AS bytes, 'run ' || {run} AS run_id, now() AS computed_at
FROM planned WHERE number BETWEEN {first} AND {last}
"""


@dataclass(frozen=True)
class Measured:
    """What a question took: seconds, and the memory of its process at its largest."""

    seconds: float
    gib: float

    def __str__(self) -> str:
        return f"{self.seconds:.1f} s | {self.gib:.2f} GiB"


def whole_platform(home: Path) -> Platform:
    """The platform in `home` as the command has it, with all assets there are."""
    return build_platform(Settings(home=home, modules=[MODULE]))


def open_platform(home: Path, tables: int) -> Platform:
    """The platform in `home` with so many assets to plan: the twelve, and copies of them where more are wanted."""
    platform = whole_platform(home)
    twelve = [asset for asset in platform.graph.item_assets if asset.group == GROUP]
    copies = (_copy(asset, letter) for letter in "pqr" for asset in twelve)
    return replace(platform, graph=AssetGraph.of(islice(copies, tables)))


def _copy(asset: ItemAsset, letter: str) -> ItemAsset:
    name = letter + asset.name[1:]
    return replace(
        asset,
        name=name,
        tables=(replace(asset.table, name=name),),
        upstream=tuple(letter + upstream[1:] for upstream in asset.upstream),
        bundle=f"{asset.bundle}_{letter}",
    )


def fill(home: Path, items: int) -> None:
    """Make the tables and put so many tracks into the catalog."""
    platform = whole_platform(home)
    platform.prepare()
    platform.lake.write(lambda c: c.execute(ADDED_TRACKS.format(items=items)))
    platform.lake.close()


def grow(platform: Platform, kept: Path) -> None:
    """Write what was planned as runs do: a transaction for each part, some of which replace the part before."""
    recipes = [
        {
            "name": asset.name,
            "recipe": platform.recipes[asset.name].digest,
            "code_version": asset.code_version,
            "code_hash": platform.code[asset.name].digest,
            "libraries_json": platform.code[asset.name].libraries_json,
            "parameters_json": platform.recipes[asset.name].parameters_json,
            "reads": bool(asset.reads),
        }
        for asset in platform.graph.item_assets
    ]
    with platform.lake.get_connection() as connection:
        connection.register("recipes", pa.Table.from_pylist(recipes))
        files = [str(file) for file in sorted(kept.glob("*.parquet"))]
        ((entries,),) = connection.execute(f"SELECT count(*) FROM read_parquet({files})").fetchall()
        connection.execute(PLANNED.format(files=files, per_commit=-(-entries // COMMITS)))
        for number in range(COMMITS):
            replaces = number % REPLACING == REPLACING - 1
            connection.execute("BEGIN")
            if replaces:
                connection.execute(
                    "DELETE FROM ledger WHERE (asset, item, checkpoint) IN "
                    f"(SELECT (asset, item, '') FROM planned WHERE number = {number - 1})"
                )
            connection.execute(ENTRIES.format(run=number, first=number - replaces, last=number))
            connection.execute("COMMIT")
            if number % 100 == 99:
                print(f"{number + 1} of {COMMITS} commits", file=sys.stderr, flush=True)


def ask(home: Path, count: int, what: str) -> Measured:
    """Ask in a process of its own; this one stays small, since a process's peak counts what it was forked from."""
    command = [sys.executable, "-m", "benchmarks.planning", "--ask", what, str(home), str(count)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def best(home: Path, tables: int, what: str) -> Measured:
    """The best of some times that a question was asked."""
    return min((ask(home, tables, what) for _ in range(REPEATS)), key=lambda one: one.seconds)


def answer(what: str, home: Path, count: int) -> Measured:
    """Do in this process what `ask` wants; `count` is of items for ``fill``, else of tables."""
    started = time.perf_counter()
    who = resource.RUSAGE_SELF
    match what:
        case "fill":
            fill(home, count)
        case "status":
            status(home)
            who = resource.RUSAGE_CHILDREN
        case "grow":
            grow(open_platform(home, count), home / "plan")
        case "maintain":
            maintain(whole_platform(home), 30)
        case _:
            platform = open_platform(home, count)
            names = list(platform.graph.by_name)
            items = None
            if what == "ten items":
                items = [key for (key,) in platform.lake.rows("SELECT item FROM tracks LIMIT 10 OFFSET 1234")]
                platform.lake.close()
            started = time.perf_counter()
            plan = platform.plan(names, items, keep=home / "plan" if what == "first" else None)
            state = State.MISSING if what == "first" else State.OK
            assert all(set(part.states) == {state} for part in plan.assets.values()), plan
    return Measured(time.perf_counter() - started, resource.getrusage(who).ru_maxrss / 2**20)


def status(home: Path) -> None:
    """The whole command, with its start."""
    environment = {**os.environ, "AUDIO_ASSETS_HOME": str(home), "AUDIO_ASSETS_MODULES": json.dumps([MODULE])}
    command = [sys.executable, "-m", "audio_assets", "status", f"group:{GROUP}"]
    subprocess.run(command, env=environment, capture_output=True, check=True)


def rows_of(items: int, tables: int, home: Path) -> list[str]:
    """The rows of the table for one size."""
    size = f"{items:,} × {tables}"
    ask(home, items, "fill")
    rows = [f"| {size} | first plan, everything to do | {ask(home, tables, 'first')} |"]
    grown = ask(home, tables, "grow")
    print(f"{size}: {items * tables:,} entries written in {grown.seconds:.0f} s", file=sys.stderr)
    for when in ("", ", compacted"):
        if when:
            ask(home, tables, "maintain")
        rows.append(f"| {size} | nothing to do{when} | {best(home, tables, 'nothing')} |")
        rows.append(f"| {size} | ten items by name{when} | {best(home, tables, 'ten items')} |")
        if tables == 12:
            rows.append(f"| {size} | `status`, whole command{when} | {best(home, tables, 'status')} |")
    return rows


def main(arguments: Sequence[str]) -> None:
    """Print the table, or answer a question asked by `ask`."""
    if arguments[:1] == ["--ask"]:
        _, what, home, count = arguments
        print(json.dumps(vars(answer(what, Path(home), int(count)))))
        return
    print("| items × tables | question | best of three | memory at most |")
    print("|---|---|---|---|")
    for size in arguments or SIZES:
        items, _, tables = size.partition("×")
        with tempfile.TemporaryDirectory(prefix="planning-") as folder:
            for row in rows_of(int(items), int(tables), Path(folder)):
                print(row, flush=True)
    print(f"\nThe ledger has grown by {COMMITS:,} commits, every tenth of which replaced rows.")
    load = os.getloadavg()[1]
    print(f"The machine's load was {load:.1f} meanwhile, its own included.")


if __name__ == "__main__":
    main(sys.argv[1:])
