"""A hash of the code behind an asset: its function and all it reaches in the project's own packages.

The code is read, never run: modules are parsed, and from the function every global name it loads is
followed into functions, classes, constants and other modules of the project. What is hashed is the
syntax tree written back as source, without comments, docstrings, annotations of arguments, or
formatting, so only edits that can change a value change the hash. Libraries are not followed; their
versions are recorded and are part of the hash.

Not followed: names made at run time (``getattr`` with a computed name, plug-in registries) and the
engine itself.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import importlib.util
import json
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

OWN_PACKAGES = ("audio_assets", "models")
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


def code_state(roots: Iterable[Callable[..., Any]]) -> CodeState:
    """The state of the code reachable from `roots`, functions or classes at module level."""
    sources: dict[str, str] = {}
    libraries: set[str] = set()
    waiting = [(root.__module__, root.__qualname__.split(".")[0]) for root in roots]
    own = {module.partition(".")[0] for module, _ in waiting} | set(OWN_PACKAGES)
    while waiting:
        module_name, symbol = waiting.pop()
        label = f"{module_name}:{symbol}"
        if label in sources:
            continue
        module = _parse(module_name)
        node = module.definitions.get(symbol) if module else None
        if module is None or node is None:
            if module is not None and symbol in module.imports:
                waiting.extend(_follow(module.imports[symbol], (), own, libraries))
            continue
        sources[label] = ast.unparse(_Normalise().visit(_copy(node)))
        scope = {**module.imports, **_imports(ast.walk(node), module)}
        for name, attributes in _names(node):
            if name in module.definitions and name != symbol:
                waiting.append((module_name, name))
            elif name in scope:
                waiting.extend(_follow(scope[name], attributes, own, libraries))
    versions = {name: _version(name) for name in sorted(libraries)}
    text = json.dumps([sorted(sources.items()), versions])
    return CodeState(hashlib.blake2b(text.encode(), digest_size=8).hexdigest(), versions)


@dataclass(frozen=True)
class _Import:
    """What a name stands for: a module, or an attribute of one."""

    module: str
    attribute: str | None


@dataclass(frozen=True)
class _Module:
    name: str
    is_package: bool
    definitions: Mapping[str, ast.AST]
    imports: Mapping[str, _Import]


@lru_cache(maxsize=None)
def _parse(name: str) -> _Module | None:
    path = _source_path(name)
    if path is None:
        return None
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    module = _Module(name, path.name == "__init__.py", {}, {})
    definitions: dict[str, ast.AST] = {}
    for node in _top_level(tree.body):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            definitions[node.name] = node
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                for part in ast.walk(target):
                    if isinstance(part, ast.Name):
                        definitions[part.id] = node
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            definitions[node.target.id] = node
    imports = _imports(_top_level(tree.body), module)
    return _Module(name, module.is_package, definitions, imports)


def _top_level(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        yield node
        if isinstance(node, ast.If | ast.Try):
            yield from _top_level([*node.body, *node.orelse])


def _source_path(name: str) -> Path | None:
    if name == "__main__":
        main = getattr(sys.modules["__main__"], "__file__", None)
        return Path(main) if main else None
    loaded = sys.modules.get(name)
    origin = getattr(loaded, "__file__", None)
    if origin is None:
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError):
            return None
        origin = spec.origin if spec else None
    if origin is None or not origin.endswith(".py"):
        return None
    return Path(origin)


def _imports(nodes: Iterable[ast.AST], module: _Module) -> dict[str, _Import]:
    found: dict[str, _Import] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                target = alias.name if alias.asname else alias.name.partition(".")[0]
                found[alias.asname or target] = _Import(target, None)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, module)
            for alias in node.names:
                found[alias.asname or alias.name] = _Import(base, alias.name)
    return found


def _absolute(node: ast.ImportFrom, module: _Module) -> str:
    if not node.level:
        return node.module or ""
    parts = module.name.split(".")
    drop = node.level - 1 if module.is_package else node.level
    base = parts[: len(parts) - drop]
    return ".".join([*base, node.module] if node.module else base)


def _follow(
    target: _Import, attributes: tuple[str, ...], own: set[str], libraries: set[str]
) -> Iterator[tuple[str, str]]:
    root = target.module.partition(".")[0]
    if _is_library(target.module, own):
        if root not in sys.stdlib_module_names and root != "__future__":
            libraries.add(root)
        return
    path = [target.module, *([target.attribute] if target.attribute else []), *attributes]
    module = path[0]
    for position, part in enumerate(path[1:], start=1):
        if _is_skipped(module):
            return
        parsed = _parse(module)
        if parsed is None:
            return
        if part in parsed.definitions or part in parsed.imports:
            yield (module, part)
            return
        module = ".".join(path[: position + 1])


def _is_skipped(module: str) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in NOT_FOLLOWED)


@lru_cache(maxsize=None)
def _site_folders() -> tuple[Path, ...]:
    paths = sysconfig.get_paths()
    return tuple(Path(paths[key]).resolve() for key in ("purelib", "platlib", "stdlib"))


def _is_library(module: str, own: set[str]) -> bool:
    """Whether `module` is installed rather than part of the project that is being worked on."""
    root = module.partition(".")[0]
    if root in own:
        return False
    if root in sys.stdlib_module_names:
        return True
    path = _source_path(root)
    return path is None or any(folder in path.resolve().parents for folder in _site_folders())


def _names(node: ast.AST) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each global name loaded in `node`, with the attributes looked up on it: ``a.b.c``."""
    for part in ast.walk(_Normalise().visit(_copy(node))):
        if isinstance(part, ast.Attribute):
            chain: list[str] = []
            value: ast.AST = part
            while isinstance(value, ast.Attribute):
                chain.append(value.attr)
                value = value.value
            if isinstance(value, ast.Name):
                yield value.id, tuple(reversed(chain))
        elif isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load):
            yield part.id, ()


def _copy(node: ast.AST) -> ast.AST:
    return ast.parse(ast.unparse(node)).body[0]


class _Normalise(ast.NodeTransformer):
    """Drops docstrings, annotations of arguments and results, and the `item_asset` decorator."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        node.decorator_list = [d for d in node.decorator_list if not _is_declaration(d)]
        return self._without_docstring(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._without_docstring(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def _without_docstring(self, node: ast.FunctionDef | ast.ClassDef) -> ast.AST:
        first = node.body[0]
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
            node.body = node.body[1:] or [ast.Pass()]
        return self.generic_visit(node)


def _is_declaration(decorator: ast.expr) -> bool:
    call = decorator.func if isinstance(decorator, ast.Call) else decorator
    name = call.attr if isinstance(call, ast.Attribute) else getattr(call, "id", "")
    return name in {"item_asset", "training_asset"}


@lru_cache(maxsize=None)
def _version(root: str) -> str:
    try:
        return importlib.metadata.version(root)
    except importlib.metadata.PackageNotFoundError:
        names = importlib.metadata.packages_distributions().get(root, [])
        return importlib.metadata.version(names[0]) if names else "unknown"
