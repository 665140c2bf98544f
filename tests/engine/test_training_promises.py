"""What is promised of values per item holds for trainings: what they were made from decides, and edits are seen."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient

from audio_assets.engine import TrainingError
from audio_assets.engine.code import source
from audio_assets.engine.run import trainings
from audio_assets.engine.state.states import RunOptions, State, Why
from audio_assets.engine.workers.local import LocalSession
from tests.engine.conftest import Bench, copied, make_learning_bench
from tests.engine.learning_toys import FACTOR, Doubling, scales, weighted_scales
from tests.engine.toys import lengths

NOTES = {"a": "one", "b": "three", "c": "seventeen", "d": "two"}
"""Their mean length is 5."""


@pytest.fixture(scope="module")
def computed(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Lengths, and `scales` and `weighted_scales` trained with the parameters in force."""
    bench = make_learning_bench(tmp_path_factory.mktemp("computed"), [lengths, scales, weighted_scales])
    bench.add(NOTES)
    bench.work()
    return bench


@pytest.fixture
def bench(computed: Bench, tmp_path: Path) -> Bench:
    return copied(computed, tmp_path)


@pytest.fixture
def untrained(tmp_path: Path) -> Bench:
    bench = make_learning_bench(tmp_path, [lengths, scales])
    bench.add(NOTES)
    bench.run(["lengths"])
    return bench


def adopted(bench: Bench, training: str = "scales") -> str:
    return bench.platform.adopted([training])[training].checkpoint.checkpoint


def why(bench: Bench, training: str = "scales", **options: bool) -> set[Why]:
    return set(bench.plan([training], RunOptions(**options))[training].todo)


def test_one_trained_with_parameters_of_ones_own_is_a_candidate_and_a_plain_plan_trains_the_default(
    untrained,
):
    own, is_new = untrained.train("scales", scale=3.0)
    assert is_new and own.candidate_because == "made with parameters other than those in force"
    assert untrained.platform.adopted(["scales"]) == {}
    assert untrained.work() == ["scales"]
    assert adopted(untrained) != own.checkpoint
    assert untrained.query("SELECT metrics_json->>'mean' FROM checkpoints ORDER BY created_at") == [
        ("15.0",), ("5.0",),
    ]  # fmt: skip
    assert untrained.work() == []


def test_what_is_written_after_the_plan_is_not_learnt_from_and_makes_the_checkpoint_stale(
    untrained, monkeypatch
):
    read = trainings.read_training

    def then_written(*arguments: object) -> object:
        answer = read(*arguments)
        untrained.add({"e": "a note of a great many letters"})
        untrained.run(["lengths"])
        return answer

    monkeypatch.setattr(trainings, "read_training", then_written)
    checkpoint, _ = untrained.train("scales")
    assert checkpoint.metrics["mean"] == 5.0 and checkpoint.items == len(NOTES)
    assert untrained.state("scales") is State.STALE


def test_the_default_one_stays_where_one_is_trained_with_parameters_of_ones_own(bench):
    before = adopted(bench)
    own, _ = bench.train("scales", scale=3.0)
    assert own.candidate_because and adopted(bench) == before
    assert bench.state("scales") is State.OK
    assert bench.work() == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda bench: bench.add_assets(replace(scales, code_version="2")), Why.CODE),
        (lambda bench: bench.with_settings(parameters={"scales": {"scale": 2.0}}), Why.PARAMETERS),
        (lambda bench: bench.with_settings(parameters={"scales": {"seed": 1}}), Why.PARAMETERS),
    ],
)
def test_changed_code_or_parameters_are_planned_with_that_reason(bench, change, reason):
    before = adopted(bench)
    changed = change(bench)
    assert changed.state("scales") is State.STALE and why(changed) == {reason}
    assert changed.work(["scales"]) == ["scales"]
    assert adopted(bench) != before


def test_another_revision_of_a_backend_is_planned_with_that_reason(bench, monkeypatch):
    assert why(bench, "weighted_scales") == set()
    monkeypatch.setattr(Doubling, "revision", "2")
    newer = bench.with_settings()
    assert why(newer, "weighted_scales") == {Why.WEIGHTS}
    newer.work(["weighted_scales"])
    assert bench.query(
        "SELECT backend, revision FROM checkpoints WHERE asset = 'weighted_scales' ORDER BY created_at"
    ) == [("doubling", "1"), ("doubling", "2")]


def test_another_backend_is_planned_with_that_reason_and_its_licence_is_told(bench):
    other = bench.with_settings(backends={"factor": "other"})
    assert FACTOR.player(other.platform.settings).name == "tripling"
    assert why(other, "weighted_scales") == {Why.WEIGHTS}
    checkpoint, _ = other.train("weighted_scales")
    assert checkpoint.metrics["mean"] == 12.0, "3 times the durations of four seconds"
    assert checkpoint.licences == "CC-BY-4.0"


def test_columns_of_the_catalog_that_a_training_reads_are_part_of_what_it_is_made_from(bench):
    before = adopted(bench, "weighted_scales")
    bench.add(NOTES, duration_s=2.0)
    assert bench.state("scales") is State.OK
    assert bench.state("weighted_scales") is State.STALE
    checkpoint, is_new = bench.train("weighted_scales")
    assert is_new and checkpoint.checkpoint != before and checkpoint.metrics["mean"] == 16.0


def test_a_column_that_is_not_declared_cannot_be_read_on_a_worker_either(untrained):
    told = r"scales reads the column path .* does not declare: reads=\('path'\)"
    for session in (untrained.platform.session, LocalSession()):
        with session, pytest.raises(TrainingError, match=told):
            Bench(replace(untrained.platform, session=session), untrained.folder).train(
                "scales", act="look path"
            )


def test_a_table_that_is_not_declared_cannot_be_read(untrained):
    with pytest.raises(TrainingError, match="scales reads words, which is not among its upstream assets"):
        untrained.train("scales", act="read words")
    assert untrained.query("SELECT outcome FROM ledger WHERE asset = 'scales'") == [("failed",)]


def test_back_at_parameters_of_before_nothing_is_trained_and_that_checkpoint_is_adopted_again(
    tmp_path, new_mlflow: Callable[[Path], str]
):
    uri = new_mlflow(tmp_path / "mlflow" / "mlflow.db")
    first = make_learning_bench(tmp_path, [lengths, scales], mlflow_uri=uri)
    first.add(NOTES)
    first.work()
    a = adopted(first)
    second = first.with_settings(parameters={"scales": {"scale": 2.0}})
    assert second.work() == ["scales"]
    b = adopted(first)
    assert why(first) == {Why.PARAMETERS}, "its checkpoint is there, but another is adopted"
    assert first.work() == ["scales"] and first.work() == []
    assert adopted(first) == a != b
    assert first.query("SELECT checkpoint FROM checkpoints ORDER BY created_at") == [(a,), (b,)]
    assert first.train("scales") == (first.platform.adopted(["scales"])["scales"].checkpoint, False)

    client = MlflowClient(uri)
    runs = client.search_runs([client.get_experiment_by_name("scales").experiment_id])
    assert {run.data.tags["checkpoint"] for run in runs} == {a, b} and len(runs) == 2
    for run in runs:
        assert len(client.get_metric_history(run.info.run_id, "train_loss")) == 1
    assert client.get_model_version_by_alias("scales", "adopted").tags["checkpoint"] == a


LEARNER = """
from audio_assets.engine import training_asset
from tests.engine.learning_toys import ScaleConfig, leave
from tests.engine.toys import NOTE

MORE = 1.0

def more(mean):
    return mean + MORE

@training_asset(items=NOTE, upstream=["lengths"], config=ScaleConfig, group="toys", code_version="1")
def learner(training, config):
    return leave(training, more(float(training.rows("lengths")["characters"].mean())), {})
"""


@pytest.mark.parametrize("option", ["drifted", "everything"])
def test_an_edit_of_training_code_is_drifted_and_trained_again_only_when_asked(tmp_path, monkeypatch, option):
    (tmp_path / "learner_module.py").write_text(LEARNER)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def reopened() -> Bench:
        """What a new process would see."""
        sys.modules.pop("learner_module", None)
        importlib.invalidate_caches()
        source.parse.cache_clear()
        source.definition.cache_clear()
        return make_learning_bench(tmp_path, [lengths, importlib.import_module("learner_module").learner])

    bench = reopened()
    bench.add(NOTES)
    bench.work()
    before = adopted(bench, "learner")
    (tmp_path / "learner_module.py").write_text(LEARNER.replace("MORE = 1.0", "MORE = 2.0"))
    bench = reopened()
    assert bench.state("learner") is State.DRIFTED
    assert bench.work(["learner"]) == [] and bench.train("learner")[1] is False
    asked = RunOptions(**{option: True})
    assert set(bench.plan(["learner"], asked)["learner"].todo) == {Why.DRIFTED}
    assert bench.work(["learner"], asked) == ["learner"]
    assert bench.state("learner") is State.OK
    assert bench.query("SELECT metrics_json->>'mean' FROM checkpoints ORDER BY created_at") == [
        ("6.0",), ("7.0",),
    ]  # fmt: skip
    found = bench.platform.adopted(["learner"])["learner"].checkpoint
    assert found.checkpoint != before and found.metrics["mean"] == 7.0, "values by checkpoint stay apart"
    folders = {path.parent.name for path in bench.platform.settings.home.rglob("tracking.jsonl")}
    assert folders == {before, found.checkpoint}, "each has an MLflow run of its own"


def test_all_trains_again_what_is_up_to_date_once(bench):
    everything = RunOptions(everything=True)
    assert why(bench, everything=True) == {Why.ASKED}
    assert bench.work(["scales"], everything) == ["scales"]
    assert bench.query("SELECT count(*) FROM checkpoints WHERE asset = 'scales'") == [(2,)]
    assert bench.state("scales") is State.OK


def test_a_training_that_fails_again_is_tried_once_and_the_adopted_one_stays(bench):
    before = adopted(bench)
    failing = bench.with_settings(parameters={"scales": {"act": "fail"}})
    with pytest.raises(TrainingError, match="the loss is NaN"):
        failing.work(["scales"])
    assert failing.state("scales") is State.FAILED and failing.work(["scales"]) == []
    assert adopted(bench) == before and bench.state("scales") is State.OK
