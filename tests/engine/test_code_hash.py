"""The code hash changes with every edit that can change a value, and with no other."""

from __future__ import annotations

import importlib
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from audio_assets.engine.code import source
from audio_assets.engine.code import state as code_hash
from audio_assets.engine.code.state import CodeState, code_state

PACKAGE = {
    "shop/__init__.py": "from shop.prices import price as price\n",
    "shop/prices.py": """
        import shop.tax as tax
        from . import rounding
        from .units import grams as weigh

        BASE = 10.0
        RATES: dict[str, float] = {"a": 1.0}
        RATES["b"] = 2.0
        RATES.update(c=3.0)
        UNUSED = 1

        def price(item: str) -> float:
            '''The price of an item.'''
            if item == "":
                from shop.late import fallback
                return fallback()
            return rounding.half(tax.Tax(BASE).added() * RATES["a"] * weigh(item))

        def unused():
            return 1
    """,
    "shop/tax.py": """
        import numpy as np

        class Base:
            share = 0.19

        class Tax(Base):
            def __init__(self, amount: float) -> None:
                self.amount = amount

            def added(self) -> float:
                return float(np.float64(self.amount) * (1 + self.share))
    """,
    "shop/rounding.py": "def half(value):\n    return round(2 * value) / 2\n",
    "shop/units.py": """
        def grams(item):
            return 1000 if item else count(item)

        def count(item):
            return 3
    """,
    "shop/late.py": "def fallback():\n    return 0.0\n",
}


class Project:
    """A small package on disk, and the state of the code that a function of it reaches."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name, text in PACKAGE.items():
            self.write(name, text)

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.folder / name).read_text()
        assert old in text
        (self.folder / name).write_text(text.replace(old, new))

    def state(self, module: str = "shop.prices", function: str = "price") -> CodeState:
        for name in [name for name in sys.modules if name.partition(".")[0] == "shop"]:
            del sys.modules[name]
        importlib.invalidate_caches()
        source.parse.cache_clear()
        source.definition.cache_clear()
        return code_state([getattr(importlib.import_module(module), function)])


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield Project(tmp_path)
    source.parse.cache_clear()
    source.definition.cache_clear()


EDITS = {
    "the function itself": ("shop/prices.py", "* weigh(item)", "+ weigh(item)"),
    "a constant": ("shop/prices.py", "BASE = 10.0", "BASE = 11.0"),
    "an annotated constant": ("shop/prices.py", '{"a": 1.0}', '{"a": 1.5}'),
    "a statement that changes a constant": ("shop/prices.py", "= 2.0", "= 3.0"),
    "a call that changes a constant": ("shop/prices.py", "c=3.0", "c=4.0"),
    "a method of a class in an imported module": ("shop/tax.py", "(1 + self.share)", "(2 + self.share)"),
    "a base class": ("shop/tax.py", "share = 0.19", "share = 0.07"),
    "a function of a module imported relatively": ("shop/rounding.py", "2 * value", "4 * value"),
    "a function imported under another name": ("shop/units.py", "1000 if", "100 if"),
    "a function that an imported function calls": ("shop/units.py", "return 3", "return 4"),
    "a function imported within the function": ("shop/late.py", "0.0", "1.0"),
    "which function an import names": ("shop/prices.py", "import grams as weigh", "import count as weigh"),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
def test_an_edit_changes_the_hash_of(project, edit):
    before = project.state()
    project.edit(*edit)
    assert project.state().digest != before.digest


HARMLESS = {
    "a comment": ("shop/tax.py", "class Base:", "class Base:  # what all share"),
    "a docstring": ("shop/prices.py", "The price of an item.", "What an item costs."),
    "the docstring of a class": ("shop/tax.py", "class Base:", "class Base:\n    '''All share it.'''"),
    "blank lines and quotes": ("shop/prices.py", 'if item == "":', "\n    if (item\n        == ''):"),
    "annotations of a function": ("shop/prices.py", "(item: str) -> float:", "(item: bytes):"),
    "the annotation of a constant": ("shop/prices.py", "RATES: dict[str, float]", "RATES: dict"),
    "a function that is not reached": ("shop/prices.py", "return 1\n", "return 2\n"),
    "a constant that is not reached": ("shop/prices.py", "UNUSED = 1", "UNUSED = 2"),
    "an import that is not used": (
        "shop/prices.py",
        "from . import rounding",
        "import json\nfrom . import rounding",
    ),
}


@pytest.mark.parametrize("edit", HARMLESS.values(), ids=HARMLESS.keys())
def test_the_hash_stays_after_an_edit_of(project, edit):
    before = project.state()
    project.edit(*edit)
    assert project.state().digest == before.digest


def test_code_is_followed_through_a_package_that_exports_it_again(project):
    project.write("shop/caller.py", "import shop\ndef total(item):\n    return shop.price(item)\n")
    before = project.state("shop.caller", "total")
    project.edit("shop/rounding.py", "2 * value", "4 * value")
    assert project.state("shop.caller", "total").digest != before.digest


def test_both_ways_of_an_import_that_may_fail_are_followed(project):
    project.write(
        "shop/caller.py",
        """
        try:
            from shop.fast import half
        except ImportError:
            from shop.rounding import half

        def total(value):
            return half(value)
        """,
    )
    before = project.state("shop.caller", "total")
    project.edit("shop/rounding.py", "2 * value", "4 * value")
    assert project.state("shop.caller", "total").digest != before.digest


def test_functions_that_call_each_other_are_followed_once(project):
    even, odd = "def even(n):\n    return n == 0 or odd(n - 1)\n", "def odd(n):\n    return even(n - 1)\n"
    project.write("shop/caller.py", even + odd)
    before = project.state("shop.caller", "even")
    project.edit("shop/caller.py", "return even(n - 1)", "return not even(n)")
    assert project.state("shop.caller", "even").digest != before.digest


def test_the_annotations_of_a_class_count_since_dataclasses_give_them_a_meaning(project):
    project.edit("shop/tax.py", "share = 0.19", "share: float = 0.19")
    before = project.state()
    project.edit("shop/tax.py", "share: float", "share: int")
    assert project.state().digest != before.digest


def test_the_versions_of_used_libraries_count_and_those_of_others_do_not(project, monkeypatch):
    before = project.state()
    assert set(before.libraries) == {"numpy"}

    def with_version(library: str) -> Callable[[str], str]:
        real = code_hash.importlib.metadata.version
        return lambda name: "999" if name == library else real(name)

    for library, differs in (("numpy", True), ("duckdb", False)):
        with monkeypatch.context() as patch:
            patch.setattr(code_hash.importlib.metadata, "version", with_version(library))
            code_hash._version.cache_clear()
            assert (project.state().digest != before.digest) is differs
    code_hash._version.cache_clear()


def test_a_library_is_recorded_under_the_version_of_its_distribution(project):
    project.edit(
        "shop/rounding.py", "return round", "import sklearn\n    sklearn.show_versions\n    return round"
    )
    assert project.state().libraries["sklearn"] == importlib.metadata.version("scikit-learn")


def test_upstream_code_is_part_of_the_code_of_what_is_made_from_it(project):
    downstream, upstream = project.state("shop.late", "fallback"), project.state()
    project.edit("shop/tax.py", "share = 0.19", "share = 0.07")
    edited = project.state()
    assert downstream.after([upstream]).digest != downstream.after([edited]).digest
    assert downstream.after([upstream]).libraries == downstream.libraries


def test_code_that_cannot_be_followed_is_refused(project):
    project.write("shop/caller.py", "class Caller:\n    def call(self): pass\npick = lambda item: item\n")
    with pytest.raises(
        ValueError, match=r"shop.caller.<lambda> cannot be followed; make it a function or class"
    ):
        project.state("shop.caller", "pick")
    module = importlib.import_module("shop.caller")
    with pytest.raises(ValueError, match=r"Caller\.call"):
        code_state([module.Caller.call])


def test_the_same_code_has_the_same_hash_in_another_process(project):
    import subprocess

    script = "import shop.prices; from audio_assets.engine.code.state import code_state; "
    script += "print(code_state([shop.prices.price]).digest)"
    path = ":".join([str(project.folder), *filter(None, sys.path)])
    command = [sys.executable, "-c", script]
    other = subprocess.run(command, env={"PYTHONPATH": path}, capture_output=True, text=True, check=True)
    assert other.stdout.strip() == project.state().digest
