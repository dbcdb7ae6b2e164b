"""The service as it is: its entities, tables, routes and providers, read from the running code."""

import sys
from collections.abc import Iterator
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

from sqlalchemy import Table, inspect
from sqlalchemy.orm import Mapper

from chassis.app import ChassisApp
from chassis.config import ROOT
from chassis.dev.generate.container import provider_names
from chassis.dev.generate.fields import Field, Target
from chassis.dev.generate.names import pascal_case, plural_of
from chassis.dev.generate.refusal import GeneratorError
from chassis.dev.generate.rendering import files_of
from chassis.dev.generate.specification import Specification
from chassis.persistence.migrations import VERSION_TABLE
from chassis.persistence.model import ModelExtension


class Service:
    """Knows the service below the root of the project, and the entities that were generated since it was loaded."""

    def __init__(self, root: Path = ROOT) -> None:
        self.root = root
        self.generated: dict[str, Specification] = {}
        self.notes: list[str] = []  # sentences for the person who typed the command

    @cached_property
    def app(self) -> ChassisApp:
        app: ChassisApp = import_module("src.app").app
        return app

    @property
    def container_class(self) -> str:
        return str(self._container.__name__)

    @property
    def container_file(self) -> Path:
        """The module of the container, relative to the project."""
        return Path(str(sys.modules[self._container.__module__].__file__)).relative_to(self.root)

    @property
    def _container(self) -> Any:  # noqa: ANN401 - the class of which the container is an instance
        return self.app.container.declarative_parent

    def models(self) -> list[type[Any]]:
        self.app  # noqa: B018 - imports all models
        return sorted((mapper.class_ for mapper in ModelExtension.registry.mappers), key=lambda model: model.__name__)

    def find_model(self, name: str) -> type[Any]:
        """Return the model of an entity.

        Raises:
            GeneratorError: there is none.
        """
        class_names = (f"{pascal_case(name)}Model", pascal_case(name))
        for model in self.models():
            if model.__name__ in class_names and model.__module__.startswith("src."):
                return model
        known = ", ".join(self.entity_names()) or "none yet"
        raise GeneratorError(f"There is no entity `{name}`: type the name of one that exists ({known}).")

    def entity_names(self) -> list[str]:
        return [model.__module__.rpartition(".")[2] for model in self.models() if model.__module__.startswith("src.")]

    def find_target(self, name: str) -> Target:
        """Return what a field that refers to this entity needs to know.

        Raises:
            GeneratorError: there is no such entity, or one that nothing can refer to.
        """
        if name in self.generated:
            return self.generated[name].target
        model = self.find_model(name)
        table = table_of(model)
        key, *others = table.primary_key.columns
        key_type = key.type.python_type.__name__
        if others or key_type not in ("int", "UUID", "str"):
            raise GeneratorError(f"Nothing can refer to `{name}`, whose key is not one integer, UUID or text.")
        has_factory = (self.root / f"tests/factories/{name}.py").exists()
        return Target(name=name, table=table.name, key=key.name, key_type=key_type, has_factory=has_factory)

    def referring_to(self, table: Table) -> list[str]:
        """Return the names of the other tables that refer to a table."""
        others = [other for other in ModelExtension.metadata.sorted_tables if other is not table]
        return [other.name for other in others if any(key.column.table is table for key in other.foreign_keys)]

    def check_new(self, entity: Specification) -> None:
        """Raise GeneratorError if the service has something already that the entity would have."""
        for path in files_of(entity.name):
            if (self.root / path).exists():
                raise GeneratorError(f"{path} exists already: choose another name, or remove that file.")
        self._check_singular_and_plural(entity)
        if entity.name in {*ModelExtension.metadata.tables, VERSION_TABLE.name}:
            raise GeneratorError(f"There is a table `{entity.name}` already: choose another name.")
        taken = {*self.app.container.providers, *vars(type(self.app.container))}
        for provider in provider_names(entity.name):
            if provider in taken:
                raise GeneratorError(f"The container has `{provider}` already: choose another name for the entity.")
        if entity.name in self.app.blueprints:
            raise GeneratorError(f"There is a blueprint `{entity.name}` already: choose another name for the entity.")
        if entity.path in set(self._paths()):
            raise GeneratorError(f"{entity.path} is a route already: type another one, as in `--path {entity.path}s`.")

    def check_reference(self, field: Field) -> None:
        if field.target and not field.target.has_factory:
            name = field.target.name
            raise GeneratorError(
                f"`{name}` has no factory for tests: write a coroutine `create_{name}(client, **values)` "
                f"in tests/factories/{name}.py that returns what a client receives."
            )

    def _check_singular_and_plural(self, entity: Specification) -> None:
        plurals = {name: plural_of(name) for name in self.entity_names()}
        plurals |= {name: other.plural for name, other in self.generated.items()}
        for name, plural in plurals.items():
            if entity.name == plural != name:
                raise GeneratorError(f"`{entity.name}` is the plural of `{name}`, which exists: choose another name.")
            if entity.plural in (name, plural) and name != entity.name:
                raise GeneratorError(f"`{entity.plural}` belongs to `{name}`: choose another name, or add --plural.")

    def _paths(self) -> Iterator[str]:
        yield from (rule.rule for rule in self.app.url_map.iter_rules())
        yield from (entity.path for entity in self.generated.values())


def table_of(model: type[Any]) -> Table:
    mapper: Mapper[Any] = inspect(model)
    table: Table = mapper.local_table  # type: ignore[assignment]
    return table
