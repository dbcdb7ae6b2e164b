"""Follows docs/updating.md: a project of an older template is updated to the current one."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from shutil import copy2, copytree

import pytest

from support.template import ROOT, TEMPLATE, Generate

PAGE = ROOT / "docs" / "updating.md"
REPOSITORY = "path/to/this/repository"  # its name in the page
ANSWERS = "\n" * 8
IDENTITY = {f"GIT_{who}_{what}": "a@b.example" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
# Otherwise a commit starts a background process, which changes .git while a test copies it.
NO_MAINTENANCE = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "maintenance.auto", "GIT_CONFIG_VALUE_0": "false"}
SERVER = "hypercorn.toml"
NEW = "keep_alive_timeout = 90\n"  # in the current template
OLD = "keep_alive_timeout = 5\n"  # in the older one
SCRIPT = "scripts/run_postgres.sh"  # differs between the templates, too
OTHER_LINE = "graceful_timeout = 20\n"
MACHINERY = ("chassis/app.py", "chassis/http/errors.py", "chassis/maintenance/gate.py", "chassis/tests/conftest.py")
ADDED = "chassis/runtime/check_health.py"  # missing in the older template


def shell(folder: Path, script: str, answers: str = "") -> subprocess.CompletedProcess[str]:
    """Run a script as somebody with git and an empty home directory would."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**IDENTITY, **NO_MAINTENANCE, "HOME": str(folder), "PATH": path, "GIT_CONFIG_NOSYSTEM": "1"}
    return subprocess.run(
        ["sh", "-ec", script], cwd=folder, env=environment, input=answers, capture_output=True, text=True, check=False
    )


def run_script(folder: Path, script: str, answers: str = "") -> str:
    result = shell(folder, script, answers)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def commands(section: str) -> str:
    """The commands in a section of the page."""
    (text,) = re.findall(rf"^## {section}\n(.*?)(?=^## |\Z)", PAGE.read_text("utf-8"), re.M | re.S)
    return "".join(re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S))


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def commit(folder: Path) -> None:
    run_script(folder, "git add --all && git commit --quiet --message changed")


@pytest.fixture(name="template", scope="module")
def _template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the working files of this one, at the path in the page: an older commit and the current one."""
    template = tmp_path_factory.mktemp("template") / REPOSITORY
    listed = run_script(ROOT, "git ls-files -z --cached --others --exclude-standard").split("\0")
    for name in listed:
        if (ROOT / name).is_file():
            (template / name).parent.mkdir(parents=True, exist_ok=True)
            copy2(ROOT / name, template / name)
    run_script(template, "git init --quiet --initial-branch main")
    change(template / TEMPLATE.name / SERVER, NEW, OLD)
    change(template / TEMPLATE.name / SCRIPT, "set -eu\n", "set -e\n")
    machinery = {template / TEMPLATE.name / name: (TEMPLATE / name).read_text(encoding="utf-8") for name in MACHINERY}
    for file, text in machinery.items():
        file.write_text(f'"""An older version."""\n{text}', encoding="utf-8")
    added = (template / TEMPLATE.name / ADDED).rename(template / "added")
    commit(template)
    run_script(template, "git tag older")
    change(template / TEMPLATE.name / SERVER, OLD, NEW)
    change(template / TEMPLATE.name / SCRIPT, "set -e\n", "set -eu\n")
    for file, text in machinery.items():
        file.write_text(text, encoding="utf-8")
    added.rename(template / TEMPLATE.name / ADDED)
    commit(template)
    return template


@pytest.fixture(name="older", scope="module")
def _older(template: Path) -> Path:
    """A project of the older template, generated as the page says."""
    home = template.parents[3]
    create = commands("A new project").replace(REPOSITORY, f"{REPOSITORY} --checkout older")
    run_script(home, create, ANSWERS)
    return home / "my-service"


@pytest.fixture(name="project")
def _project(older: Path, tmp_path: Path) -> Path:
    """A copy of the older project, which can be updated to the current template."""
    return Path(copytree(older, tmp_path / older.name))


def update(project: Path) -> subprocess.CompletedProcess[str]:
    before, the_command, after = commands("An update").partition("cruft update")
    assert "cruft check" in before
    assert "out of date" in shell(project, before).stdout
    return shell(project, the_command + after.partition("make check")[0])


def test_applies_changes_of_the_template_and_keeps_those_of_the_user(project: Path) -> None:
    change(project / SERVER, OTHER_LINE, "graceful_timeout = 7\n")
    change(project / "README.md", "# My Service\n", "# Our Service\n")
    (project / SCRIPT).unlink()
    commit(project)

    result = update(project)

    assert result.returncode == 0, result.stdout + result.stderr
    server = tomllib.loads((project / SERVER).read_text(encoding="utf-8"))
    assert (server["keep_alive_timeout"], server["graceful_timeout"]) == (90, 7)
    assert (project / "README.md").read_text(encoding="utf-8").startswith("# Our Service\n")
    changed = {line[3:] for line in run_script(project, "git status --porcelain").splitlines()}
    assert changed == {".cruft.json", SERVER, ADDED, *MACHINERY}
    run_script(project, "git commit --quiet --all --message updated && cruft check")


def test_replaces_the_chassis_although_the_owner_changed_everything_else(project: Path) -> None:
    for folder in ("src", "tests"):
        for file in (project / folder).rglob("*.py"):
            file.write_text(f"# Ours.\n{file.read_text(encoding='utf-8')}\n# The end.\n", encoding="utf-8")
    commit(project)
    before = run_script(project, "git rev-parse HEAD:src HEAD:tests")

    result = update(project)

    assert result.returncode == 0, result.stdout + result.stderr
    for name in (*MACHINERY, ADDED):
        assert (project / name).read_text(encoding="utf-8") == (TEMPLATE / name).read_text(encoding="utf-8")
    run_script(project, "git commit --quiet --all --message updated")
    assert run_script(project, "git rev-parse HEAD:src HEAD:tests") == before
    assert run_script(project, "git status --porcelain --ignored=no") == ""


def test_marks_a_conflict_where_both_changed_a_line(project: Path) -> None:
    change(project / SERVER, OLD, "keep_alive_timeout = 7\n")
    commit(project)

    update(project)

    text = (project / SERVER).read_text(encoding="utf-8")
    assert f"<<<<<<< ours\nkeep_alive_timeout = 7\n=======\n{NEW}>>>>>>> theirs\n" in text


def test_updates_a_project_that_cookiecutter_has_generated(template: Path, tmp_path: Path) -> None:
    home = Path(copytree(template.parents[3], tmp_path / "home"))
    run_script(home / REPOSITORY, "git checkout --quiet older")
    run_script(home, f"cookiecutter --no-input --output-dir of-cookiecutter {REPOSITORY}")
    run_script(home / REPOSITORY, "git checkout --quiet main")
    project = home / "of-cookiecutter" / "my-service"
    run_script(project, "git init --quiet")
    commit(project)
    link = commands("A project that cookiecutter has generated")

    run_script(project, link.replace(REPOSITORY, str(home / REPOSITORY)).replace("1a2b3c4", "older"))
    update(project)

    assert NEW in (project / SERVER).read_text(encoding="utf-8")


def test_changes_an_answer(project: Path) -> None:
    settings = (project / ".env").read_text(encoding="utf-8")
    (variables,) = re.findall(r"'({.*})'", commands("Another answer"))
    with_prefix = json.dumps({**json.loads(variables), "service_prefix": "example"})

    run_script(project, commands("Another answer").replace(variables, with_prefix))

    assert "Apache License" in (project / "LICENSE").read_text(encoding="utf-8")
    assert "SERVICE_PREFIX-example" in (project / "docker-compose.yml").read_text(encoding="utf-8")
    assert (project / ".env").read_text(encoding="utf-8") == settings


def test_a_project_names_the_version_of_its_template(generate: Generate) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

    assert f"Generated by version {version} of its template" in (generate() / "README.md").read_text("utf-8")
