"""Applies to a file that was changed by hand what differs between two generated versions of it.

Classes, functions, assignments and fields are found by their names; everything else in the file stays as it is.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import libcst as cst
from libcst import matchers as m

from chassis.dev.generate.imports import add_import, find_name, source_of
from chassis.dev.generate.refusal import GeneratorError

Statement = cst.BaseStatement
Item = tuple[str, Statement]


def merge(path: Path, current: str, before: str, after: str) -> str:
    """Return `current` with the changes that lead from `before` to `after`.

    Raises:
        GeneratorError: something that has to change was changed by hand.
    """
    module, old, new = (cst.parse_module(text) for text in (current, before, after))
    merger = _Merger(path)
    body = merger.merge(list(module.body), list(old.body), list(new.body))
    merged = module.with_changes(body=body)
    for source, name in _imports(new):
        if (source, name) not in _imports(old) and not find_name(merged, source, name):
            merged = add_import(merged, source, name)
    return merged.code


class _Merger:
    def __init__(self, path: Path) -> None:
        self.path = path

    def merge(self, current: list[Statement], old: Sequence[Statement], new: Sequence[Statement]) -> list[Statement]:
        """Return the statements with those that are new, and those that differ between old and new."""
        known = dict(_items(old))
        previous = None
        for name, statement in _items(new):
            if name not in known:
                self._insert(current, name, statement, previous)
            elif _code(statement) != _code(known[name]):
                self._change(current, name, known[name], statement)
            previous = name
        return current

    def _insert(self, current: list[Statement], name: str, statement: Statement, previous: str | None) -> None:
        names = [dict(_items([each])) for each in current]
        if any(name in each for each in names):
            raise GeneratorError(f"{self.path} has `{name}` already: choose another name, or remove that.")
        places = [index for index, each in enumerate(names) if previous in each] if previous else []
        last = max((index for index, each in enumerate(names) if each), default=-1)
        current.insert((places[-1] if places else last) + 1, statement)

    def _change(self, current: list[Statement], name: str, old: Statement, new: Statement) -> None:
        places = [index for index, each in enumerate(current) if name in dict(_items([each]))]
        if not places:
            raise GeneratorError(f"{self.path} has no `{name}`, to which the field belongs: add the field by hand.")
        place = places[0]
        found = current[place]
        if _code(found) == _code(old):
            current[place] = new.with_changes(leading_lines=found.leading_lines)  # type: ignore[attr-defined]
        else:
            current[place] = self._change_inside(name, found, old, new)

    def _change_inside(self, name: str, found: Statement, old: Statement, new: Statement) -> Statement:
        """Change a statement that was changed by hand: a class by its fields, a call or a dict by its elements."""
        match found, old, new:
            case (
                cst.ClassDef(body=cst.IndentedBlock() as block),
                cst.ClassDef(body=cst.IndentedBlock(body=old_body)),
                cst.ClassDef(body=cst.IndentedBlock(body=new_body)),
            ):
                body = self.merge(list(block.body), old_body, new_body)
                return found.with_changes(body=block.with_changes(body=body))
        changed = _add_elements(found, _added_elements(old, new))
        if changed is None:
            raise GeneratorError(f"`{name}` in {self.path} was changed by hand: add the field by hand.")
        return changed


def _added_elements(old: Statement, new: Statement) -> list[cst.CSTNode]:
    """Return the elements of a dict and the texts of a call that only the new statement has."""
    known = {_code(node) for node in _elements(old)}
    return [node for node in _elements(new) if _code(node) not in known]


def _elements(statement: Statement) -> list[cst.CSTNode]:
    found = m.findall(statement, m.DictElement() | m.Arg(value=m.SimpleString()))
    return [node.with_changes(comma=cst.MaybeSentinel.DEFAULT) for node in found]


def _add_elements(statement: Statement, added: Sequence[cst.CSTNode]) -> Statement | None:
    """Return the statement with the elements in its dict, or in its call of `sort_by`; None if it has neither."""
    elements = [node for node in added if isinstance(node, cst.DictElement)]
    arguments = [node for node in added if isinstance(node, cst.Arg)]
    dicts, calls = m.findall(statement, m.Dict()), m.findall(statement, m.Call(func=m.Name("sort_by")))
    if len(dicts if elements else calls) != 1:
        return None
    for dictionary in dicts if elements else ():
        known = list(cst.ensure_type(dictionary, cst.Dict).elements)
        is_starred = [isinstance(each, cst.StarredDictElement) for each in known]
        place = is_starred.index(True) if True in is_starred else len(known)
        new = dictionary.with_changes(elements=[*known[:place], *elements, *known[place:]])
        return cast("Statement", statement.deep_replace(dictionary, new))
    call = cst.ensure_type(calls[0], cst.Call)
    return cast("Statement", statement.deep_replace(call, call.with_changes(args=[*call.args, *arguments])))


def _items(statements: Sequence[Statement]) -> list[Item]:
    """Return the statements that have a name."""
    found: list[Item] = []
    for statement in statements:
        match statement:
            case cst.ClassDef() | cst.FunctionDef():
                found.append((statement.name.value, statement))
            case cst.SimpleStatementLine(body=[cst.AnnAssign(target=cst.Name(value=name))]):
                found.append((name, statement))
            case cst.SimpleStatementLine(body=[cst.Assign(targets=[cst.AssignTarget(target=cst.Name(value=name))])]):
                found.append((name, statement))
    return found


def _imports(module: cst.Module) -> list[tuple[str, str]]:
    found = []
    for line in module.body:
        match line:
            case cst.SimpleStatementLine(body=[cst.ImportFrom(names=[*aliases]) as statement]):
                found += [(source_of(statement), alias.evaluated_name) for alias in aliases]
    return found


def _code(node: cst.CSTNode) -> str:
    return cst.Module([]).code_for_node(node).strip()
