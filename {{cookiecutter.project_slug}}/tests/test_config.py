import re
from pathlib import Path

import pytest

from chassis.config import ROOT
from src.config import Config

EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
SETTING = re.compile(r"^(?:# )?([A-Z][A-Z_]+)=(.*)$", re.MULTILINE)
URL = "postgresql://user:secret@host/database"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Config.model_fields:
        monkeypatch.delenv(name, raising=False)


def test_the_example_file_names_every_setting_and_no_other() -> None:
    names = [name for name, _ in SETTING.findall(EXAMPLE)]

    assert sorted(names) == sorted(Config.model_fields)


def test_the_example_file_shows_the_defaults() -> None:
    values = {name: value for name, value in SETTING.findall(EXAMPLE) if value and name != "SERVICE_NAME"}

    config = Config.load(_env_file=None, **{**values, "SQLALCHEMY_DATABASE_URI": URL})

    assert config == Config.load(_env_file=None, SQLALCHEMY_DATABASE_URI=URL)


def test_the_example_file_can_be_copied(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(EXAMPLE.replace("# SQLALCHEMY_DATABASE_URI=", "SQLALCHEMY_DATABASE_URI="), encoding="utf-8")

    assert Config.load(_env_file=file).SQLALCHEMY_DATABASE_URI.drivername == "postgresql+asyncpg"
