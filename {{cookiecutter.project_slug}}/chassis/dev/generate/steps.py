"""The steps of the commands, each of which changes the copy of the project in which it runs."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from chassis.dev.generate.container import add_providers, remove_providers
from chassis.dev.generate.defaults import check_default
from chassis.dev.generate.fields import Field, Target, parse_fields
from chassis.dev.generate.merging import merge
from chassis.dev.generate.migration import Migrations, check_single_head, revisions_of
from chassis.dev.generate.reading import read_specification
from chassis.dev.generate.refusal import GeneratorError
from chassis.dev.generate.rendering import FILES, files_of, format_files, is_formatted, render, write
from chassis.dev.generate.service import Service, table_of
from chassis.dev.generate.specification import KEYS, Specification, specify
from chassis.persistence.model import ModelExtension


def add_entity(
    service: Service,
    migrations: Migrations | None,
    *,
    name: str,
    fields: Sequence[str],
    plural: str | None = None,
    path: str | None = None,
    key: str = "integer",
) -> None:
    """Write the files of an entity, its providers and its migration."""
    entity = specify(name, parse_fields(tuple(fields)), plural=plural, path=path, key=key)
    own = Target(name=entity.name, table=entity.name, key="id", key_type=KEYS[key])
    entity = replace(entity, fields=tuple(_resolve(service, field, own) for field in entity.fields))
    service.check_new(entity)
    if migrations and not service.generated:
        check_single_head()
        migrations.check()
    write(service.root, render(entity))
    _edit_container(service, add_providers, entity.name)
    service.generated[entity.name] = entity
    _load(entity)
    if migrations:
        migrations.write(f"add {entity.title}")


def add_fields(service: Service, _migrations: Migrations | None, *, name: str, fields: Sequence[str]) -> None:
    """Add fields to all files of an entity that name its fields."""
    old = read_specification(service, name)
    new = old
    for field in parse_fields(tuple(fields)):
        check_default(field)
        _check_addable(service, old, field)
        new = new.with_field(_resolve(service, field, old.target))
    paths = [path for path in files_of(name) if (service.root / path).exists()]
    current = {path: _read(service, path) for path in paths}
    before = {path: text for path, text in write(service.root, render(old)).items() if path in paths}
    after = write(service.root, render(new))
    for path in files_of(name):
        if path not in paths:
            (service.root / path).unlink()
        elif current[path] != before[path]:
            text = _merge(service, path, (current[path], before[path], after[path]))
            _write_formatted(service, path, current[path], text)


def remove_entity(service: Service, _migrations: Migrations | None, *, name: str, force: bool = False) -> None:
    """Remove the files of an entity, its providers and its migrations."""
    table = table_of(service.find_model(name))
    for other in service.referring_to(table):
        raise GeneratorError(f"The table `{other}` refers to `{name}`: remove that entity or its field first.")
    if not force:
        _check_unchanged(service, name)
        _check_unused(service, name)
    revisions = [] if force else revisions_of(table.name)
    if revisions is None:
        raise GeneratorError(
            f"The migrations of `{name}` are not the newest ones, or concern other tables, too: "
            "add --force, which writes a migration that drops the table."
        )
    for path in [*files_of(name), *(path.relative_to(service.root) for path in revisions)]:
        (service.root / path).unlink(missing_ok=True)
    _edit_container(service, remove_providers, name)
    ModelExtension.metadata.remove(table)


def write_migration(_service: Service, migrations: Migrations | None, *, message: str) -> None:
    import_module("src.app")
    if migrations and not migrations.is_complete():
        check_single_head()
        migrations.write(message)


def check_migrations(_service: Service, migrations: Migrations | None) -> None:
    import_module("src.app")
    if migrations:
        migrations.check()


def _load(entity: Specification) -> None:
    """Import the new modules, which a template of the project may have spoilt."""
    import_module(f"src.infrastructure.models.{entity.name}")
    import_module(f"src.api.controllers.{entity.name}")
    repositories = import_module(f"src.infrastructure.repositories.{entity.name}_repository")
    getattr(repositories, f"{entity.class_name}Repository").create_mapping()


def _resolve(service: Service, field: Field, own: Target) -> Field:
    """Return the field with what it refers to."""
    if field.type != "references":
        return field
    (name,) = field.arguments
    target = own if name == own.name else service.find_target(name)
    if target is own and not field.nullable:
        nullable = f"{field.label}:references" + "{" + name + "}?"
        raise GeneratorError(f"A first `{name}` could refer to no other: type `{nullable}`, so that it may.")
    resolved = replace(field, target=target)
    service.check_reference(resolved)
    return resolved


def _check_addable(service: Service, entity: Specification, field: Field) -> None:
    if hasattr(service.find_model(entity.name), field.name):
        raise GeneratorError(f"`{entity.name}` has `{field.name}` already: choose another name.")
    if not field.nullable and field.default is None:
        example = f"{field.label}:{field.type}"
        raise GeneratorError(
            f"The rows that exist have no {field.name}: type `{example}?`, or a default, as in `{example}:default=…`."
        )


def _check_unchanged(service: Service, name: str) -> None:
    paths = [path for path in files_of(name) if (service.root / path).exists()]
    current = {path: _read(service, path) for path in paths}
    rendered = write(service.root, render(read_specification(service, name)))
    changed = [str(path) for path in paths if current[path] != rendered[path]]
    if changed:
        raise GeneratorError(
            f"{', '.join(changed)}: written or changed by hand; add --force to remove the entity all the same."
        )


def _check_unused(service: Service, name: str) -> None:
    """Refuse if another module imports one of the entity."""
    modules = [pattern.format(name=name).removesuffix(".py").replace("/", ".") for pattern in FILES.values()]
    imported = re.compile("|".join(rf"\b{re.escape(module)}\b" for module in modules))
    own = {*files_of(name), service.container_file}
    for folder in ("src", "tests"):
        for file in sorted((service.root / folder).rglob("*.py")):
            path = file.relative_to(service.root)
            if path not in own and imported.search(file.read_text(encoding="utf-8")):
                raise GeneratorError(f"{path} uses `{name}`: remove that first, or add --force.")


def _edit_container(service: Service, edit: Callable[[str, str, str], str], name: str) -> None:
    path = service.container_file
    before = _read(service, path)
    _write_formatted(service, path, before, edit(before, service.container_class, name))


def _merge(service: Service, path: Path, texts: tuple[str, str, str]) -> str:
    """Return the merged text; a test that was written by hand stays as it is, because the field needs no test."""
    try:
        return merge(path, *texts)
    except GeneratorError as error:
        if path.parts[:2] != ("tests", "api"):
            raise
        service.notes.append(f"Left as it is: {error}")
        return texts[0]


def _write_formatted(service: Service, path: Path, before: str, after: str) -> None:
    """Write a file that was changed by hand; format it if it was formatted before."""
    (service.root / path).write_text(after, encoding="utf-8")
    if not is_formatted(service.root, path, after) and is_formatted(service.root, path, before):
        format_files(service.root, [path])


def _read(service: Service, path: Path) -> str:
    return (service.root / path).read_text(encoding="utf-8")
