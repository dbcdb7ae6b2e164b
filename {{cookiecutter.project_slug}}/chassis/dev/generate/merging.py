"""Applies to a file that was changed by hand what differs between two generated versions of it.

Classes, functions, assignments and fields are found by their names; everything else in the file stays as it is.
"""

from collections.abc import Sequence
from pathlib import Path

import libcst as cst
from libcst.helpers import get_full_name_for_node

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
            current[place] = new.with_changes(leading_lines=found.leading_lines)  # type: ignore[attr-defined, call-arg]
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
        added = _added_elements(old, new)
        adder = _AddElements(added)
        changed = found.visit(adder)
        if not added or not adder.has_added or not isinstance(changed, Statement):
            raise GeneratorError(f"`{name}` in {self.path} was changed by hand: add the field by hand.")
        return changed


Elements = dict[str, Sequence[cst.Arg] | Sequence[cst.BaseDictElement] | Sequence[cst.BaseElement]]


def _added_elements(old: Statement, new: Statement) -> list[cst.CSTNode]:
    """Return the arguments and the elements that only the new statement has."""
    known = {_code(node) for node in _elements(old)}
    return [node for node in _elements(new) if _code(node) not in known]


def _elements(statement: Statement) -> list[cst.CSTNode]:
    collector = _Collector()
    statement.visit(collector)
    return collector.found


class _Collector(cst.CSTVisitor):
    def __init__(self) -> None:
        self.found: list[cst.CSTNode] = []

    def visit_DictElement(self, node: cst.DictElement) -> None:
        self.found.append(node.with_changes(comma=cst.MaybeSentinel.DEFAULT))

    def visit_Arg(self, node: cst.Arg) -> None:
        if isinstance(node.value, cst.SimpleString):
            self.found.append(node.with_changes(comma=cst.MaybeSentinel.DEFAULT))


class _AddElements(cst.CSTTransformer):
    """Adds elements to the first dict, or arguments to the first call of `sort_by`."""

    def __init__(self, added: Sequence[cst.CSTNode]) -> None:
        self.added = added
        self.has_added = False

    def leave_Dict(self, original_node: cst.Dict, updated_node: cst.Dict) -> cst.Dict:
        added = [node for node in self.added if isinstance(node, cst.DictElement)]
        if self.has_added or not added:
            return updated_node
        self.has_added = True
        elements = list(updated_node.elements)
        position = next((i for i, each in enumerate(elements) if isinstance(each, cst.StarredDictElement)), len(elements))
        return updated_node.with_changes(elements=[*elements[:position], *added, *elements[position:]])

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.Call:
        added = [node for node in self.added if isinstance(node, cst.Arg)]
        if self.has_added or not added or get_full_name_for_node(original_node.func) != "sort_by":
            return updated_node
        self.has_added = True
        return updated_node.with_changes(args=[*updated_node.args, *added])


def _items(statements: Sequence[Statement]) -> list[Item]:
    """Return the statements that have a name."""
    found = []
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
