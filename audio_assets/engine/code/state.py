"""A hash of the code behind an asset: its function and all it reaches in the project's own packages.

The code is read, never run: modules are parsed, and from the function every global name it loads is
followed into functions, classes, constants and other modules of the project. What is hashed is their
normalised source (see `source`), so only edits that can change a value change the hash. Libraries are
not followed; their versions are recorded and are part of the hash.

Not followed: names made at run time (``getattr`` with a computed name, plug-in registries, star
imports), data files, and the engine itself.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from audio_assets.engine.code.source import Import, definition, parse, source_path

OWN_PACKAGES = ("audio_assets", "models")
DISTRIBUTIONS = {"sklearn": "scikit-learn", "yaml": "PyYAML"}
"""Packages whose distribution has another name; to look through all that is installed takes long."""

NOT_FOLLOWED = ("audio_assets.engine", "audio_assets.resources", "audio_assets.settings")


@dataclass(frozen=True)
class CodeState:
    """`digest` of the reachable code and of `libraries`, name to version."""

    digest: str
    libraries: Mapping[str, str] = field(hash=False)

    @property
    def libraries_json(self) -> str:
        """The libraries as JSON text, sorted."""
        return json.dumps(self.libraries, sort_keys=True)

    def after(self, upstream: Iterable[CodeState]) -> CodeState:
        """This code with that of its upstream: a value made from drifted values has drifted with them."""
        text = "".join([self.digest, *(state.digest for state in upstream)])
        return CodeState(hashlib.blake2b(text.encode(), digest_size=8).hexdigest(), self.libraries)


def code_state(roots: Iterable[Callable[..., Any]]) -> CodeState:
    """The state of the code reachable from `roots`, functions or classes at module level.

    Raises:
        ValueError: a root is a lambda, a method or a function within another.
    """
    waiting = [_root(function) for function in roots]
    own = {module.partition(".")[0] for module, _ in waiting} | set(OWN_PACKAGES)
    sources: dict[str, str] = {}
    libraries: set[str] = set()
    while waiting:
        module_name, symbol = waiting.pop()
        label = f"{module_name}:{symbol}"
        module = parse(module_name)
        if label in sources or module is None:
            continue
        sources[label] = ""
        if symbol in module.imports:
            waiting.extend(_follow(module.imports[symbol], (), own, libraries))
        if symbol in module.statements:
            found = definition(module_name, symbol)
            sources[label] = found.text
            for name, *attributes in found.names:
                if name in module.statements:
                    waiting.append((module_name, name))
                target = found.imports.get(name) or module.imports.get(name)
                if target is not None:
                    waiting.extend(_follow(target, attributes, own, libraries))
    versions = {name: _version(name) for name in sorted(libraries)}
    text = json.dumps([sorted(sources.items()), versions])
    return CodeState(hashlib.blake2b(text.encode(), digest_size=8).hexdigest(), versions)


def _root(function: Callable[..., Any]) -> tuple[str, str]:
    module = parse(function.__module__)
    if module is not None and function.__qualname__ not in module.statements:
        raise ValueError(
            f"The code of {function.__module__}.{function.__qualname__} cannot be followed; make it a "
            "function or class at module level."
        )
    return function.__module__, function.__qualname__


def _follow(
    target: Import, attributes: Sequence[str], own: set[str], libraries: set[str]
) -> Iterator[tuple[str, str]]:
    root = target.module.partition(".")[0]
    if _is_library(root, own):
        if root not in sys.stdlib_module_names:
            libraries.add(root)
        return
    module = target.module
    for part in [*filter(None, [target.attribute]), *attributes]:
        parsed = None if _is_skipped(module) else parse(module)
        if parsed is None:
            return
        if part in parsed.statements or part in parsed.imports:
            yield (module, part)
            return
        module = f"{module}.{part}"


def _is_skipped(module: str) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in NOT_FOLLOWED)


def _is_library(root: str, own: set[str]) -> bool:
    """Whether a package is installed rather than part of the project that is being worked on."""
    return root not in own and _is_installed(root)


def own_sources(roots: Iterable[str]) -> dict[str, int]:
    """All source files of the project's packages and of `roots`, and when each was changed, nanoseconds."""
    found: dict[str, int] = {}
    for root in {*OWN_PACKAGES, *roots}:
        if root not in OWN_PACKAGES and _is_installed(root):
            continue
        spec = importlib.util.find_spec(root)
        folders = (spec.submodule_search_locations if spec else None) or []
        paths = [path for folder in folders for path in Path(folder).rglob("*.py")]
        if not folders and (path := source_path(root)) is not None:
            paths.append(path)
        for path in paths:
            with suppress(OSError):  # removed meanwhile
                found[str(path)] = path.stat().st_mtime_ns
    return found


@cache
def _is_installed(root: str) -> bool:
    if root in sys.stdlib_module_names:
        return True
    path = source_path(root)
    paths = sysconfig.get_paths()
    folders = [Path(paths[key]).resolve() for key in ("purelib", "platlib", "stdlib")]
    return path is None or any(folder in path.resolve().parents for folder in folders)


@cache
def _version(root: str) -> str:
    try:
        return importlib.metadata.version(DISTRIBUTIONS.get(root, root))
    except importlib.metadata.PackageNotFoundError:
        names = _distributions().get(root, [])
        return importlib.metadata.version(names[0]) if names else "unknown"


@cache
def _distributions() -> Mapping[str, Sequence[str]]:
    return importlib.metadata.packages_distributions()
