"""Renders the files of an entity; templates in the project's own folder `templates/entity/` go first."""

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError

from chassis.config import ROOT
from chassis.dev.generate.code import FieldCode
from chassis.dev.generate.refusal import GeneratorError
from chassis.dev.generate.specification import Specification

OWN_TEMPLATES = ROOT / "templates" / "entity"
TEMPLATES = Path(__file__).parents[1] / "templates" / "entity"
RULES = ("--select=F401,I",)
FILES = {
    "entity.py.jinja": "src/domain/{name}.py",
    "model.py.jinja": "src/infrastructure/models/{name}.py",
    "repository.py.jinja": "src/infrastructure/repositories/{name}_repository.py",
    "controller.py.jinja": "src/api/controllers/{name}.py",
    "factory.py.jinja": "tests/factories/{name}.py",
    "test.py.jinja": "tests/api/test_{name}.py",
}


def files_of(name: str) -> list[Path]:
    """Return the paths of the files of an entity, relative to the project."""
    return [Path(pattern.format(name=name)) for pattern in FILES.values()]


def render(entity: Specification) -> dict[Path, str]:
    """Return the text of each file, which is not formatted yet.

    Raises:
        GeneratorError: a template is wrong, or the names of the entity hide others.
    """
    environment = _environment()
    texts = {}
    for template, path in zip(FILES, files_of(entity.name), strict=True):
        try:
            text = environment.get_template(template).render(entity=entity)
            _check_bindings(entity, path, text)
        except (TemplateError, SyntaxError) as error:
            raise GeneratorError(f"The template {template} is wrong: {error}.") from error
        texts[path] = text
    return texts


def write(root: Path, texts: Mapping[Path, str]) -> dict[Path, str]:
    """Write the files below `root`, formatted as the settings of the project say; return their texts."""
    for path, text in texts.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    format_files(root, texts)
    return {path: (root / path).read_text(encoding="utf-8") for path in texts}


def format_files(root: Path, paths: Iterable[Path]) -> None:
    """Remove imports that nothing needs, sort the others, and format."""
    for options in (("check", "--fix-only", *RULES), ("format",)):
        result = _run_ruff(root, *options, *map(str, paths))
        if result.returncode:
            raise GeneratorError(f"The files cannot be formatted: {result.stderr.strip()}.")


def is_formatted(root: Path, path: Path, text: str) -> bool:
    """Return whether `format_files` would leave a file with this text as it is."""
    options = ("--stdin-filename", str(path), "-")
    commands = (("check", *RULES), ("format", "--check"))
    return all(_run_ruff(root, *command, *options, text=text).returncode == 0 for command in commands)


def _run_ruff(root: Path, *arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ruff", *arguments, "--quiet"]
    return subprocess.run(command, cwd=root, input=text, capture_output=True, text=True, check=False)


def _environment() -> Environment:
    environment = Environment(  # noqa: S701 - it writes Python, not HTML
        loader=FileSystemLoader([OWN_TEMPLATES, TEMPLATES]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["quoted_names"] = _quote_names
    return environment


def _quote_names(codes: Iterable[FieldCode]) -> str:
    return ", ".join(f'"{code.name}"' for code in codes)


def _check_bindings(entity: Specification, path: Path, text: str) -> None:
    """Refuse a module that binds a name twice, for instance an import and a class."""
    bound = Counter(name for statement in ast.parse(text).body for name in _bound_names(statement))
    for name, times in bound.items():
        if times > 1:
            raise GeneratorError(
                f"`{entity.name}` cannot be generated, because {path} would have two things with the name {name}: "
                "choose another name for the entity or the field."
            )


def _bound_names(statement: ast.stmt) -> list[str]:
    match statement:
        case ast.Import() | ast.ImportFrom():
            return [alias.asname or alias.name for alias in statement.names]
        case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
            return [statement.name]
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
    return []
