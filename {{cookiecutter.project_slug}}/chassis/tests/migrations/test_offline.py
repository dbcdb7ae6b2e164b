"""Commands that need no database run without its address; the others say that it is missing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from chassis.cli.offline import NO_DATABASE, NOT_SET, runs_offline
from chassis.config import ROOT, ChassisConfig
from chassis.domain.exceptions import ConfigurationError
from chassis.tests.command_line import db


@pytest.mark.parametrize(
    ("command_line", "offline"),
    [
        ("/bin/quart db heads", True),
        ("/bin/quart --app src/app db history -v", True),
        ("quart.exe -A src/app --debug db merge heads", True),
        ("/packages/quart/__main__.py db branches", True),
        ("/bin/quart schema", True),
        ("/bin/quart routes", True),
        ("/bin/quart", True),
        ("/bin/quart db upgrade --help", True),
        ("/bin/quart db upgrade", False),
        ("/bin/quart db migrate -m heads", False),
        ("/bin/quart --app db heads", False),
        ("/bin/quart run", False),
        ("/bin/quart print_config", False),
        ("/bin/hypercorn db heads", False),
    ],
)
def test_knows_which_commands_need_no_database(command_line: str, offline: bool) -> None:
    assert runs_offline(command_line.split()) is offline


@pytest.mark.parametrize(
    "arguments",
    [
        ["heads"],
        ["history", "--verbose"],
        ["show", "head"],
        ["branches"],
        ["merge", "heads", "-d", "{line}"],
        ["revision", "-m", "empty", "-d", "{line}"],
        ["init", "-d", "{line}/new"],
    ],
    ids=" ".join,
)
def test_runs_without_an_address(arguments: list[str], line: Path) -> None:
    outcome = db(NO_DATABASE, *(word.replace("{line}", str(line)) for word in arguments))

    assert (outcome.code, outcome.err) == (0, "")


@pytest.mark.parametrize(
    "arguments",
    [
        ["history", "--indicate-current"],
        ["history", "-r", "base:current"],
        ["show", "current"],
        ["edit", "current"],
        ["revision", "--autogenerate"],
    ],
    ids=" ".join,
)
def test_an_option_that_needs_the_database_says_that_its_address_is_missing(arguments: list[str]) -> None:
    outcome = db(NO_DATABASE, *arguments)

    assert (outcome.code, outcome.err) == (1, f"Error: {NOT_SET}\n")


def test_a_wrong_setting_is_reported_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["quart", "db", "heads"])
    monkeypatch.delenv("SQLALCHEMY_DATABASE_URI", raising=False)

    assert ChassisConfig.load(_env_file=None).SQLALCHEMY_DATABASE_URI == NO_DATABASE
    with pytest.raises(ConfigurationError, match=r"^LOG_LEVEL should be"):
        ChassisConfig.load(_env_file=None, LOG_LEVEL="LOUD")


def test_an_operator_sees_the_heads_without_a_database() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "quart", "--app", "src/app", "db", "heads"],
        cwd=ROOT,
        env={**os.environ, "SQLALCHEMY_DATABASE_URI": ""},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.endswith(" (head)\n")
