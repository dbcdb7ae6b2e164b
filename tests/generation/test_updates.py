"""docs/updating.md, done: a project of an older template is brought up to this one."""

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
REPOSITORY = "path/to/this/repository"  # as the page calls it
ANSWERS = "\n" * 8
IDENTITY = {f"GIT_{who}_{what}": "a@b.example" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
# Else a commit leaves a process behind, which changes .git while it is copied.
ALONE = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "maintenance.auto", "GIT_CONFIG_VALUE_0": "false"}
SERVER = "hypercorn.toml"
NEW = "keep_alive_timeout = 90\n"  # this template; an older one said
OLD = "keep_alive_timeout = 5\n"
SCRIPT = "scripts/run_postgres.sh"  # changed, too
OTHER_LINE = "graceful_timeout = 20\n"


def shell(folder: Path, script: str, answers: str = "") -> subprocess.CompletedProcess[str]:
    """As in a terminal of somebody with git and an empty home."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**IDENTITY, **ALONE, "HOME": str(folder), "PATH": path, "GIT_CONFIG_NOSYSTEM": "1"}
    return subprocess.run(
        ["sh", "-ec", script], cwd=folder, env=environment, input=answers, capture_output=True, text=True, check=False
    )


def done(folder: Path, script: str, answers: str = "") -> str:
    result = shell(folder, script, answers)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def commands(section: str) -> str:
    """What the page says to type there."""
    (text,) = re.findall(rf"^## {section}\n(.*?)(?=^## |\Z)", PAGE.read_text("utf-8"), re.M | re.S)
    return "".join(re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S))


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def commit(folder: Path) -> None:
    done(folder, "git add --all && git commit --quiet --message changed")


@pytest.fixture(name="template", scope="module")
def _template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The working files of this repository, where the page has it: an older commit, and this one."""
    template = tmp_path_factory.mktemp("template") / REPOSITORY
    listed = done(ROOT, "git ls-files -z --cached --others --exclude-standard").split("\0")
    for name in listed:
        if (ROOT / name).is_file():
            (template / name).parent.mkdir(parents=True, exist_ok=True)
            copy2(ROOT / name, template / name)
    done(template, "git init --quiet --initial-branch main")
    change(template / TEMPLATE.name / SERVER, NEW, OLD)
    change(template / TEMPLATE.name / SCRIPT, "set -eu\n", "set -e\n")
    commit(template)
    done(template, "git tag older")
    change(template / TEMPLATE.name / SERVER, OLD, NEW)
    change(template / TEMPLATE.name / SCRIPT, "set -e\n", "set -eu\n")
    commit(template)
    return template


@pytest.fixture(name="older", scope="module")
def _older(template: Path) -> Path:
    """A project of the older template, made as the page says."""
    home = template.parents[3]
    create = commands("A new project").replace(REPOSITORY, f"{REPOSITORY} --checkout older")
    done(home, create, ANSWERS)
    return home / "my-service"


@pytest.fixture(name="project")
def _project(older: Path, tmp_path: Path) -> Path:
    """A copy of it, whose cruft follows the newest template."""
    return Path(copytree(older, tmp_path / older.name))


def update(project: Path) -> subprocess.CompletedProcess[str]:
    before, the_command, after = commands("An update").partition("cruft update")
    assert "cruft check" in before
    assert "out of date" in shell(project, before).stdout
    return shell(project, the_command + after.partition("make check")[0])


def test_what_the_template_changed_arrives_and_what_the_user_changed_stays(project: Path) -> None:
    change(project / SERVER, OTHER_LINE, "graceful_timeout = 7\n")
    change(project / "README.md", "# My Service\n", "# Our Service\n")
    (project / SCRIPT).unlink()
    commit(project)

    result = update(project)

    assert result.returncode == 0, result.stdout + result.stderr
    server = tomllib.loads((project / SERVER).read_text(encoding="utf-8"))
    assert (server["keep_alive_timeout"], server["graceful_timeout"]) == (90, 7)
    assert (project / "README.md").read_text(encoding="utf-8").startswith("# Our Service\n")
    assert done(project, "git status --porcelain").split() == ["M", ".cruft.json", "M", SERVER]
    done(project, "git commit --quiet --all --message updated && cruft check")


def test_a_line_that_both_changed_is_a_conflict_for_git(project: Path) -> None:
    change(project / SERVER, OLD, "keep_alive_timeout = 7\n")
    commit(project)

    update(project)

    text = (project / SERVER).read_text(encoding="utf-8")
    assert f"<<<<<<< ours\nkeep_alive_timeout = 7\n=======\n{NEW}>>>>>>> theirs\n" in text


def test_a_project_of_cookiecutter_is_linked_first(template: Path, tmp_path: Path) -> None:
    home = Path(copytree(template.parents[3], tmp_path / "home"))
    done(home / REPOSITORY, "git checkout --quiet older")
    done(home, f"cookiecutter --no-input --output-dir of-cookiecutter {REPOSITORY}")
    done(home / REPOSITORY, "git checkout --quiet main")
    project = home / "of-cookiecutter" / "my-service"
    done(project, "git init --quiet")
    commit(project)
    link = commands("A project that cookiecutter has generated")

    done(project, link.replace(REPOSITORY, str(home / REPOSITORY)).replace("1a2b3c4", "older"), f"{ANSWERS}\n")
    update(project)

    assert NEW in (project / SERVER).read_text(encoding="utf-8")


def test_an_answer_can_change(project: Path) -> None:
    settings = (project / ".env").read_text(encoding="utf-8")
    (variables,) = re.findall(r"'({.*})'", commands("Another answer"))
    with_prefix = json.dumps({**json.loads(variables), "service_prefix": "example"})

    done(project, commands("Another answer").replace(variables, with_prefix))

    assert "Apache License" in (project / "LICENSE").read_text(encoding="utf-8")
    assert "SERVICE_PREFIX-example" in (project / "docker-compose.yml").read_text(encoding="utf-8")
    assert (project / ".env").read_text(encoding="utf-8") == settings


def test_a_project_names_the_version_of_its_template(generate: Generate) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

    assert f"Generated by version {version} of its template" in (generate() / "README.md").read_text("utf-8")
