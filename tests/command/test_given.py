"""`--set` and `--save`: candidates of trainings, and parameters that every process reads from then on."""

from __future__ import annotations

import pytest

from audio_assets.settings_file import FILE

NOTES = {"a": "two words", "b": "three small words", "c": "one"}
MEAN = 29 / 3
"""The mean length of these notes."""


def test_a_training_with_another_parameter_makes_a_candidate_that_nothing_uses(library):
    library.add(**NOTES)
    library("run")
    said = library("run", "mean_length", "--set", "scale=2")
    assert said.code == 0 and said.lines[0] == "To train: a candidate of mean_length with {'scale': 2}."
    (name,) = next(
        iter(library.query("SELECT checkpoint FROM checkpoints WHERE candidate_because IS NOT NULL"))
    )
    told = (
        f"mean_length: {name} is a candidate (made with parameters other than those in force): "
        f"`audio-assets adopt {name[:8]}` adopts it."
    )
    assert said.lines[-1] == told or told in said.lines
    metrics = "SELECT round((metrics_json->>'mean')::DOUBLE, 4) FROM checkpoints ORDER BY created_at"
    assert library.query(metrics) == [(round(MEAN, 4),), (round(2 * MEAN, 4),)]
    assert library.planned() == {}
    said = library("run", "mean_length", "--set", "scale=2")  # it is there already
    assert said.code == 0 and told in said.lines
    assert library.query("SELECT count(*) FROM checkpoints") == [(2,)]
    assert not (library.home / FILE).exists()


def test_a_candidate_waits_for_its_data_and_comes_after_them_where_they_are_chosen_too(library):
    library.add(**NOTES)
    said = library("run", "mean_length", "--set", "scale=2")
    assert said.code == 1 and "Nothing to do" not in said.out
    assert (
        "mean_length cannot begin: it waits for at least 1 notes with a value for all of lengths; there are 0."
        in " ".join(said.err.split())
    )
    said = library("run", "*mean_length", "--set", "mean_length.scale=2")
    assert said.code == 0
    assert library.query("SELECT count(*) FROM checkpoints WHERE candidate_because IS NOT NULL") == [(1,)]


def test_values_of_items_with_another_parameter_are_refused_unless_it_is_saved(library):
    library.add(**NOTES)
    said = library("run", "ratios", "--set", "scale=3")
    assert said.code == 2 and "add --save to change the parameters in force" in said.err
    assert library.query("SELECT count(*) FROM ledger") == [(0,)]
    assert not (library.home / FILE).exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["ratios", "--set", "scal=3"], "ratios has no parameter scal; it has scale."),
        (["ratios", "--set", "scale=much"], "ratios: parameter scale is 'much'; wanted a number, like 1.0."),
        (["ratios", "--set", "scale"], "--set scale: wanted NAME=VALUE, or ASSET.NAME=VALUE."),
        (["--set", "scale=3"], "--set scale=3: 7 assets are selected; say of which: --set ASSET.scale=3"),
        (["--set", "ratio.scale=3"], "--set ratio.scale=3: there is no asset ratio."),
        (["mean_length", "--set", "seed=x"], "mean_length: parameter seed is 'x'; wanted a whole number."),
    ],
)
@pytest.mark.parametrize("verb", ["run", "plan"])
def test_what_cannot_be_set_is_told_and_nothing_is_written(library, verb, arguments, told):
    said = library(verb, *arguments, "--save")
    assert said.code == 2 and told in said.err
    assert not (library.home / FILE).exists()


def test_a_candidate_of_what_is_not_selected_or_of_some_items_is_refused(library):
    library.add(**NOTES)
    said = library("run", "lengths", "--set", "mean_length.scale=2")
    assert said.code == 2 and "mean_length, which is not among the assets selected" in said.err
    said = library("run", "--items", "a", "--set", "mean_length.scale=2")
    assert said.code == 2 and "--items and --set do not go together" in said.err


def test_a_plan_says_what_a_saved_parameter_makes_stale_and_saves_nothing(library):
    library.add(**NOTES)
    library("run")
    assert library.planned("--set", "ratios.scale=3", "--save") == {("ratios", "parameters"): 3}
    assert library.planned("--set", "mean_length.scale=3", "--save") == {("mean_length", "parameters"): 1}
    assert not (library.home / FILE).exists()
    assert library.planned() == {}


def test_a_saved_parameter_is_in_force_from_then_on(library):
    library.add(**NOTES)
    library("run", "*ratios")
    before = dict(library.query("SELECT item, characters_per_word FROM ratios"))
    said = library("run", "ratios", "--set", "scale=3", "--save")
    assert said.code == 0 and (library.home / FILE).read_text() == "[parameters.ratios]\nscale = 3\n"
    assert said.lines[0] == f"ratios: {{'scale': 3}} written to {library.home / FILE}"
    after = dict(library.query("SELECT item, characters_per_word FROM ratios"))
    assert after == {item: pytest.approx(3 * value) for item, value in before.items()}
    assert library.planned("*ratios") == {}
    (library.home / FILE).unlink()
    assert library.planned("*ratios") == {("ratios", "parameters"): 3}


def test_a_parameter_that_the_environment_sets_cannot_be_saved_unnoticed(library):
    library.add(**NOTES)
    said = library("run", "ratios", "--set", "scale=3", "--save", PARAMETERS='{"ratios": {"scale": 5}}')
    assert said.code == 2 and "ratios: scale is set by AUDIO_ASSETS_PARAMETERS too" in said.err
    assert not (library.home / FILE).exists()
    assert library.query("SELECT count(*) FROM ledger") == [(0,)]
