"""Finds, adds and removes imports at the top level of a module."""

from collections.abc import Iterable, Iterator

import libcst as cst
from libcst import matchers as m
from libcst.helpers import get_full_name_for_node


def find_name(module: cst.Module, source: str, name: str) -> str | None:
    """Return how the module calls `name` of the module `source`, or None if it does not import it."""
    for imported, called in _imported_names(module):
        if imported == f"{source}.{name}":
            return called
        if imported == source:
            return f"{called}.{name}"
    return None


def _imported_names(module: cst.Module) -> Iterator[tuple[str, str]]:
    """Yield the full name of everything that is imported, and what the module calls it."""
    for statement in _statements(module):
        match statement:
            case cst.ImportFrom(names=[*aliases]):
                for alias in aliases:
                    yield (
                        f"{source_of(statement)}.{alias.evaluated_name}",
                        alias.evaluated_alias or alias.evaluated_name,
                    )
            case cst.Import(names=aliases):
                for alias in aliases:
                    yield alias.evaluated_name, alias.evaluated_alias or alias.evaluated_name


def bound_names(module: cst.Module) -> set[str]:
    """Return the names that imports, classes, functions and assignments at the top level bind."""
    names = {node.name.value for node in module.body if isinstance(node, cst.ClassDef | cst.FunctionDef)}
    for statement in _statements(module):
        match statement:
            case cst.ImportFrom(names=[*aliases]) | cst.Import(names=[*aliases]):
                names |= {_bound_by(alias) for alias in aliases}
            case cst.Assign(targets=targets):
                names |= {str(get_full_name_for_node(target.target)) for target in targets}
            case cst.AnnAssign(target=target):
                names.add(str(get_full_name_for_node(target)))
    return names


def add_import(module: cst.Module, source: str, name: str) -> cst.Module:
    """Add `from source import name` at the place that sorted imports have for it."""
    line: cst.BaseStatement = cst.ensure_type(
        cst.parse_statement(f"from {source} import {name}"), cst.SimpleStatementLine
    )
    body: list[cst.BaseStatement] = list(module.body)
    position, same_group = _position(body, source)
    below = body[position] if position < len(body) else None
    if not same_group and below is not None and _belongs_to_group(below, _group(source)):
        line, body[position] = _with_lines(line, _lines_of(below)), _with_lines(below, [])
    elif not same_group:
        line = _with_lines(line, [cst.EmptyLine(indent=False)])
    return module.with_changes(body=[*body[:position], line, *body[position:]])


def remove_unused_imports(module: cst.Module, candidates: Iterable[str]) -> cst.Module:
    """Remove imports of these names that nothing uses any more."""
    unused = set(candidates) - used_names(module)
    kept: list[cst.BaseStatement] = []
    lines: list[cst.EmptyLine] = []
    for statement in module.body:
        shorter = _without(statement, unused) if _is_import(statement) else statement
        if shorter is None:
            lines = lines or _lines_of(statement)
        else:
            has_lost_lines = lines and _is_import(shorter) and not _lines_of(shorter)
            kept.append(_with_lines(shorter, lines) if has_lost_lines else shorter)
            lines = []
    return module.with_changes(body=kept)


def used_names(module: cst.Module) -> set[str]:
    """Return all names below the imports."""
    statements = [statement for statement in module.body if not _is_import(statement)]
    return {cst.ensure_type(node, cst.Name).value for each in statements for node in m.findall(each, m.Name())}


def source_of(statement: cst.ImportFrom) -> str:
    """Return the module of an absolute import; that of a relative one begins with a dot."""
    dots = "." * len(statement.relative)
    return dots + (str(get_full_name_for_node(statement.module)) if statement.module else "")


def is_docstring(statement: cst.BaseStatement) -> bool:
    text = m.Expr(m.SimpleString() | m.ConcatenatedString())
    return m.matches(statement, m.SimpleStatementLine(body=[text]))


def _statements(module: cst.Module) -> Iterator[cst.BaseSmallStatement]:
    for line in module.body:
        if isinstance(line, cst.SimpleStatementLine):
            yield from line.body


def _is_import(statement: cst.BaseStatement) -> bool:
    return isinstance(statement, cst.SimpleStatementLine) and isinstance(statement.body[0], cst.Import | cst.ImportFrom)


def _bound_by(alias: cst.ImportAlias) -> str:
    return alias.evaluated_alias or alias.evaluated_name.partition(".")[0]


def _without(statement: cst.BaseStatement, names: set[str]) -> cst.BaseStatement | None:
    """Return the import without these names, or None if it has no others."""
    line = cst.ensure_type(statement, cst.SimpleStatementLine)
    match line.body:
        case [cst.Import(names=[*aliases]) | cst.ImportFrom(names=[*aliases]) as first, *others]:
            kept = [alias for alias in aliases if _bound_by(alias) not in names]
            if len(kept) == len(aliases):
                return line
            if not kept:
                return None
            kept[-1] = kept[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
            return line.with_changes(body=[first.with_changes(names=kept), *others])
    return line


def _position(body: list[cst.BaseStatement], source: str) -> tuple[int, bool]:
    """Return the index for a new import, and whether an import of the same package is above it."""
    position, same_group = int(bool(body) and is_docstring(body[0])), False
    for index, statement in enumerate(body):
        if not _is_import(statement):
            continue
        (first, *_) = cst.ensure_type(statement, cst.SimpleStatementLine).body
        above = source_of(first) if isinstance(first, cst.ImportFrom) else ""
        if _rank(above) < _rank(source) or (not above and not same_group):
            position, same_group = index + 1, _group(above) == _group(source)
    return position, same_group


def _group(source: str) -> int:
    """Return 0 for the standard library and packages, 1 for the project."""
    return int(source.partition(".")[0] in ("chassis", "src", "tests"))


def _rank(source: str) -> tuple[int, str]:
    return _group(source), source


def _belongs_to_group(statement: cst.BaseStatement, group: int) -> bool:
    match statement:
        case cst.SimpleStatementLine(body=[cst.ImportFrom() as first, *_]):
            return _group(source_of(first)) == group
    return False


def _lines_of(statement: cst.BaseStatement) -> list[cst.EmptyLine]:
    return list(getattr(statement, "leading_lines", []))


def _with_lines(statement: cst.BaseStatement, lines: list[cst.EmptyLine]) -> cst.BaseStatement:
    return statement.with_changes(leading_lines=lines)
