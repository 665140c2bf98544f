"""Configurations as JSON and back."""

import json
from dataclasses import dataclass, field

import pytest

from models.training.config import config_from_json, config_to_json


@dataclass(frozen=True)
class Inner:
    rate: float = 0.5


@dataclass(frozen=True)
class Outer:
    width: int
    name: str | None = None
    inner: Inner = field(default_factory=Inner)


def test_a_nested_configuration_survives_json():
    config = Outer(3, "x", Inner(0.25))
    assert config_from_json(Outer, json.loads(json.dumps(config_to_json(config)))) == config


def test_what_has_a_default_may_be_missing():
    assert config_from_json(Outer, {"width": 3}) == Outer(3)


@pytest.mark.parametrize(("values", "named"), [({}, "width"), ({"width": 1, "heigth": 2}, "heigth")])
def test_missing_and_unknown_fields_are_named(values, named):
    with pytest.raises(ValueError, match=named):
        config_from_json(Outer, values)
