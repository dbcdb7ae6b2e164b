import subprocess
import sys

import pytest

from chassis.cli import development
from chassis.cli.development import development_commands, settings_of_command
from chassis.config import ROOT


@pytest.mark.parametrize(
    ("arguments", "is_generate"),
    [
        ("generate entity book title:string", True),
        ("--app src/app generate remove book", True),
        ("--debug -e .env generate", True),
        ("db migrate -m generate", False),
        ("--app generate db upgrade", False),
        ("", False),
    ],
)
def test_the_generator_needs_no_database(arguments: str, is_generate: bool) -> None:
    assert bool(settings_of_command(["quart", *arguments.split()])) is is_generate


def test_the_generator_is_imported_only_when_it_is_used() -> None:
    code = "import chassis.app, sys; sys.exit('libcst' in sys.modules or 'chassis.dev.generate' in sys.modules)"

    assert [command.name for command in development_commands()] == ["generate"]
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize("missing", ["chassis.dev", "libcst"])
def test_an_image_has_no_generator(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.setattr(development, "find_spec", lambda name: None if name == missing else object())

    assert development_commands() == []
