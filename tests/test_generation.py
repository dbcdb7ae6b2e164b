"""What is generated, for every kind of answer, without installing anything."""

import json
import re
import sys
import time
import tomllib
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, TEMPLATE, Generate
from service import note

pytest_plugins = ["service"]

NAMES = [
    "My Service",
    "O'Brien's Billing",
    'The "best" service',
    "C:\\new\\service",
    "Zażółć gęślą jaźń 日本語 🎉",
    "''",
    "x" * 100,
]
LICENSES = {
    "MIT": "Permission is hereby granted, free of charge",
    "BSD-3-Clause": "Redistribution and use in source and binary forms",
    "Apache-2.0": "Version 2.0, January 2004",
    "Proprietary": "All rights reserved.",
}
LEFT_BY_TOOLS = re.compile(r"_cache/|__pycache__/|^\.env$|^\.venv/|^\.postgres/")
PINNED = re.compile(r"^[a-z0-9-]+(\[[a-z,]+\])?==[^ ]+ ( *;[^\\]+ )? *--hash=sha256:[0-9a-f]{64}")
# Ours, and neither the braces of an f-string nor the expressions of a workflow.
UNRENDERED = re.compile(r"cookiecutter|(?<!\$)\{\{ |\{%|\{# ")


def names(folder: Path) -> set[str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix() for path in files}


def contents(project: Path) -> dict[str, str]:
    return {name: (project / name).read_bytes().decode() for name in sorted(names(project))}


@pytest.mark.parametrize("name", NAMES)
def test_any_text_arrives_as_it_was_typed(name: str, generate: Generate) -> None:
    project = generate(project_name=name, project_slug="x", project_description=name, author_name=name)

    pyproject = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    assert pyproject["project"]["description"] == name
    assert (project / "README.md").read_text(encoding="utf-8").startswith(f"# {name}\n")
    assert f"Copyright (c) {name}\n" in (project / "LICENSE").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("My Service", "my-service"),
        ("O'Brien's \"Café\"", "o-brien-s-cafe"),
        ("日本語", "ri-ben-yu"),
        ("long " * 20, "long-" * 9 + "long"),
    ],
)
def test_derives_the_slug_from_the_name(name: str, slug: str, generate: Generate) -> None:
    assert generate(project_name=name.strip()).name == slug


@pytest.mark.parametrize("license_name", LICENSES)
def test_writes_the_license_that_was_chosen(license_name: str, generate: Generate) -> None:
    text = (generate(license=license_name, author_name="Ann") / "LICENSE").read_text("utf-8")

    found = [name for name, sentence in LICENSES.items() if sentence in text]
    assert found[:1] == [license_name]
    assert "Ann" in text
    assert text.endswith(".\n") or license_name == "Apache-2.0"


@pytest.mark.parametrize("python_version", ["3.11", "3.14"])
def test_ci_runs_on_the_python_that_was_chosen(python_version: str, generate: Generate) -> None:
    project = generate(python_version=python_version)

    workflow = yaml.safe_load((project / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    inputs = [step.get("with", {}) for step in workflow["jobs"]["check"]["steps"]]
    assert [given["python-version"] for given in inputs if "python-version" in given] == [python_version]


@pytest.mark.parametrize("prefix", ["", "example", "/team/example/"])
def test_writes_settings_for_this_machine_and_no_secrets(prefix: str, generate: Generate) -> None:
    project = generate(service_prefix=prefix)

    settings = (project / ".env").read_text(encoding="utf-8")
    assert settings == f"APP_ENV=development\nLOG_FORMAT=console\nSERVICE_PREFIX={prefix}\n"
    assert ".env\n" in (project / ".gitignore").read_text(encoding="utf-8")


@pytest.mark.parametrize("example", [True, False])
def test_leaves_nothing_unrendered(example: bool, generate: Generate) -> None:
    texts = contents(generate(include_todo_example=example))

    assert not [(name, found) for name in texts for found in UNRENDERED.findall(texts[name])]


@pytest.mark.parametrize("example", [True, False])
def test_all_that_has_a_grammar_keeps_it(example: bool, generate: Generate) -> None:
    project = generate(include_todo_example=example, project_description="'\"\\ {} : # é")

    for path in project.rglob("*"):
        if path.suffix == ".toml":
            tomllib.loads(path.read_text(encoding="utf-8"))
        elif path.suffix in {".yml", ".yaml"}:
            yaml.safe_load(path.read_text(encoding="utf-8"))
        elif path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        elif path.suffix == ".py":
            compile(path.read_text(encoding="utf-8"), str(path), "exec")


def test_without_the_example_nothing_names_it(generate: Generate) -> None:
    texts = contents(generate(include_todo_example=False))

    assert not [name for name, text in texts.items() if "todo" in (name + text).lower()]
    assert "src/dependency_container.py" in texts


def test_without_the_example_a_slug_may_still_name_it(generate: Generate) -> None:
    project = generate(project_name="Todo List", include_todo_example=False)

    assert project.name == "todo-list"
    assert (project / "src" / "dependency_container.py").exists()


def test_the_same_answers_give_the_same_bytes(generate: Generate) -> None:
    answers = {"project_name": "Same", "service_prefix": "same", "license": "Apache-2.0"}

    started = time.perf_counter()
    first = contents(generate(**answers))
    seconds = time.perf_counter() - started

    note(f"generation: {len(first)} files in {seconds:.2f} s")
    assert contents(generate(**answers)) == first


def test_every_file_of_the_template_arrives(generate: Generate) -> None:
    project = generate()
    kept = {name for name in names(TEMPLATE) if not LEFT_BY_TOOLS.search(name)}

    assert names(project) == kept | {".env"}


def test_lines_end_as_on_unix(generate: Generate) -> None:
    project = generate()

    assert not [name for name, text in contents(project).items() if "\r" in text]
    assert not [name for name, text in contents(project).items() if text and text[-1] != "\n"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no run bits")
def test_scripts_can_be_run(project: Path) -> None:
    scripts = list(project.rglob("*.sh"))

    assert scripts
    assert all(script.stat().st_mode & 0o111 for script in scripts)


def test_python_of_the_template_needs_no_rendering() -> None:
    sources = {path: path.read_text(encoding="utf-8") for path in TEMPLATE.rglob("*.py")}

    assert sources
    assert not [str(path) for path, text in sources.items() if "cookiecutter" in text]


@pytest.mark.parametrize("folder", [ROOT, TEMPLATE])
@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_requirements_are_pinned_and_hashed_and_name_no_index(folder: Path, name: str) -> None:
    lines = (folder / name).read_text(encoding="utf-8").replace("\\\n", " ").splitlines()

    requirements = [line for line in lines if line and not line.strip().startswith("#")]
    assert requirements
    assert not [line for line in requirements if not PINNED.match(line)]


def test_asks_eight_questions_and_explains_each() -> None:
    asked = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))

    questions = [name for name in asked if not name.startswith("_")]
    assert len(questions) == 8
    assert questions == list(asked["__prompts__"])
