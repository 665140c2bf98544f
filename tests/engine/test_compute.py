"""Computing in this process: backends are made once, and batches are halved when memory runs out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from audio_assets.engine import INTEGER, Column, Item, ItemAsset, Outcome, Role, Table, item_asset
from audio_assets.engine.declare.outcomes import ItemResult
from audio_assets.engine.declare.roles import BackendSettings, Player
from audio_assets.engine.run.compute import Computer
from audio_assets.engine.run.tasks import ItemTask, Task, WorkerSetup
from audio_assets.resources.objects import Objects
from tests.engine.toys import NOTE


class Scale:
    """Counts how often it is made; fails while `broken` holds an error."""

    name, revision, licence = "scale", "1", "MIT"
    made = 0
    broken: Exception | None = None

    def __init__(self) -> None:
        Scale.made += 1
        if Scale.broken:
            raise Scale.broken


SCALE = Role("scale", {"embedded": f"{__name__}:Scale"})
WEIGHTS = Table("weights", NOTE, [Column("grams", INTEGER, doc="Weight")])


@item_asset(table=WEIGHTS, group="toys", code_version="1", roles=[SCALE])
def weights(note: str, *, scale: Scale) -> dict[str, int]:
    return {"grams": len(note)}


@pytest.fixture(autouse=True)
def new_scale(monkeypatch):
    monkeypatch.setattr(Scale, "made", 0)
    monkeypatch.setattr(Scale, "broken", None)


def computed(folder: Path, asset: ItemAsset, tasks: Sequence[Sequence[str]]) -> list[ItemResult]:
    """The results of tasks of so many notes each."""
    choices = {"scale": Player(SCALE, "embedded", BackendSettings(folder, folder))}
    setup = WorkerSetup(
        assets=(asset.reference,),
        code={asset.name: asset.code(choices).digest},
        parameters={},
        backends=choices,
        objects=Objects(str(folder / "objects")),
    )
    emitted: list[object] = []
    computer = Computer(setup, emitted.append)
    for notes in tasks:
        members = []
        for note in notes:
            path = folder / f"{note}.txt"
            path.write_text(note)
            members.append(ItemTask(Item(note, note, str(path)), {asset.name: "f"}))
        computer(Task(tuple(members)))
    return [part for part in emitted if isinstance(part, ItemResult)]


def compute(folder: Path, count: int) -> list[ItemResult]:
    return computed(folder, weights, [[f"note {n}"] for n in range(count)])


def test_a_backend_is_made_once(tmp_path):
    results = compute(tmp_path, 3)
    assert [result.outcome for result in results] == [Outcome.OK] * 3
    assert Scale.made == 1


def test_a_backend_without_weights_fails_every_item_at_once_with_the_same_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(Scale, "broken", LookupError("no weights"))
    results = compute(tmp_path, 3)
    assert {result.reason for result in results} == {"LookupError: no weights"}
    assert {result.outcome for result in results} == {Outcome.FAILED}
    assert Scale.made == 1


def test_a_backend_that_ran_out_of_memory_is_tried_again(tmp_path, monkeypatch):
    monkeypatch.setattr(Scale, "broken", MemoryError())
    compute(tmp_path, 2)
    assert Scale.made == 2


SIZES = Table("sizes", NOTE, [Column("together", INTEGER, doc="Items of the batch that it was computed in")])


class Memory:
    """How many items fit, what is raised when more are tried, and the sizes that were."""

    fits = 2
    error: type[Exception] = MemoryError
    tried: list[int] = []  # noqa: RUF012


class OutOfMemoryError(RuntimeError):
    """Named as torch's is."""


@item_asset(table=SIZES, group="toys", code_version="1", batch_size=8)
def sizes(notes: list[str]) -> list[dict[str, int]]:
    Memory.tried.append(len(notes))
    if len(notes) > Memory.fits or "huge" in notes:
        raise Memory.error("CUDA out of memory")
    return [{"together": len(notes)} for _ in notes]


@pytest.mark.parametrize(
    ("fits", "error", "tried"),
    [
        (8, MemoryError, [8]),
        (4, MemoryError, [8, 4, 4]),
        (3, OutOfMemoryError, [8, 4, 2, 2, 4, 2, 2]),
        (1, MemoryError, [8, 4, 2, 1, 1, 2, 1, 1, 4, 2, 1, 1, 2, 1, 1]),
        (4, RuntimeError, [8, *[1] * 8]),  # another error: one by one, so that only the culprit pays
    ],
)
def test_a_batch_that_does_not_fit_is_halved_until_it_does(tmp_path, monkeypatch, fits, error, tried):
    monkeypatch.setattr(Memory, "fits", fits)
    monkeypatch.setattr(Memory, "error", error)
    monkeypatch.setattr(Memory, "tried", [])
    results = computed(tmp_path, sizes, [list("abcdefgh")])
    assert Memory.tried == tried
    assert [result.item for result in results] == list("abcdefgh")
    together = [size for size in tried if size <= fits]
    assert [r.rows[0]["together"] for r in results] == [size for size in together for _ in range(size)]


def test_an_item_that_does_not_fit_alone_fails_and_its_neighbours_do_not(tmp_path, monkeypatch):
    monkeypatch.setattr(Memory, "tried", [])
    results = {r.item: r for r in computed(tmp_path, sizes, [["a", "b", "huge", "d", "e"]])}
    assert Memory.tried == [5, 2, 2, 1, 1, 1]
    assert {item for item, result in results.items() if result.outcome is not Outcome.OK} == {"huge"}
    assert results["huge"].reason == "MemoryError: CUDA out of memory"


def test_an_answer_for_fewer_items_than_were_asked_for_is_taken_apart(tmp_path):
    results = computed(tmp_path, short, [["a", "b", "c"]])
    assert [(r.outcome, r.rows) for r in results] == [(Outcome.OK, [{"together": 1}])] * 3


@item_asset(table=Table("short", NOTE, SIZES.columns), group="toys", code_version="1", batch_size=8)
def short(notes: list[str]) -> list[dict[str, int]]:
    return [{"together": len(notes)}]
