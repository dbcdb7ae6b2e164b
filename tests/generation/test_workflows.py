"""CI and pre-commit run `make check`, with configuration files that GitHub and pre-commit accept."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.nightly import only_nightly
from support.service import Commands
from support.template import ROOT, Generate

WORKFLOW = ".github/workflows/ci.yml"
NIGHTLY = ".github/workflows/nightly.yml"
PROGRAMS = Path(sys.executable).parent
MISSPELT = "name: x\non: push\njobs: {a: {runs-on: b, steps: [{uses: actions/checkout@v4, wiht: {}}]}}\n"
CARELESS = "import os\nfrom src.services import todo_service\n\nx:int = todo_service\n"
REPAIRED = "from src.services import todo_service\n\nx: int = todo_service\n"
CHANGES = {
    "--check",
    "--fix",
    "--force-exclude",
    ".",
}  # words in which the commands of hooks, which change files, differ from those of make


def run_tool(name: str, *arguments: str | Path, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [PROGRAMS / name, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def check_grammar(path: Path) -> subprocess.CompletedProcess[str]:
    return run_tool("check-jsonschema", "--builtin-schema", "vendor.github-workflows", path)


def find_risks(path: Path) -> subprocess.CompletedProcess[str]:
    """Look offline for actions without a pinned hash, excessive permissions and the like."""
    return run_tool("zizmor", "--offline", "--no-progress", "--color=never", path)


def load(path: Path) -> Any:  # noqa: ANN401 - any YAML value
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def hooks(project: Path, stage: str) -> list[str]:
    """The commands that pre-commit runs at this stage."""
    config = load(project / ".pre-commit-config.yaml")
    all_hooks = [hook for repo in config["repos"] for hook in repo["hooks"]]
    stages = config["default_stages"]
    return [hook["entry"] for hook in all_hooks if stage in hook.get("stages", stages)]


def checks(project: Path) -> list[str]:
    """The commands of `make check`."""
    makefile = (project / "Makefile").read_text(encoding="utf-8")
    rule = re.search(r"^check:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert rule
    return rule[1].replace("\t", "").splitlines()


def normalize(command: str) -> tuple[str, ...]:
    return tuple(word for word in shlex.split(command) if word not in CHANGES)


@pytest.fixture(name="workflow", params=[WORKFLOW, NIGHTLY])
def _workflow(request: pytest.FixtureRequest, repository: Path) -> Path:
    return repository / str(request.param)


@pytest.fixture(name="repository", params=["template", "project"])
def _repository(request: pytest.FixtureRequest, project: Path) -> Path:
    return {"template": ROOT, "project": project}[request.param]


def test_the_workflow_has_valid_syntax(workflow: Path) -> None:
    result = check_grammar(workflow)

    assert result.returncode == 0, result.stdout


def test_the_workflow_takes_no_risks(workflow: Path) -> None:
    result = find_risks(workflow)

    assert result.returncode == 0, result.stdout


def test_dependabot_proposes_one_group_a_week_for_each_ecosystem(repository: Path) -> None:
    file = repository / ".github" / "dependabot.yml"
    result = run_tool("check-jsonschema", "--builtin-schema", "vendor.dependabot", file)

    assert result.returncode == 0, result.stdout
    updates = load(file)["updates"]
    assert {"pip", "github-actions"} <= {update["package-ecosystem"] for update in updates}
    for update in updates:
        assert (update["schedule"]["interval"], len(update["groups"])) == ("weekly", 1)
        folders = update.get("directories") or [update["directory"]]
        assert all((repository / folder.strip("/")).is_dir() for folder in folders)


def test_a_project_with_the_newest_packages_is_checked_every_night() -> None:
    jobs = load(ROOT / NIGHTLY)["jobs"]

    assert [step["run"] for step in jobs["upgrade"]["steps"] if "run" in step] == ["make newest"]
    versions = jobs["upgrade"]["strategy"]["matrix"]["python-version"]
    assert {"3.11", "3.13"} <= set(versions)  # Quart 0.22 and 0.23


def test_detects_a_misspelt_key_and_an_unpinned_action(tmp_path: Path) -> None:
    workflow = tmp_path / "ci.yml"
    workflow.write_text(MISSPELT, encoding="utf-8")

    assert "'wiht' was unexpected" in check_grammar(workflow).stdout
    workflow.write_text(MISSPELT.replace("wiht", "with"), encoding="utf-8")
    assert check_grammar(workflow).returncode == 0
    assert "unpinned-uses" in find_risks(workflow).stdout


def test_ci_of_a_project_runs_only_make_check(project: Path) -> None:
    jobs = load(project / WORKFLOW)["jobs"]

    steps = [step for job in jobs.values() for step in job["steps"]]
    assert [step["run"] for step in steps if "run" in step] == ["make check COVERAGE=1"]


def test_the_nightly_workflow_fuzzes_and_audits(project: Path) -> None:
    jobs = load(project / NIGHTLY)["jobs"]

    assert [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step] == [
        "make fuzz",
        "make audit",
    ]


def test_ci_of_the_template_runs_its_checks() -> None:
    steps = load(ROOT / WORKFLOW)["jobs"]["check"]["steps"]
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")

    assert [step["run"] for step in steps if "run" in step] == [".ci/run"]
    assert {"make lint", "make test"} <= set(re.findall(r"\bmake [a-z]+\b", script))
    assert "check: lint test ##" in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_pre_commit_hooks_are_part_of_make_check(project: Path) -> None:
    before_commit = {normalize(command) for command in hooks(project, "pre-commit")}

    assert len(before_commit) >= 4
    assert before_commit <= {normalize(command) for command in checks(project)}


def test_the_pre_push_hook_is_make_check(project: Path) -> None:
    assert hooks(project, "pre-push") == ["make check"]


@only_nightly
def test_hooks_fix_what_they_can_and_report_the_rest(
    generate: Generate, commands: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = generate()
    (project / ".venv").symlink_to(commands.folder.parent)
    careless = project / "src" / "domain" / "careless.py"
    careless.write_text(CARELESS, encoding="utf-8")
    git = ["git", "-C", str(project)]
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "add", "--all"], check=True)
    monkeypatch.setenv("PRE_COMMIT_HOME", str(tmp_path))

    result = run_tool("pre-commit", "run", "--all-files", folder=project)

    outcomes = dict(re.findall(r"^(.+?)\.\.+(\w+)$", result.stdout, re.MULTILINE))
    assert outcomes == dict.fromkeys(["ruff format", "ruff check", "mypy", "layer contracts"], "Failed")
    assert careless.read_text(encoding="utf-8") == REPAIRED
