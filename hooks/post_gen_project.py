"""Completes a new project and prints the next commands.

Removes the todo example if it is not wanted, copies the documentation, writes `.env` and openapi.json.
Runs in the folder of the new project. Standard library only, Python 3.8 or later: it runs in
cookiecutter's interpreter.
"""

import json
import os
import shlex
import shutil
from pathlib import Path
from typing import Any, Dict

# No quotation mark in an answer can end this string, because the filter writes ' as \u0027.
ANSWERS = r'''{{ cookiecutter | tojson }}'''  # fmt: skip

TEMPLATE = r'''{{ template_folder | tojson }}'''  # fmt: skip
PAGES_OF_TEMPLATE = {"coming-from-flask.md", "performance.md"}  # about the template, not about a service

CODE = ("migrations", "src", "tests")
CONTAINER = Path("src", "dependency_container.py")
UNUSED_IMPORT = "from dependency_injector import providers"


def remove_example(project: Path) -> None:
    """Delete the files that are named after todos, and the lines of the container that build them."""
    for folder in CODE:
        for path in sorted((project / folder).rglob("*todo*")):
            path.unlink()
            if not any(path.parent.iterdir()):
                path.parent.rmdir()
    container = project / CONTAINER
    lines = container.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if "todo" not in line.lower() and line != UNUSED_IMPORT]
    text = "\n".join(kept).rstrip() + "\n"
    write(container, text.replace("\n\n\nfrom", "\n\nfrom"))


def copy_pages(project: Path, template: Path) -> None:
    """Copy the documentation: a project has no address of its template where its owner could read it."""
    (project / "docs").mkdir(exist_ok=True)
    for page in sorted(template.glob("docs/*.md")):
        if page.name not in PAGES_OF_TEMPLATE:
            write(project / "docs" / page.name, page.read_text(encoding="utf-8"))


def write_document(project: Path, answers: Dict[str, Any]) -> None:
    """Put the answers into openapi.json, which is not rendered: a quotation mark would end a text of JSON."""
    file = project / "openapi.json"
    document = json.loads(file.read_text(encoding="utf-8"))
    licence = answers["license"] if answers["license"] != "Proprietary" else "LicenseRef-Proprietary"
    document["info"].update(
        title=answers["project_slug"],
        description=answers["project_description"],
        contact={"name": answers["author_name"]},
        license={"name": licence, "identifier": licence},
    )
    if not answers["include_todo_example"]:
        for part in (document["paths"], document["components"]["schemas"]):
            for name in [name for name in part if "todo" in name.lower()]:
                del part[name]
        document["tags"] = [tag for tag in document["tags"] if tag["name"] != "todo"]
    write(file, json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def remove_caches(project: Path) -> None:
    """The code of the template is linted and tested where it lies, and the caches of that are copied along."""
    for pattern in (".*_cache", "**/__pycache__"):
        for path in list(project.glob(pattern)):
            shutil.rmtree(str(path))


def write_settings(project: Path) -> None:
    """Write the settings of this machine, which git ignores, unless the user has some already.

    Only the user may read them, because they will hold passwords.
    """
    settings = project / ".env"
    if not settings.exists():
        shutil.copy(str(project / ".env.development"), str(settings))
        settings.chmod(0o600)


def write(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)


def next_commands(project: Path, prefix: str = "") -> str:
    start = Path(os.environ.get("PWD", str(project.parent)))
    folder = str(project.relative_to(start) if start in project.parents else project)
    path = "".join(f"/{segment}" for segment in prefix.split("/") if segment)
    return f"""
Your service is in {folder}. Next:

    cd {shlex.quote(folder)}
    make run     # on http://127.0.0.1:7000{path}, with a PostgreSQL of its own
    make test
    .venv/bin/quart generate entity book title:string
"""


if __name__ == "__main__":
    answers = json.loads(ANSWERS)
    here = Path.cwd()
    remove_caches(here)
    if not answers["include_todo_example"]:
        remove_example(here)
    copy_pages(here, Path(json.loads(TEMPLATE)))
    write_document(here, answers)
    write_settings(here)
    print(next_commands(here, answers["service_prefix"]))
