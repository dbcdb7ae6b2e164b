"""Adds providers to the container and removes them; everything else in its file stays as it is."""

from collections.abc import Sequence

import libcst as cst
from libcst import matchers as m

from chassis.dev.generate.imports import add_import, bound_names, find_name, remove_unused_imports, used_names
from chassis.dev.generate.names import pascal_case
from chassis.dev.generate.refusal import GeneratorError

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
    return module.visit(_Append(class_name, lines)).code


def remove_providers(source: str, class_name: str, name: str) -> str:
    """Return the source without what `add_providers` has added.

    Raises:
        GeneratorError: another provider uses these.
    """
    module = cst.parse_module(source)
    _find_class(module, class_name)
    remover = _Remove(class_name, provider_names(name))
    shorter = module.visit(remover)
    used = used_names(shorter)
    for provider in provider_names(name):
        if provider in used:
            raise GeneratorError(f"The container still uses `{provider}`: remove what is built from it first.")
    return remove_unused_imports(shorter, remover.used).code


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


class _Append(cst.CSTTransformer):
    """Appends statements to a class; an empty line separates them from a docstring."""

    def __init__(self, class_name: str, lines: Sequence[str]) -> None:
        self.class_name = class_name
        self.lines = lines

    def leave_ClassDef(self, original_node: cst.ClassDef, updated_node: cst.ClassDef) -> cst.ClassDef:
        if original_node.name.value != self.class_name or not isinstance(updated_node.body, cst.IndentedBlock):
            return updated_node
        block = updated_node.body
        first, *others = (cst.ensure_type(cst.parse_statement(line), cst.SimpleStatementLine) for line in self.lines)
        follows_docstring = len(block.body) == 1 and updated_node.get_docstring() is not None
        if follows_docstring or isinstance(block.body[-1], cst.BaseCompoundStatement):
            first = first.with_changes(leading_lines=[cst.EmptyLine(indent=False)])
        body = [*block.body, first, *others]
        return updated_node.with_changes(body=block.with_changes(body=body))


class _Remove(cst.CSTTransformer):
    """Removes the assignments to these names from a class; `used` are the names that they use."""

    def __init__(self, class_name: str, names: Sequence[str]) -> None:
        self.class_name = class_name
        self.names = names
        self.used: set[str] = set()

    def leave_ClassDef(self, original_node: cst.ClassDef, updated_node: cst.ClassDef) -> cst.ClassDef:
        if original_node.name.value != self.class_name or not isinstance(updated_node.body, cst.IndentedBlock):
            return updated_node
        kept = [statement for statement in updated_node.body.body if not self._is_removed(statement)]
        return updated_node.with_changes(body=updated_node.body.with_changes(body=kept))

    def _is_removed(self, statement: cst.BaseStatement) -> bool:
        match statement:
            case cst.SimpleStatementLine(body=[cst.Assign(targets=[cst.AssignTarget(target=cst.Name(value=name))])]):
                pass
            case cst.SimpleStatementLine(body=[cst.AnnAssign(target=cst.Name(value=name))]):
                pass
            case _:
                return False
        if name not in self.names:
            return False
        self.used |= {node.value for node in m.findall(statement, m.Name())}  # type: ignore[attr-defined]
        return True
