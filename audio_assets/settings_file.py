"""The home's file of settings and parameters, ``audio-assets.toml``, which every process reads.

    [settings]
    profile = "learned"
    tags_backend = "published"

    [parameters.crops]
    length_s = 8

Under ``[settings]`` stand settings by their names in `settings.Settings`, under ``[parameters.<asset>]``
the parameters of an asset. The environment stands above it. What is read is checked here, so that an error
names the file and the line.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from audio_assets.errors import UserError
from audio_assets.whole_files import replacing

FILE = "audio-assets.toml"
SETTINGS, PARAMETERS = "settings", "parameters"

BACKEND = "_backend"
"""End of the names of settings that choose who plays a role."""

NOT_IN_FILE = {
    "home": "it is where this file stands: set AUDIO_ASSETS_HOME",
    "parameters": "they stand in sections of their own: [parameters.<asset>]",
    "backends": "write <role>_backend for each role",
}


class SettingsError(UserError, ValueError):
    """A file of settings cannot be used; the message names file and line, and says what to do."""


def read_settings(home: Path, known: Mapping[str, FieldInfo]) -> dict[str, Any]:
    """What the file in `home` sets, by the names of `known` settings; empty where there is none.

    Choices of backends are collected under ``backends``, and relative paths are relative to `home`.

    Raises:
        SettingsError: the file is no TOML, or sets what there is not, or something to a wrong type.
    """
    path = home / FILE
    text = _text_of(path)
    sections = _parsed(path, text)
    for name in sections.keys() - {SETTINGS, PARAMETERS}:
        raise SettingsError(
            f"{_place(path, text, name)}: found {name}, wanted the sections [settings] and "
            f"[parameters.<asset>] alone. Move it under one of them, or remove it."
        )
    for name, section in sections.items():
        if not isinstance(section, dict):
            raise SettingsError(
                f"{_place(path, text, name)}: found {name} = {section!r}, wanted a section [{name}]."
            )
    found: dict[str, Any] = {}
    backends: dict[str, str] = {}
    for name, value in sections.get(SETTINGS, {}).items():
        place = _place(path, text, name, SETTINGS)
        if name.endswith(BACKEND):
            if not isinstance(value, str):
                raise SettingsError(f"{place}: found {name} = {value!r}, wanted the name of a backend.")
            backends[name.removesuffix(BACKEND).lower()] = value
        else:
            found[name] = _checked(place, home, name, value, known)
    parameters = sections.get(PARAMETERS, {})
    for asset, values in parameters.items():
        _check_parameters(path, text, asset, values)
    return (
        found
        | ({"backends": backends} if backends else {})
        | ({PARAMETERS: parameters} if parameters else {})
    )


def check_roles(home: Path, roles: Iterable[str]) -> None:
    """Refuse a backend that the home's file chooses for something that is none of `roles`.

    Raises:
        SettingsError: there is one.
    """
    path = home / FILE
    text = _text_of(path)
    known = [f"{role.lower()}{BACKEND}" for role in roles]
    for name in _parsed(path, text).get(SETTINGS, {}):
        if name.endswith(BACKEND) and name.lower() not in known:
            raise SettingsError(
                f"{_place(path, text, name, SETTINGS)}: found {name}, of which there is no role, wanted one "
                f"of {', '.join(sorted(known))}. Rename or remove it, or name its role's module in `modules`."
            )


def write_parameters(home: Path, asset: str, values: Mapping[str, Any]) -> Path:
    """Set parameters of an asset in the home's file, and leave all else in it as it is, comments too.

    The file is replaced as a whole, so nobody reads half of it, and a kill leaves the old one.

    Returns:
        The file.

    Raises:
        SettingsError: a value is none that the file can hold, or the file there is damaged.
    """
    import tomlkit
    from filelock import FileLock

    path = home / FILE
    for name, value in values.items():
        if not _is_plain(value):
            raise SettingsError(
                f"{asset}.{name}: found {value!r}, wanted a number, a text, true, false, a list or a table, "
                f"which is what {path} can hold."
            )
    home.mkdir(parents=True, exist_ok=True)
    with FileLock(home / f".{FILE}.lock"):
        text = _text_of(path)
        _parsed(path, text)
        document = tomlkit.parse(text)
        sections: Any = document.setdefault(PARAMETERS, tomlkit.table(is_super_table=True))
        section: Any = sections.setdefault(asset, tomlkit.table())
        section.update(values)
        with replacing(path) as file:
            file.write(tomlkit.dumps(document).encode())
    return path


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{path}: found a file that cannot be read ({error}), wanted text in UTF-8. Put it right or move "
            "it away: without it all settings have their defaults."
        ) from error


def _parsed(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(
            f"{path}: found a damaged file, wanted TOML: {error}. Put that place right, or move the file "
            "away: without it all settings have their defaults."
        ) from error


def _checked(place: str, home: Path, name: str, value: Any, known: Mapping[str, FieldInfo]) -> Any:
    """A setting of the type that it is declared with."""
    if name in NOT_IN_FILE:
        raise SettingsError(f"{place}: found {name}, which is not set here: {NOT_IN_FILE[name]}.")
    field = known.get(name)
    if field is None:
        meant = get_close_matches(name, known, n=1, cutoff=0.7)
        raise SettingsError(
            f"{place}: found {name}, which is no setting, wanted "
            + (f"{meant[0]}, perhaps." if meant else "one that docs/operations.md lists.")
            + " Rename or remove it."
        )
    try:
        kind: Any = Annotated[field.annotation, field]
        checked = TypeAdapter[Any](kind).validate_python(value)
    except ValidationError as error:
        wanted = "; ".join(wrong["msg"] for wrong in error.errors(include_url=False))
        shown = "a value" if "secret" in name else repr(value)
        raise SettingsError(f"{place}: found {name} = {shown}. {wanted}.") from error
    if Path in (field.annotation, *get_args(field.annotation)) and checked is not None:
        return home / checked.expanduser()
    return checked


def _check_parameters(path: Path, text: str, asset: str, values: Any) -> None:
    if not isinstance(values, dict):
        raise SettingsError(
            f"{_place(path, text, asset, PARAMETERS)}: found {asset} = {values!r} under [parameters], wanted "
            f"a section [parameters.{asset}] with parameters and their values."
        )
    for name, value in values.items():
        if not _is_plain(value):
            raise SettingsError(
                f"{_place(path, text, name, f'{PARAMETERS}.{asset}')}: found {name} = {value!r}, wanted a "
                "number, a text, true, false, a list or a table."
            )


def _is_plain(value: Any) -> bool:
    """Whether TOML and JSON both have such a value: fingerprints are made of JSON."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return value is not None


def _place(path: Path, text: str, name: str, section: str = "") -> str:
    """The file, and the line where `name` is set or its section begins, if it is written plainly."""
    current = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[+\s*([^\]]+?)\s*\]+", line):
            current = header[1].replace('"', "").replace(" ", "")
            if not section and current.partition(".")[0] == name:
                return f"{path}, line {number}"
        elif current == section and re.match(rf"\s*[\"']?{re.escape(name)}[\"']?\s*[.=]", line):
            return f"{path}, line {number}"
    return str(path)
