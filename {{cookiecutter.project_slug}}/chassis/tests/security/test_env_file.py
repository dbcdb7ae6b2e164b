""".env in an encoding or a form in which its settings would be lost."""

import os
from pathlib import Path
from urllib.parse import unquote

import pytest
from quart.cli import load_dotenv

from chassis.config import ChassisConfig
from chassis.dev import postgres
from chassis.domain.exceptions import ConfigurationError
from chassis.runtime import check_health

URI = "postgresql://user:hunter2@localhost/database"
HOME = "${HOME}"
TEXT = f"# für die Entwicklung\nAPP_ENV=development\nSQLALCHEMY_DATABASE_URI={URI}\n"


@pytest.fixture(name="env_file")
def _env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path that both the service and the commands for development read."""
    for name in ChassisConfig.model_fields:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(postgres, "ROOT", tmp_path)
    return tmp_path / ".env"


def read_errors(env_file: Path) -> set[str]:
    """Return the sentences of the service and of the commands for development, which should be the same."""
    sentences = set()
    for read in (lambda: ChassisConfig.load(_env_file=env_file), postgres.configured_uri):
        with pytest.raises(ConfigurationError) as caught:
            read()
        sentences.add(str(caught.value))
    return sentences


@pytest.mark.parametrize(
    ("encoding", "sentence"),
    [
        ("utf-16", ".env is UTF-16 and not UTF-8: save it as UTF-8"),
        ("utf-16-le", ".env is UTF-16 and not UTF-8: save it as UTF-8"),
        ("utf-16-be", ".env is UTF-16 and not UTF-8: save it as UTF-8"),
        ("utf-32", ".env is UTF-16 and not UTF-8: save it as UTF-8"),
        ("latin-1", ".env is not UTF-8 in line 1: save it as UTF-8"),
    ],
)
def test_another_encoding_is_one_sentence_that_says_how_to_save_the_file(
    encoding: str, sentence: str, env_file: Path
) -> None:
    env_file.write_text(TEXT, encoding)

    (message,) = read_errors(env_file)

    assert message.startswith(sentence)
    assert message.count("\n") == 0
    assert "hunter2" not in message


def test_utf_16_without_a_mark_is_recognised_even_if_all_of_it_is_ascii(env_file: Path) -> None:
    """Every other byte of it is NUL, and UTF-8 allows that: the settings would have names that nobody reads."""
    env_file.write_text(TEXT.replace("ü", "ue"), "utf-16-le")

    (message,) = read_errors(env_file)

    assert message.startswith(".env is UTF-16")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_utf_8_is_read_with_a_mark_or_without(encoding: str, env_file: Path) -> None:
    env_file.write_text(f"SQLALCHEMY_DATABASE_URI={URI}\nSERVICE_NAME=für\n", encoding)

    config = ChassisConfig.load(_env_file=env_file)

    assert (config.SQLALCHEMY_DATABASE_URI.username, config.SERVICE_NAME) == ("user", "für")
    assert postgres.configured_uri() == URI


def test_a_directory_is_refused(env_file: Path) -> None:
    """Without an error the service would take itself to be in production, without its settings."""
    env_file.mkdir()

    (message,) = read_errors(env_file)

    assert message.startswith(".env is a directory, which Docker makes")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_one_sentence(env_file: Path) -> None:
    env_file.write_text(TEXT, "utf-8")
    env_file.chmod(0)

    (message,) = read_errors(env_file)

    assert message == ".env cannot be read: Permission denied: give this user the permission to read it."


def test_an_error_while_reading_is_one_sentence(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    env_file.write_text(TEXT, "utf-8")
    monkeypatch.setattr(Path, "read_bytes", refuse)

    (message,) = read_errors(env_file)

    assert message == ".env cannot be read: Permission denied: give this user the permission to read it."


def test_a_service_without_the_file_reads_the_environment(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQLALCHEMY_DATABASE_URI", URI)

    assert ChassisConfig.load(_env_file=env_file).APP_ENV == "production"


@pytest.mark.parametrize("quotes", ["", "'", '"'])
def test_a_dollar_in_a_value_has_no_meaning_for_any_reader(
    quotes: str, env_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = "postgresql://user:a$HOME${HOME}$$b@localhost/database"
    lines = [f"SQLALCHEMY_DATABASE_URI={quotes}{uri}{quotes}", f"SERVICE_PREFIX={quotes}a{HOME}{quotes}"]
    env_file.write_text("\n".join(lines), encoding="utf-8")
    monkeypatch.setattr(check_health, "ENV_FILE", env_file)

    config = ChassisConfig.load(_env_file=env_file)

    assert config.SQLALCHEMY_DATABASE_URI.password == "a$HOME${HOME}$$b"
    assert postgres.configured_uri() == uri
    assert config.SERVICE_PREFIX == "/a${HOME}"
    assert unquote(check_health.find_path()) == "/a${HOME}/health/live"


@pytest.mark.parametrize(("exported", "token"), [(None, "0123456789${HOME}$x"), ("of-the-environment", None)])
def test_the_quart_command_replaces_nothing(
    exported: str | None, token: str | None, env_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It copies `.env` to the environment, but not over what is there."""
    env_file.write_text(f"{TEXT}MAINTENANCE_TOKEN=0123456789{HOME}$x\n", encoding="utf-8")
    monkeypatch.setattr(os, "environ", {"HOME": "/root", **({"MAINTENANCE_TOKEN": exported} if exported else {})})
    load_dotenv(env_file)
    assert os.environ["MAINTENANCE_TOKEN"] == exported or "0123456789/root$x"

    config = ChassisConfig.load(_env_file=env_file)

    assert config.maintenance_token == token or exported
