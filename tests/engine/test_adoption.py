"""Which checkpoint everything downstream uses: when one is adopted by itself, and when only by hand."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from audio_assets.engine import Gate
from audio_assets.engine.run.adopting import adopt_checkpoint, stale_by_adopting, unpin_training
from audio_assets.engine.state.adoption import candidate_because
from audio_assets.engine.state.checkpoints import Checkpoint, CheckpointError, read_checkpoint
from audio_assets.engine.state.states import RunOptions, State
from tests.engine.conftest import Bench, copied, make_learning_bench
from tests.engine.learning_toys import finer_scales, parts, percents, scales, totals
from tests.engine.toys import lengths

NOTES = {"a": "one", "b": "three", "c": "seventeen", "d": "two"}
ASKED = RunOptions(asked=frozenset({"scales"}))


@pytest.fixture(scope="module")
def computed(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """`scales` trained, and all that is computed with it."""
    assets = [lengths, scales, parts, percents, totals]
    bench = make_learning_bench(tmp_path_factory.mktemp("computed"), assets)
    bench.add(NOTES)
    bench.work()
    return bench


@pytest.fixture
def bench(computed: Bench, tmp_path: Path) -> Bench:
    return copied(computed, tmp_path)


def adopted(bench: Bench) -> Checkpoint:
    return bench.platform.adopted(["scales"])["scales"].checkpoint


def in_force(bench: Bench, **parameters: object) -> Bench:
    return bench.with_settings(parameters={"scales": parameters})


def test_one_that_ends_well_with_the_parameters_in_force_is_adopted(bench):
    newer, _ = in_force(bench, scale=2.0).train("scales")
    assert newer.candidate_because is None and adopted(bench) == newer
    history = bench.query("SELECT checkpoint, is_pinned FROM adoptions ORDER BY adopted_at")
    assert history[-1] == (newer.checkpoint, False) and len(history) == 2


def test_a_pinned_one_stays_until_it_is_unpinned(bench):
    own, _ = bench.train("scales", scale=3.0)
    adopt_checkpoint(bench.platform, own)
    assert adopted(bench).checkpoint == own.checkpoint
    newer, _ = in_force(bench, scale=2.0).train("scales")
    assert newer.candidate_because == f"{own.checkpoint} is pinned"
    assert adopted(bench).checkpoint == own.checkpoint
    assert in_force(bench, scale=2.0).work(["scales"]) == [], "its candidate is there"
    unpin_training(bench.platform, "scales")
    assert adopted(bench).checkpoint == own.checkpoint, "until the next one"
    assert in_force(bench, scale=2.0).work(["scales"]) == ["scales"]
    assert adopted(bench).checkpoint == newer.checkpoint
    assert bench.query("SELECT count(*) FROM checkpoints") == [(3,)]


def test_one_made_from_fewer_items_is_a_candidate(bench):
    before = adopted(bench)
    bench.platform.lake.write(lambda c: c.execute("DELETE FROM notes WHERE item = 'd'"))
    assert bench.work(["scales"], ASKED) == ["scales"]
    assert adopted(bench) == before
    assert bench.query("SELECT candidate_because FROM checkpoints WHERE candidate_because IS NOT NULL") == [
        ("made from 3 items, the adopted one from 4",)
    ]
    assert bench.work(["scales"], ASKED) == [], "nothing is tried twice"


@pytest.mark.parametrize(
    ("gate", "score", "because"),
    [
        (Gate("score"), 0.5, None),
        (Gate("score"), 0.4, "the gate wants score of 0.5 within 0; found 0.4"),
        (Gate("score", margin=0.1), 0.45, None),
        (Gate("score", margin=0.1), 0.3, "the gate wants score of 0.5 within 0.1; found 0.3"),
        (Gate("score", higher_is_better=False), 0.6, "the gate wants score of 0.5 within 0; found 0.6"),
        (Gate("score", higher_is_better=False), 0.4, None),
        (Gate("score"), -1.0, "the gate wants score of 0.5 within 0; found none"),
        (Gate("nothing"), 0.9, "the gate wants nothing; found none"),
        (None, 0.1, None),
    ],
)
def test_a_gate_lets_pass_what_is_no_worse_than_the_adopted_one(computed, gate, score, because):
    metrics = {"score": score} if score >= 0 else {}
    found = candidate_because(
        replace(scales, gate=gate),
        metrics,
        4,
        computed.platform.adopted(["scales"])["scales"],
        is_in_force=True,
    )
    assert found == because


def test_a_worse_one_stays_a_candidate_and_is_not_trained_again(bench):
    gated = bench.add_assets(replace(scales, gate=Gate("score")))
    before = adopted(bench)
    worse = in_force(gated, score=0.4)
    assert worse.work(["scales"]) == ["scales"]
    assert adopted(bench) == before and worse.work(["scales"]) == []
    better = in_force(gated, score=0.6)
    assert better.work(["scales"]) == ["scales"]
    assert adopted(bench).metrics["score"] == 0.6
    assert gated.work(["scales"]) == [], "the one from before is worse now"


def test_a_candidate_passes_once_its_parameters_are_in_force(bench):
    own, _ = bench.train("scales", scale=3.0)
    assert in_force(bench, scale=3.0).work(["scales"]) == ["scales"]
    assert adopted(bench).checkpoint == own.checkpoint
    assert bench.query("SELECT count(*) FROM checkpoints") == [(2,)], "none was trained"


def test_adopting_by_hand_says_beforehand_what_becomes_stale(bench):
    own, _ = bench.train("scales", scale=3.0)
    assert stale_by_adopting(bench.platform, adopted(bench)) == {}
    assert stale_by_adopting(bench.platform, own) == {"parts": 4, "percents": 4, "totals": 1}
    adopt_checkpoint(bench.platform, own)
    assert bench.plan(["parts", "percents", "totals"]).needed == ["parts", "percents", "totals"]
    assert bench.work() == ["parts", "percents", "totals"]
    assert bench.state("scales") is State.OK


def test_adopting_by_hand_says_which_trainings_start_from_it(bench):
    bench = bench.add_assets(finer_scales)
    bench.work()
    own, _ = bench.train("scales", scale=3.0)
    assert stale_by_adopting(bench.platform, own)["finer_scales"] == 1


def test_a_checkpoint_whose_objects_are_gone_is_not_adopted_and_says_what_to_do(bench):
    before = adopted(bench)
    own, _ = bench.train("scales", scale=3.0)
    shutil.rmtree(Path(bench.platform.objects.root) / own.folder)
    told = f"files of checkpoint {own.checkpoint} of scales are gone.*audio-assets adopt.*run scales --all"
    with pytest.raises(CheckpointError, match=told):
        adopt_checkpoint(bench.platform, own)
    assert adopted(bench) == before


def test_an_adopted_one_whose_objects_are_gone_stops_what_needs_it_before_anything_is_computed(bench):
    bench = bench.add_assets(finer_scales)
    before = adopted(bench)
    shutil.rmtree(Path(bench.platform.objects.root) / before.folder)
    bench.add({"e": "five words"})
    bench.run(["lengths"])
    told = f"files of checkpoint {before.checkpoint} of scales are gone"
    with pytest.raises(CheckpointError, match=told):
        bench.run(["parts"])
    with pytest.raises(CheckpointError, match=told):
        bench.train("finer_scales")
    query = "SELECT count(*) FROM ledger WHERE asset = 'finer_scales' OR (asset = 'parts' AND item = 'e')"
    assert bench.query(query) == [(0,)]
    assert bench.work(["scales"], RunOptions(everything=True)) == ["scales"], "as the message says"
    assert bench.work() == ["parts", "percents", "totals", "finer_scales"]


def test_a_checkpoint_is_named_by_a_unique_beginning(bench):
    own, _ = bench.train("scales", scale=3.0)
    assert read_checkpoint(bench.platform.lake, own.checkpoint[:12]).checkpoint == own.checkpoint
    assert read_checkpoint(bench.platform.lake, "nothing") is None
    with pytest.raises(CheckpointError, match=r"'' fits 2 checkpoints, e\.g\. "):
        read_checkpoint(bench.platform.lake, "")


def test_what_is_no_training_here_cannot_be_adopted_nor_unpinned(bench):
    other = replace(adopted(bench), asset="gone")
    with pytest.raises(CheckpointError, match=f"gone, which {other.checkpoint} is of, is no training here"):
        adopt_checkpoint(bench.platform, other)
    for name in ("lengths", "nothing"):
        with pytest.raises(CheckpointError, match=f"'{name}' is no training with an adopted checkpoint"):
            unpin_training(bench.platform, name)
