"""Code in tests/applications/ has the types that a project requires of its own code."""

from pathlib import Path

from support.applications import APPLICATIONS, add_everything
from support.service import Commands
from support.template import MYPY_CACHE, Generate


def test_applications_pass_the_type_checks_of_a_project(
    generate: Generate, commands: Commands, observability_packages: Path
) -> None:
    project = generate()
    files = add_everything(project)
    assert len(files) == len(list(APPLICATIONS.rglob("*.py"))) > 10
    assert all(file.exists() for file in files)

    check = ["mypy", "--cache-dir", str(MYPY_CACHE), *map(str, files)]
    result = commands.run(project, *check, PYTHONPATH=str(observability_packages))

    assert result.returncode == 0, result.stdout + result.stderr
