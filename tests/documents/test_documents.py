"""Files, links, settings, routes and commands that README and docs name exist."""

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.applications import run_script
from support.pages import Block, blocks
from support.service import UNREACHABLE, Commands
from support.template import ROOT

FENCE = re.compile(r"^```(\w*)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
NAME = re.compile(r"`([^`\n]+)`")
FILE = re.compile(r"[\w.{}-]*(?:/[\w.{}*-]*)*")
SUFFIXES = (".py", ".toml", ".md", ".json", ".yml", ".sh", ".txt", ".example")
FOLDERS = ("src", "chassis", "tests", "migrations", "scripts", "docs", "hooks")
FUNCTION = re.compile(r"`(\w+)\(\)`")
SETTING = re.compile(r"\b([A-Z][A-Z\d]*(?:_[A-Z\d]+)+|[A-Z]+(?==))\b")
MAKE = re.compile(r"\bmake ([a-z-]+)")
QUART = re.compile(r"(?:^|[ /])(quart .*)")
ROUTE = re.compile(
    r"(?:\b([A-Z]+) )?(?:http://127\.0\.0\.1:7000)?(?:/example)?"
    r"(?<![\w.])(/(?:v1/|health/|openapi\.json|docs\b)[^\s?…]*)"
)
LINK = re.compile(r"\]\((?!https?://)([^)#]*)#?([^)]*)\)")
WRITTEN = re.compile(r"^write +(\S+)$", re.MULTILINE)  # by a command, as its output says
SHELL = ("sh", "console")


@dataclass(frozen=True)
class Document:
    path: Path
    text: str

    @property
    def names(self) -> list[str]:
        """Everything in backticks, outside of code blocks."""
        return NAME.findall(FENCE.sub("", self.text))

    @property
    def lines(self) -> list[str]:
        """Everything in backticks, and the lines of shell code blocks."""
        scripts = [text for language, text in FENCE.findall(self.text) if language in SHELL]
        commands = "".join(scripts).splitlines()
        return self.names + [line.removeprefix("$ ").split("  #")[0] for line in commands]

    @property
    def blocks(self) -> list[Block]:
        return blocks(self.path)


@pytest.fixture(name="documents", scope="module")
def _documents(project: Path) -> list[Document]:
    documents_of_template = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
    paths = [*documents_of_template, *project.glob("*.md"), project / "chassis" / "README.md"]
    return [Document(path, path.read_text(encoding="utf-8")) for path in paths]


@pytest.fixture(name="code", scope="module")
def _code(project: Path) -> str:
    """The text of all files that are not documents, of the template and of a project."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    template_files = [ROOT / name for name in names.splitlines() if "cookiecutter." not in name]
    files = [path for path in (*template_files, *project.rglob("*")) if path.is_file()]
    return "\n".join(path.read_text("utf-8") for path in files if path.suffix not in (".md", ".pyc"))


def find_files(document: Document) -> list[str]:
    names = [name for name in document.names if FILE.fullmatch(name) and name[0] != "/"]
    names = [name for name in names if name not in SUFFIXES]
    return [name for name in names if name.endswith(SUFFIXES) or name.split("/")[0] in FOLDERS or name.startswith(".")]


def test_named_files_exist(documents: list[Document], project: Path) -> None:
    ignore_files = [(folder / ".gitignore").read_text("utf-8") for folder in (ROOT, project)]
    ignored_paths = {line.strip("/") for line in "".join(ignore_files).splitlines()} | {".cruft.json"}

    def exists(name: str, document: Document) -> bool:
        shown = "".join(shown for block in document.blocks for _, shown in block.commands)
        written = {block.file for block in document.blocks} | set(WRITTEN.findall(shown))
        if name in written or name.strip("/").split("/")[0] in ignored_paths:
            return True
        return bool([*ROOT.glob(name), *project.glob(f"**/{name}")])

    named = [(document, name) for document in documents for name in find_files(document)]

    assert len(named) > 100
    assert not [(document.path.name, name) for document, name in named if not exists(name, document)]


def test_a_named_function_is_in_the_file_named_on_the_same_line(documents: list[Document], project: Path) -> None:
    lines = [line for document in documents for line in document.text.splitlines()]
    named = [
        (name, [project / path for path in NAME.findall(line) if path.endswith(".py")])
        for line in lines
        for name in FUNCTION.findall(line)
    ]

    assert named
    assert not [
        name for name, paths in named if paths and not any(f"def {name}(" in path.read_text("utf-8") for path in paths)
    ]


def test_links_lead_somewhere(documents: list[Document], project: Path) -> None:
    """A project has the pages of the template, without those about the template."""
    copies = [Document(path, path.read_text(encoding="utf-8")) for path in project.glob("docs/*.md")]
    assert len(copies) > 15

    def leads_somewhere(document: Document, link: str, anchor: str) -> bool:
        target = document.path.parent / link if link else document.path
        if not anchor or not target.exists():
            return target.exists()
        titles = re.findall(r"^#+ (.+)$", target.read_text("utf-8"), re.MULTILINE)
        return anchor in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}

    assert not [
        (document.path.name, link, anchor)
        for document in (*documents, *copies)
        for link, anchor in LINK.findall(FENCE.sub("", document.text))
        if not leads_somewhere(document, link, anchor)
    ]


def test_the_readme_links_to_every_page() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    assert not [page.name for page in ROOT.glob("docs/*.md") if f"(docs/{page.name})" not in readme]


def test_named_targets_of_make_exist(documents: list[Document], project: Path) -> None:
    makefiles = [(folder / "Makefile").read_text("utf-8") for folder in (ROOT, project)]
    targets = {name for text in makefiles for name in re.findall(r"^([a-z-]+):.*##", text, re.M)}

    named = {name for document in documents for line in document.lines for name in MAKE.findall(line)}

    assert {"run", "test", "check"} <= named <= targets


def test_named_settings_and_variables_exist(documents: list[Document], code: str) -> None:
    added = "".join(block.text for document in documents for block in document.blocks if block.file)
    words = set(re.findall(r"\w+", code + added))

    named = {
        (document.path.name, name)
        for document in documents
        for line in document.lines
        for name in SETTING.findall(line)
    }

    assert ("configuration.md", "SQLALCHEMY_DATABASE_URI") in named
    assert not {(page, name) for page, name in named if name not in words}


@pytest.fixture(name="answer", scope="module")
def _answer(documents: list[Document], project: Path, commands: Commands) -> dict[str, Any]:
    """The differences that the application finds between itself and the documents, and its defaults."""
    questions = {
        "routes": [route for document in documents for route in find_routes(document)],
        "commands": [
            command
            for document in documents
            for line in document.lines
            for part in re.split(" && | -- ", line)
            for command in QUART.findall(part)
        ],
    }
    assert len(questions["routes"]) > 20
    assert len(questions["commands"]) > 20
    result = subprocess.run(
        run_script("describe_application"),
        cwd=project,
        env=commands.environment({"SQLALCHEMY_DATABASE_URI": UNREACHABLE}),
        input=json.dumps(questions),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def find_routes(document: Document) -> list[tuple[str, str]]:
    """Methods and paths, except those of a blueprint that the document itself adds."""
    added = tuple(f"/v1/{name}" for name in re.findall(r'Blueprint\("(\w+)"', document.text))
    found = [route for line in document.lines for route in ROUTE.findall(line)]
    return [
        (method or "GET", re.sub(r"<\w+(:\w+)?>", "1", path)) for method, path in found if not path.startswith(added)
    ]


def test_named_routes_are_served(answer: dict[str, Any]) -> None:
    assert answer["routes"] == []


def test_named_commands_of_quart_and_their_options_exist(answer: dict[str, Any]) -> None:
    assert answer["commands"] == []


def test_configuration_page_lists_all_settings_with_their_defaults(
    answer: dict[str, Any],
) -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    shown = dict(re.findall(r"^\| `([A-Z_]+)` \| (.+?) \|", page, re.MULTILINE))

    defaults = answer["defaults"]
    assert sorted(shown) == sorted(defaults)
    for name, cell in shown.items():
        value = cell.strip("`")
        if cell.startswith("`"):
            default = defaults[name]
            assert (json.dumps(default) if isinstance(default, bool) else str(default)).removesuffix(".0") == value, (
                name
            )
        else:
            assert (defaults[name] in ("", [], None)) is (value == "none"), name


def test_mysql_and_mariadb_lack_what_the_page_says(answer: dict[str, Any]) -> None:
    assert all("expected postgresql://" in sentence for sentence in answer["refused"])
    assert answer["returning"] == [[False, False], [True, False]]


def find_fragments(page: str, language: str) -> list[str]:
    return [block.text for block in blocks(ROOT / "docs" / page) if block.language == language]


def test_kubernetes_fragments_set_the_prefix_and_rewrite_no_path() -> None:
    ingress, container = (yaml.safe_load(text) for text in find_fragments("service-prefix.md", "yaml"))

    (path,) = ingress["spec"]["rules"][0]["http"]["paths"]
    assert (path["path"], path["pathType"]) == ("/example", "Prefix")
    assert "annotations" not in ingress["metadata"]
    assert container["env"] == [{"name": "SERVICE_PREFIX", "value": "example"}]
    probes = [container[name]["httpGet"]["path"] for name in ("livenessProbe", "readinessProbe")]
    assert probes == ["/example/health/live", "/example/health/ready"]


@pytest.mark.parametrize("title", ["Commands", "Rooms", "Rules", "Never edit"])
def test_the_page_for_agents_is_one_page(project: Path, title: str) -> None:
    for folder in (ROOT, project):
        page = (folder / "AGENTS.md").read_text(encoding="utf-8")

        assert f"\n## {title}\n" in page
        assert len(page.splitlines()) <= 60
