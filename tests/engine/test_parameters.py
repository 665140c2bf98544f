"""Parameters that an asset does not have, or that have the wrong type: one clear sentence, whatever the extent."""

from __future__ import annotations

import pytest

from audio_assets.engine import ParameterError
from audio_assets.engine.declare.graph import AssetGraph
from tests.engine.conftest import make_learning_bench
from tests.engine.kinds_toys import counts
from tests.engine.learning_toys import scales
from tests.engine.toys import lengths, ratios, words

ASSETS = [lengths, words, ratios, counts, scales]


@pytest.mark.parametrize(
    ("asset", "given", "told"),
    [
        (ratios, {"scael": 2.0}, "ratios has no parameter scael; it has scale."),
        (lengths, {"scale": 2.0}, "lengths has no parameter scale; it has none."),
        (counts, {"factors": 2.0}, "counts has no parameter factors; it has factor."),
        (scales, {"scael": 2.0}, "scales has no parameter scael; it has act, scale, score, seed."),
        (ratios, {"scale": "2"}, "ratios: parameter scale is '2'; wanted a number, like 1.0."),
        (ratios, {"scale": True}, "ratios: parameter scale is True; wanted a number, like 1.0."),
        (counts, {"factor": [1.0]}, "counts: parameter factor is [1.0]; wanted a number, like 1.0."),
        (scales, {"seed": 0.5}, "scales: parameter seed is 0.5; wanted a whole number."),
        (scales, {"seed": True}, "scales: parameter seed is True; wanted a whole number."),
        (
            scales,
            {"scale": "much"},
            "scales: scale is 'much': Input should be a valid number, unable to parse",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_what_there_is(asset, given, told):
    with pytest.raises(ParameterError) as caught:
        asset.checked_parameters(given)
    assert str(caught.value).startswith(told)


def test_a_whole_number_will_do_for_a_number_and_what_is_not_given_is_the_default():
    assert ratios.checked_parameters({"scale": 2}) == {"scale": 2}
    assert counts.checked_parameters({}) == {"factor": 1.0}
    assert scales.checked_parameters({"scale": 2}) == {"scale": 2.0, "score": 0.5, "act": "", "seed": 0}
    assert scales.configured({"scale": 2, "seed": 3}).model_dump() == {"scale": 2.0, "score": 0.5, "act": ""}


@pytest.mark.parametrize("asset", [ratios, counts, scales])
def test_nothing_is_planned_trained_or_written_with_a_parameter_there_is_not(tmp_path, asset):
    bench = make_learning_bench(tmp_path, ASSETS)
    bench.add({"a": "one", "b": "three"})
    before = bench.platform.lake.snapshot()
    wrong = bench.with_settings(parameters={asset.name: {"size": 1}})
    for act in (wrong.plan, wrong.work):
        with pytest.raises(ParameterError, match=f"{asset.name} has no parameter size; it has"):
            act([asset.name])
    with pytest.raises(ParameterError, match=f"{asset.name} has no parameter size; it has"):
        bench.platform.plan([asset.name], parameters={asset.name: {"size": 1}})
    assert bench.platform.lake.snapshot() == before


def test_a_training_is_not_begun_with_a_wrong_value(tmp_path):
    bench = make_learning_bench(tmp_path, ASSETS)
    bench.add({"a": "one", "b": "three"})
    bench.run(["lengths"])
    before = bench.platform.lake.snapshot()
    with pytest.raises(ParameterError, match="scale is 'much'"):
        bench.train("scales", scale="much")
    assert bench.platform.lake.snapshot() == before
    assert not list(bench.platform.settings.home.glob("trainings/scales/*"))


def test_parameters_of_an_asset_that_there_is_not_are_refused(tmp_path):
    bench = make_learning_bench(tmp_path, ASSETS)
    with pytest.raises(
        ParameterError, match=r"Parameters are set for scalse, which is no asset\. There are counts,"
    ):
        bench.with_settings(parameters={"scalse": {"scale": 1.0}}).plan()


def test_values_for_one_plan_take_the_place_of_those_in_force_and_of_no_others(tmp_path):
    bench = make_learning_bench(tmp_path, ASSETS).with_settings(parameters={"scales": {"score": 0.7}})
    recipes = bench.platform.recipes_with({}, {"scales": {"scale": 2.0}})
    assert recipes["scales"].parameters == {"scale": 2.0, "score": 0.7, "act": "", "seed": 0}
    assert recipes["counts"].parameters == {"factor": 1.0}
    assert AssetGraph.of(ASSETS).recipes(bench.platform.settings)["scales"].parameters["scale"] == 1.0
