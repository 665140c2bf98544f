"""Backends in a worker: made once, and one that cannot be made is not tried for every item."""

from __future__ import annotations

from pathlib import Path

import pytest

from audio_assets.engine import INTEGER, Column, Item, Outcome, Role, Table, item_asset
from audio_assets.engine.declare.outcomes import ItemResult
from audio_assets.engine.workers.compute import Computer
from audio_assets.engine.workers.tasks import ItemTask, Task, WorkerSetup
from audio_assets.resources.objects import Objects
from audio_assets.settings import Settings
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


WEIGHTS = Table("weights", NOTE, [Column("grams", INTEGER, doc="Weight")])


SCALE_ROLE = Role("scale", {"embedded": f"{__name__}:Scale"})


@item_asset(table=WEIGHTS, group="toys", code_version="1", roles=[SCALE_ROLE])
def weights(note: str, *, scale: Scale) -> dict[str, int]:
    return {"grams": len(note)}


@pytest.fixture(autouse=True)
def new_scale(monkeypatch):
    monkeypatch.setattr(Scale, "made", 0)
    monkeypatch.setattr(Scale, "broken", None)


def compute(folder: Path, count: int) -> list[ItemResult]:
    choices = {"scale": SCALE_ROLE.player(Settings(home=folder))}
    setup = WorkerSetup(
        assets=(weights.reference,),
        code={"weights": weights.code(choices).digest},
        parameters={},
        backends=choices,
        objects=Objects(str(folder / "objects")),
    )
    sent: list[object] = []
    computer = Computer(setup, sent.append)
    for n in range(count):
        path = folder / f"{n}.txt"
        path.write_text("a note")
        computer.compute(Task((ItemTask(Item(str(n), str(n), str(path)), {"weights": "f"}),)))
    return [message for message in sent if isinstance(message, ItemResult)]


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
