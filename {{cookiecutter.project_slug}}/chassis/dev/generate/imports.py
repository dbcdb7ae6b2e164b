"""Finds, adds and removes imports at the top level of a module."""

from collections.abc import Iterable, Iterator

import libcst as cst
from libcst import matchers as m
from libcst.helpers import get_full_name_for_node


def find_name(module: cst.Module, source: str, name: str) -> str | None:
    """Return how the module calls `name` of the module `source`, or None if it does not import it."""
    for statement in _statements(module):
        match statement:
            case cst.ImportFrom(names=[*aliases]) if source_of(statement) == source:
                for alias in aliases:
                    if alias.evaluated_name == name:
                        return alias.evaluated_alias or name
            case cst.ImportFrom(names=[*aliases]):
                parent, _, last = source.rpartition(".")
                for alias in aliases:
                    if source_of(statement) == parent and alias.evaluated_name == last:
                        return f"{alias.evaluated_alias or last}.{name}"
            case cst.Import(names=aliases):
                for alias in aliases:
                    if alias.evaluated_name == source:
                        return f"{alias.evaluated_alias or source}.{name}"
                    if alias.evaluated_name == f"{source}.{name}":
                        return alias.evaluated_alias or f"{source}.{name}"
    return None


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
    line = cst.ensure_type(cst.parse_statement(f"from {source} import {name}"), cst.SimpleStatementLine)
    body = list(module.body)
    position, same_group = _position(body, source)
    if position == 0 and body:
        line, body[0] = line.with_changes(leading_lines=_lines_of(body[0])), body[0].with_changes(leading_lines=[])  # type: ignore[call-arg]
    elif not same_group:
        line = line.with_changes(leading_lines=[cst.EmptyLine(indent=False)])
    return module.with_changes(body=[*body[:position], line, *body[position:]])


def remove_unused_imports(module: cst.Module, candidates: Iterable[str]) -> cst.Module:
    """Remove imports of these names that nothing uses any more."""
    imports = [statement for statement in module.body if _is_import(statement)]
    rest = [statement for statement in module.body if statement not in imports]
    used = {node.value for statement in rest for node in m.findall(statement, m.Name())}  # type: ignore[attr-defined]
    unused = set(candidates) - used
    kept = []
    for statement in module.body:
        if not _is_import(statement) or not _imported(statement) & unused:
            kept.append(statement)
        elif shorter := _without(statement, unused):
            kept.append(shorter)
    return module.with_changes(body=kept)


def source_of(statement: cst.ImportFrom) -> str:
    """Return the module of an absolute import; that of a relative one begins with a dot."""
    dots = "." * len(statement.relative)
    return dots + (str(get_full_name_for_node(statement.module)) if statement.module else "")


def _statements(module: cst.Module) -> Iterator[cst.BaseSmallStatement]:
    for line in module.body:
        if isinstance(line, cst.SimpleStatementLine):
            yield from line.body


def _is_import(statement: cst.BaseStatement) -> bool:
    return isinstance(statement, cst.SimpleStatementLine) and isinstance(
        statement.body[0], cst.Import | cst.ImportFrom
    )


def _imported(statement: cst.BaseStatement) -> set[str]:
    (first, *_) = cst.ensure_type(statement, cst.SimpleStatementLine).body
    names = getattr(first, "names", ())
    return {_bound_by(alias) for alias in names} if not isinstance(names, cst.ImportStar) else set()


def _bound_by(alias: cst.ImportAlias) -> str:
    return alias.evaluated_alias or alias.evaluated_name.partition(".")[0]


def _without(statement: cst.BaseStatement, names: set[str]) -> cst.BaseStatement | None:
    line = cst.ensure_type(statement, cst.SimpleStatementLine)
    kept = [alias for alias in line.body[0].names if _bound_by(alias) not in names]  # type: ignore[attr-defined]
    if not kept:
        return None
    kept[-1] = kept[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
    return line.with_changes(body=[line.body[0].with_changes(names=kept), *line.body[1:]])  # type: ignore[call-arg]


def _position(body: list[cst.BaseStatement], source: str) -> tuple[int, bool]:
    """Return the index for a new import, and whether an import of the same package is above it."""
    position, same_group = _after_docstring(body), False
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


def _after_docstring(body: list[cst.BaseStatement]) -> int:
    first = body[0] if body else None
    return int(m.matches(first, m.SimpleStatementLine(body=[m.Expr(m.SimpleString() | m.ConcatenatedString())]))) if first else 0


def _lines_of(statement: cst.BaseStatement) -> list[cst.EmptyLine]:
    return list(getattr(statement, "leading_lines", []))
