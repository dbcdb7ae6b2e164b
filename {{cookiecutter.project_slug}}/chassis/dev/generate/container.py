"""Adds providers to the container and removes them; everything else in its file stays as it is."""

from collections.abc import Callable, Sequence

import libcst as cst

from chassis.dev.generate.imports import (
    add_import,
    bound_names,
    find_name,
    is_docstring,
    remove_unused_imports,
    used_names,
)
from chassis.dev.generate.names import pascal_case
from chassis.dev.generate.refusal import GeneratorError

Body = Sequence[cst.BaseStatement]

BASE = ("chassis.dependency_container", "ChassisContainer")
PROVIDERS = ("dependency_injector", "providers")
SERVICE = ("src.services.repository_service", "RepositoryService")


def provider_names(name: str) -> tuple[str, str]:
    return f"{name}_repository", f"{name}_service"


def add_providers(source: str, class_name: str, name: str) -> str:
    """Return the source of the container's module, with the repository and the service of an entity.

    Raises:
        GeneratorError: the module is not understood.
    """
    module = cst.parse_module(source)
    _find_class(module, class_name)
    repository, service = provider_names(name)
    repository_class = f"{pascal_case(name)}Repository"
    if repository_class in bound_names(module):
        raise GeneratorError(f"The file of the container has a `{repository_class}` already: give it another name.")
    module, base = _import(module, *BASE)
    module = add_import(module, f"src.infrastructure.repositories.{name}_repository", repository_class)
    module, service_class = _import(module, *SERVICE)
    module, singleton = _provider(module, "Singleton")
    module, factory = _provider(module, "Factory")
    lines = (
        f"{repository} = {singleton}({repository_class}, {base}.database)",
        f"{service} = {factory}({service_class}, {repository})",
    )
    return _change_class(module, class_name, lambda body: _append(body, lines)).code


def remove_providers(source: str, class_name: str, name: str) -> str:
    """Return the source without what `add_providers` has added.

    Raises:
        GeneratorError: another provider uses these.
    """
    module = cst.parse_module(source)
    _find_class(module, class_name)
    before = used_names(module)
    shorter = _change_class(module, class_name, lambda body: _without(body, provider_names(name)))
    used = used_names(shorter)
    for provider in provider_names(name):
        if provider in used:
            raise GeneratorError(f"The container still uses `{provider}`: remove what is built from it first.")
    return remove_unused_imports(shorter, before - used).code


def _find_class(module: cst.Module, name: str) -> None:
    found = [node for node in module.body if isinstance(node, cst.ClassDef) and node.name.value == name]
    if len(found) != 1 or not isinstance(found[0].body, cst.IndentedBlock):
        raise GeneratorError(f"The container `{name}` is not a class at the top level of its file: move it there.")


def _import(module: cst.Module, source: str, name: str) -> tuple[cst.Module, str]:
    """Return how the module calls a name, after it has been imported if necessary."""
    known = find_name(module, source, name)
    if known:
        return module, known
    if name in bound_names(module):
        raise GeneratorError(f"The file of the container has another `{name}`: import that under another name.")
    return add_import(module, source, name), name


def _provider(module: cst.Module, kind: str) -> tuple[cst.Module, str]:
    """Return how the module calls a class of `dependency_injector.providers`."""
    direct = find_name(module, ".".join(PROVIDERS), kind)
    if direct:
        return module, direct
    module, providers = _import(module, *PROVIDERS)
    return module, f"{providers}.{kind}"


def _change_class(module: cst.Module, name: str, change: Callable[[Body], Body]) -> cst.Module:
    """Change the body of a class that `_find_class` has found."""
    statements: list[cst.BaseStatement] = []
    for statement in module.body:
        match statement:
            case cst.ClassDef(name=cst.Name(value=found), body=cst.IndentedBlock() as block) if found == name:
                statements.append(statement.with_changes(body=block.with_changes(body=change(block.body))))
            case _:
                statements.append(statement)
    return module.with_changes(body=statements)


def _append(body: Body, lines: Sequence[str]) -> Body:
    """Append statements; an empty line separates them from a docstring or a method."""
    first, *others = (cst.ensure_type(cst.parse_statement(line), cst.SimpleStatementLine) for line in lines)
    if (len(body) == 1 and is_docstring(body[0])) or isinstance(body[-1], cst.BaseCompoundStatement):
        first = first.with_changes(leading_lines=[cst.EmptyLine(indent=False)])
    return [*body, first, *others]


def _without(body: Body, names: Sequence[str]) -> Body:
    return [statement for statement in body if _assigned_name(statement) not in names]


def _assigned_name(statement: cst.BaseStatement) -> str | None:
    match statement:
        case cst.SimpleStatementLine(body=[cst.Assign(targets=[cst.AssignTarget(target=cst.Name(value=name))])]):
            return name
        case cst.SimpleStatementLine(body=[cst.AnnAssign(target=cst.Name(value=name))]):
            return name
    return None
