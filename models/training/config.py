"""Typed configurations to JSON values and back.

A configuration is a frozen dataclass of JSON scalars and other configurations. It is written beside
every checkpoint, so reading one back checks that nothing is missing or unknown.
"""

from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields, is_dataclass
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Config = TypeVar("Config", bound=DataclassInstance)
else:
    Config = TypeVar("Config")


def config_to_json(config: "DataclassInstance") -> dict[str, Any]:
    """The configuration as a dict that `json.dumps` takes."""
    return asdict(config)


def config_from_json(kind: type[Config], values: Mapping[str, Any]) -> Config:
    """The inverse of `config_to_json`.

    Raises:
        ValueError: a field of `kind` that has no default is missing, or one is unknown.
    """
    known = {field.name: field for field in fields(kind)}
    unknown = sorted(values.keys() - known.keys())
    missing = sorted(
        name
        for name, field in known.items()
        if name not in values and field.default is MISSING and field.default_factory is MISSING
    )
    if unknown or missing:
        raise ValueError(
            f"{kind.__name__} has fields {sorted(known)}; unknown: {unknown}, missing: {missing}; "
            "the configuration was written by another version, or by hand"
        )
    types = get_type_hints(kind)
    return kind(
        **{
            name: config_from_json(types[name], value)
            if is_dataclass(types[name]) and isinstance(types[name], type)
            else value
            for name, value in values.items()
        }
    )
