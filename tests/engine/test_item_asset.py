"""Declaring item assets, and putting them together: what is read from a signature, what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from audio_assets.engine import FLOAT, Column, ItemAsset, ItemKind, ParameterError, Role, Table, item_asset
from audio_assets.engine.declare.graph import AssetGraph, GraphError, ModuleError, find_assets
from audio_assets.engine.declare.roles import BackendSettings, Player
from audio_assets.settings import Settings
from tests.engine import toys
from tests.engine.toys import NOTE, copies, lengths, ratios, remarks, words

LEVELS = Table("levels", NOTE, [Column("level", FLOAT, doc="A level")])


class Ruler:
    name = "ruler"
    revision = "3"
    licence = "MIT"


RULER = Role("ruler", {"embedded": f"{__name__}:Ruler", "published": f"{__name__}:Ruler"})
GIVEN = BackendSettings(weights=Path("w"), cache=Path("c"))
CHOICES = {"ruler": Player(RULER, "embedded", GIVEN)}


def levels(note, lengths, words=None, *, ruler, scale=1.0, window=(1, 2)):
    """Levels of a note."""
    return {"level": scale}


def test_a_signature_says_what_an_asset_needs():
    asset = item_asset(table=LEVELS, group="toys", code_version="1", roles=[RULER])(levels)
    assert asset.upstream == ("lengths", "words")
    assert asset.optional_upstream == {"words"}
    assert asset.parameters == {"scale": 1.0, "window": (1, 2)}
    assert asset.bundle == "note_toys"
    assert asset.description == "Levels of a note."
    assert asset("a note", {}, ruler=None, scale=3) == {"level": 3}


def test_the_recipe_holds_parameters_backend_and_licence():
    asset = item_asset(table=LEVELS, group="toys", code_version="1", roles=[RULER])(levels)
    recipe = asset.recipe({"scale": 2.0}, CHOICES)
    assert recipe.parameters_json == '{"scale": 2.0, "window": [1, 2]}'
    assert (recipe.backend, recipe.revision, recipe.licence) == ("ruler", "3", "MIT")


@pytest.mark.parametrize("change", [{"name": "tape"}, {"revision": "4"}])
def test_another_backend_or_revision_is_another_recipe_and_another_licence_is_not(change, monkeypatch):
    asset = item_asset(table=LEVELS, group="toys", code_version="1", roles=[RULER])(levels)
    before = asset.recipe({}, CHOICES).digest
    monkeypatch.setattr(Ruler, "licence", "GPL-3.0")
    assert asset.recipe({}, CHOICES).digest == before
    for name, value in change.items():
        monkeypatch.setattr(Ruler, name, value)
    assert asset.recipe({}, CHOICES).digest != before


def test_the_code_of_the_chosen_backend_is_code_of_the_asset():
    role = Role("ruler", {"embedded": f"{__name__}:Ruler", "published": "tests.engine.toy_library:length"})
    asset = item_asset(table=LEVELS, group="toys", code_version="1", roles=[role])(levels)
    codes = {
        asset.code({"ruler": Player(role, choice, GIVEN)}).digest for choice in ("embedded", "published")
    }
    assert len(codes) == 2


def other_name(note): ...
def no_item(): ...
def no_default(note, *, scale): ...
def no_keyword(note): ...
def no_json(note, *, scale=object()): ...  # noqa: B008


def renamed(function):
    function.__name__ = "levels"
    return function


@pytest.mark.parametrize(
    ("function", "options", "words_"),
    [
        (other_name, {}, "other_name fills table 'levels'; give both the same name"),
        (renamed(no_item), {}, "takes no item; its first parameter must be the note"),
        (renamed(no_default), {}, "parameter scale needs a default or a role"),
        (renamed(no_keyword), {"roles": [RULER]}, "takes no keyword ruler"),
        (renamed(no_keyword), {"reads": ["language"]}, "takes no keyword record"),
        (renamed(no_json), {}, "must be JSON values"),
    ],
)
def test_a_function_that_does_not_fit_is_refused_where_it_is_declared(function, options, words_):
    with pytest.raises(ValueError, match=words_):
        item_asset(table=LEVELS, group="toys", code_version="1", **options)(function)


def test_a_function_that_workers_cannot_import_is_refused():
    def levels(note): ...

    with pytest.raises(ValueError, match="must stand at module level, so that workers can import it"):
        item_asset(table=LEVELS, group="toys", code_version="1")(levels)


def test_assets_come_in_order_upstream_first_and_bundles_too():
    graph = AssetGraph.of([ratios, copies, words, lengths])
    names = [asset.name for asset in graph.assets]
    assert names.index("ratios") > max(names.index("lengths"), names.index("words"))
    bundles = [bundle.name for bundle in graph.bundles]
    assert set(bundles) == {"note_toys", "note_more_toys", "copies"}
    assert bundles.index("note_more_toys") > bundles.index("note_toys")


def test_item_assets_are_found_once_although_a_module_imports_anothers():
    found = find_assets(["tests.engine.test_item_asset", "tests.engine.toys"])
    names = [asset.name for asset in found]
    assert sorted(names) == sorted({"lengths", "words", "ratios", "remarks", "copies", "bombs", "sentences"})


EPISODE = ItemKind("episode", "episodes", toys.open_note)


def of_episodes(asset: ItemAsset) -> ItemAsset:
    return replace(asset, items=(EPISODE,), tables=(replace(asset.table, item=EPISODE),))


FAULTS = {
    "two of one name": (
        [lengths, replace(lengths, fn=words.fn)],
        r"tests\.engine\.toys\.lengths and tests\.engine\.toys\.words are both named lengths; rename one",
    ),
    "an unknown upstream": (
        [ratios, lengths],
        r"tests\.engine\.toys\.ratios asks for 'words', which is no asset\. There are lengths, ratios",
    ),
    "an upstream of another kind": (
        [of_episodes(lengths), words, ratios],
        "ratios is computed per note, its upstream lengths per episode",
    ),
    "a circle": ([replace(lengths, upstream=("ratios",)), words, ratios], "depend on each other: .*lengths"),
    "a circle of bundles": (
        [
            lengths,
            words,
            ratios,
            replace(remarks, bundle="note_toys", upstream=("ratios",), optional_upstream=frozenset()),
        ],
        "Bundles depend on each other",
    ),
    "a bundle of two kinds": (
        [lengths, of_episodes(words)],
        r"Bundle note_toys mixes item kinds or batch sizes \(lengths, words\)",
    ),
    "a bundle of two batch sizes": (
        [lengths, replace(words, batch_size=8)],
        "mixes item kinds or batch sizes",
    ),
    "a bundle of two pools": (
        [replace(lengths, pool="gpu"), replace(words, pool="disk")],
        r"Bundle note_toys mixes pools \(lengths, words\)",
    ),
}


@pytest.mark.parametrize(("assets", "words_"), FAULTS.values(), ids=FAULTS.keys())
def test_assets_that_do_not_fit_together_are_refused_with_their_names(assets, words_):
    with pytest.raises(GraphError, match=words_):
        AssetGraph.of(assets)


@pytest.mark.parametrize(
    ("parameters", "words_"),
    [
        ({"ratio": {"scale": 2}}, r"Parameters are set for ratio, which is no asset\. There are lengths, "),
        ({"ratios": {"size": 2}}, r"ratios has no parameter size; it has scale\."),
        ({"words": {"size": 2}}, r"words has no parameter size; it has none\."),
    ],
)
def test_a_parameter_that_is_misspelt_in_the_settings_is_refused(parameters, words_, tmp_path):
    graph = AssetGraph.of([lengths, words, ratios])
    with pytest.raises(ParameterError, match=words_):
        graph.recipes(Settings(home=tmp_path, parameters=parameters))


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (
            "nowhere_assets",
            None,
            r"There is no module nowhere_assets, which AUDIO_ASSETS_MODULES .* PYTHONPATH",
        ),
        (
            "wrong_assets",
            "x = 1\n\ndef f(:\n",
            r"wrong_assets cannot be imported \(.*, line 3\): SyntaxError",
        ),
        (
            "needy_assets",
            "\nimport nowhere_library\n",
            r"needy_assets .*, line 2\): there is no module nowhere_l",
        ),
        ("broken_assets", "1 / 0\n", r"broken_assets .*line 1\): ZeroDivisionError"),
    ],
)
def test_a_module_that_cannot_be_imported_is_told_with_its_line(tmp_path, monkeypatch, name, text, said):
    if text is not None:
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModuleError, match=said):
        find_assets([name])
