"""Code in tests/applications/ that runs in generated projects: controllers, migrations, scripts and an entity."""

import shutil
from pathlib import Path

from support.template import ROOT

APPLICATIONS = ROOT / "tests" / "applications"
CONTROLLERS = Path("src", "api", "controllers")  # in a project
MIGRATIONS = Path("migrations", "versions")
CACHES = shutil.ignore_patterns("__pycache__", "*_cache")


def add_controller(project: Path, name: str) -> None:
    copy_into(project / CONTROLLERS, APPLICATIONS / "controllers" / f"{name}.py")


def add_migration(project: Path, name: str) -> None:
    copy_into(project / MIGRATIONS, APPLICATIONS / "migrations" / f"{name}.py")


def copy_into(folder: Path, file: Path) -> None:
    shutil.copyfile(file, folder / file.name)


def add_everything(project: Path) -> list[Path]:
    """Add all code in tests/applications/ to one project, where it is not meant to run, and return its files."""
    folders = {
        "controllers": CONTROLLERS,
        "migrations": MIGRATIONS,
        "scripts": Path("scripts_of_tests"),
        "users": Path("src"),
    }
    for name, folder in folders.items():
        shutil.copytree(APPLICATIONS / name, project / folder, dirs_exist_ok=True, ignore=CACHES)
    files = [file.relative_to(APPLICATIONS) for file in APPLICATIONS.rglob("*.py")]
    return [project / folders[file.parts[0]] / Path(*file.parts[1:]) for file in files]


def run_script(name: str) -> list[str]:
    """The command that runs a script in the current folder, a project, whose packages it can import."""
    return ["python", "-c", (APPLICATIONS / "scripts" / f"{name}.py").read_text(encoding="utf-8")]


def add_users(project: Path) -> None:
    """Add model, repository and service of users, as the documentation shows them: without types."""
    for name in ("infrastructure/models", "infrastructure/repositories", "services"):
        for file in (APPLICATIONS / "users" / name).iterdir():
            copy_into(project / "src" / name, file)


def add_user_entity(project: Path) -> None:
    """Add an entity, and let the repository of users return it instead of the model."""
    copy_into(project / "src" / "domain", APPLICATIONS / "users" / "domain" / "user.py")
    repository = project / "src" / "infrastructure" / "repositories" / "user_repository.py"
    text = repository.read_text(encoding="utf-8")
    base = "    base_class = User\n"
    text = "import src.domain.user\n" + text.replace(base, f"{base}    entity_class = src.domain.user.User\n")
    repository.write_text(text, encoding="utf-8")
