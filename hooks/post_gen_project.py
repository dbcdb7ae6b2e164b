"""Removes the todo example if it is not wanted, writes `.env`, and prints the next commands.

Runs in the folder of the new project. Standard library only, Python 3.8 or later: it runs in
cookiecutter's interpreter.
"""

import json
import os
import shlex
import shutil
from pathlib import Path

# No quotation mark in an answer can end this string, because the filter writes ' as \u0027.
ANSWERS = r'''{{ cookiecutter | tojson }}'''  # fmt: skip

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
"""


if __name__ == "__main__":
    answers = json.loads(ANSWERS)
    here = Path.cwd()
    remove_caches(here)
    if not answers["include_todo_example"]:
        remove_example(here)
    write_settings(here)
    print(next_commands(here, answers["service_prefix"]))
