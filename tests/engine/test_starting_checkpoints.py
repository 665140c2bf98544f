"""`starts_from`: a training that begins with the adopted checkpoint of another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from audio_assets.engine import DeclarationError, training_asset
from audio_assets.engine.declare.graph import AssetGraph, GraphError
from audio_assets.engine.run.adopting import adopt_checkpoint
from audio_assets.engine.state.states import State, Why
from tests.engine.conftest import Bench, copied, make_learning_bench
from tests.engine.learning_toys import ScaleConfig, finer_scales, scales, weighted_scales
from tests.engine.toys import NOTE, lengths

NOTES = {"a": "one", "b": "three", "c": "seventeen", "d": "two"}


@pytest.fixture(scope="module")
def computed(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    bench = make_learning_bench(tmp_path_factory.mktemp("computed"), [lengths, scales, finer_scales])
    bench.add(NOTES)
    bench.work()
    return bench


@pytest.fixture
def bench(computed: Bench, tmp_path: Path) -> Bench:
    return copied(computed, tmp_path)


def test_it_waits_for_that_checkpoint_and_is_given_its_folder(tmp_path):
    bench = make_learning_bench(tmp_path, [lengths, scales, finer_scales])
    bench.add(NOTES)
    bench.run(["lengths"])
    plan = bench.plan()
    assert plan["finer_scales"].waiting == {"scales": 1} and plan["finer_scales"].later == 1
    assert bench.work() == ["scales", "finer_scales"]
    found = bench.platform.adopted(["finer_scales"])["finer_scales"].checkpoint
    assert found.metrics["mean"] == 10.0, "twice the mean of the first"


def test_the_starting_checkpoint_reaches_fingerprint_row_and_card(bench):
    start = bench.platform.adopted(["scales"])["scales"].checkpoint
    found = bench.platform.adopted(["finer_scales"])["finer_scales"].checkpoint
    assert bench.query("SELECT backend, revision FROM checkpoints WHERE asset = 'finer_scales'") == [
        ("scales", start.checkpoint)
    ]
    card = bench.platform.objects.get(f"{found.folder}/README.md").decode()
    assert f"With scales (revision {start.checkpoint}; licence not known)." in card
    own, _ = bench.train("scales", scale=3.0)
    assert bench.state("finer_scales") is State.OK
    adopt_checkpoint(bench.platform, own)
    assert set(bench.plan(["finer_scales"])["finer_scales"].todo) == {Why.WEIGHTS}
    assert bench.work() == ["finer_scales"]
    newer = bench.platform.adopted(["finer_scales"])["finer_scales"].checkpoint
    assert newer.checkpoint != found.checkpoint and newer.metrics["mean"] == 30.0


def test_the_licences_behind_the_starting_checkpoint_are_its_own_too(tmp_path):
    finer = replace(finer_scales, model="weighted_scales")
    bench = make_learning_bench(tmp_path, [lengths, weighted_scales, finer])
    bench.add(NOTES)
    bench.work()
    rows = bench.query("SELECT asset, licences FROM checkpoints ORDER BY created_at")
    assert rows == [("weighted_scales", "CC-BY-4.0"), ("finer_scales", "CC-BY-4.0")]
    found = bench.platform.adopted(["finer_scales"])["finer_scales"].checkpoint
    card = bench.platform.objects.get(f"{found.folder}/README.md").decode()
    assert "licence CC-BY-4.0)." in card
    weights = bench.platform.adopted(["weighted_scales"])["weighted_scales"].checkpoint
    card = bench.platform.objects.get(f"{weights.folder}/README.md").decode()
    assert "With doubling (revision 1; licence CC-BY-4.0)." in card


def test_a_circle_of_trainings_is_refused_with_their_names():
    with pytest.raises(GraphError, match=r"depend on each other: .*scales.*finer_scales"):
        AssetGraph.of([lengths, replace(scales, model="finer_scales"), finer_scales])
    with pytest.raises(GraphError, match="depend on each other: finer_scales → finer_scales"):
        AssetGraph.of([lengths, replace(finer_scales, model="finer_scales")])


def test_what_is_no_training_cannot_be_started_from():
    for name in ("lengths", "nothing"):
        told = f"needs the model of '{name}', which is no training. There are finer_scales, scales"
        with pytest.raises(GraphError, match=told):
            AssetGraph.of([lengths, scales, replace(finer_scales, model=name)])


def no_model(training, config): ...


def test_one_that_takes_no_model_is_refused_where_it_is_declared():
    declare = training_asset(
        items=NOTE,
        upstream=["lengths"],
        config=ScaleConfig,
        group="g",
        code_version="1",
        starts_from="scales",
    )
    with pytest.raises(DeclarationError, match="no_model takes no keyword model, which it is to be given"):
        declare(no_model)
