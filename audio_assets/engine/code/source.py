"""The project's Python modules as parsed text: what each global name is made of, and what it uses.

Modules are read, never run, and once per process. Sources are normalised, so that only edits that can
change a value change them: no comments, docstrings, formatting, or annotations of arguments and
variables.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Import:
    """What a name stands for: a module, or an attribute of one."""

    module: str
    attribute: str | None


@dataclass(frozen=True)
class Module:
    """A parsed module: the normalised statements that bind or change each of its global names."""

    statements: Mapping[str, Sequence[ast.stmt]]
    imports: Mapping[str, Import]
    package: tuple[str, ...]


@dataclass(frozen=True)
class Definition:
    """A global name: its source, the names it loads with the attributes looked up, its own imports."""

    text: str
    names: frozenset[tuple[str, ...]]
    imports: Mapping[str, Import]


@cache
def parse(name: str) -> Module | None:
    """The module `name`, or None if it has no Python source."""
    path = source_path(name)
    if path is None:
        return None
    tree = _Normalise().visit(ast.parse(path.read_text(encoding="utf-8"), filename=str(path)))
    parts = tuple(name.split("."))
    package = parts if path.name == "__init__.py" else parts[:-1]
    statements: dict[str, list[ast.stmt]] = {}
    top_level = list(_top_level(tree.body))
    for statement in top_level:
        for bound in _bound(statement):
            statements.setdefault(bound, []).append(statement)
    return Module(statements, _imports(top_level, package), package)


@cache
def definition(module_name: str, symbol: str) -> Definition:
    """What the global name `symbol` of a module is made of."""
    module = parse(module_name)
    if module is None or symbol not in module.statements:
        raise KeyError(f"{module_name} has no definition of {symbol}")
    statements = module.statements[symbol]
    nodes = [node for statement in statements for node in ast.walk(statement)]
    return Definition(
        "\n".join(ast.unparse(statement) for statement in statements),
        frozenset(_names(nodes)),
        _imports(nodes, module.package),
    )


def source_path(name: str) -> Path | None:
    """The source file of a module that is imported or could be."""
    origin = getattr(sys.modules.get(name), "__file__", None)
    if origin is None and name != "__main__":
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError):
            return None
        origin = spec.origin if spec else None
    return Path(origin) if origin is not None and origin.endswith(".py") else None


def _top_level(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        if isinstance(node, ast.If | ast.Try):
            yield from _top_level([*node.body, *node.orelse])
        else:
            yield node
        if isinstance(node, ast.Try):
            handled = (statement for handler in node.handlers for statement in handler.body)
            yield from _top_level([*handled, *node.finalbody])


def _bound(statement: ast.stmt) -> set[str]:
    """The global names that a statement at module level binds or changes."""
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case ast.Import() | ast.ImportFrom():
            return set()
        case ast.Expr(value=ast.Call(func=function)):  # TABLE.update(...)
            return {_chain(function)[0]}
    targets = (node for node in ast.walk(statement) if isinstance(getattr(node, "ctx", None), ast.Store))
    return {_chain(target)[0] for target in targets}


def _chain(node: ast.AST) -> tuple[str, ...]:
    """``a.b[0].c`` as its names: a, b, c; the first is empty if it is no name."""
    attributes: list[str] = []
    while isinstance(node, ast.Attribute | ast.Subscript):
        if isinstance(node, ast.Attribute):
            attributes.append(node.attr)
        node = node.value
    return (node.id if isinstance(node, ast.Name) else "", *reversed(attributes))


def _names(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, ...]]:
    for node in nodes:
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
            yield _chain(node)


def _imports(nodes: Iterable[ast.AST], package: tuple[str, ...]) -> dict[str, Import]:
    found: dict[str, Import] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                target = alias.name if alias.asname else alias.name.partition(".")[0]
                found[alias.asname or target] = Import(target, None)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *filter(None, [node.module])])
            for alias in node.names:
                found[alias.asname or alias.name] = Import(module, alias.name)
    return found


class _Normalise(ast.NodeTransformer):
    """Drops docstrings, the `item_asset` decorator, and annotations except those of class attributes.

    Those stay, since dataclasses and pydantic models give them a meaning.
    """

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        attributes = {id(part): part for part in node.body if isinstance(part, ast.AnnAssign)}
        node.body = [part for part in _without_docstring(node.body) if id(part) not in attributes]
        self.generic_visit(node)
        node.body = [*attributes.values(), *node.body] or [ast.Pass()]
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        self.generic_visit(node)
        if node.value is None:
            return None
        return ast.copy_location(ast.Assign(targets=[node.target], value=node.value), node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        node.decorator_list = [d for d in node.decorator_list if not _is_declaration(d)]
        node.body = _without_docstring(node.body)
        self.generic_visit(node)
        node.body = node.body or [ast.Pass()]
        return node


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    match body[0]:
        case ast.Expr(value=ast.Constant(value=str())):
            return body[1:]
    return body


def _is_declaration(decorator: ast.expr) -> bool:
    call = decorator.func if isinstance(decorator, ast.Call) else decorator
    return _chain(call)[-1] in {"item_asset", "training_asset"}
