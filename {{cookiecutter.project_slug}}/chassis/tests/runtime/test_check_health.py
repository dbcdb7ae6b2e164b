"""The health check of the image asks for the path that the service serves, however the prefix is written."""

from pathlib import Path
from urllib.parse import unquote

import pytest

from chassis.config import ChassisConfig
from chassis.runtime import check_health
from chassis.tests.command_line import UNREACHABLE


@pytest.fixture(name="env_file")
def _env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(check_health, "ENV_FILE", tmp_path / ".env")
    monkeypatch.delenv("SERVICE_PREFIX", raising=False)
    return tmp_path / ".env"


def assert_same_path(env_file: Path) -> str:
    """Return the path of the health check, after comparing it with the one that the service serves."""
    config = ChassisConfig.load(_env_file=env_file, SQLALCHEMY_DATABASE_URI=UNREACHABLE)
    path = check_health.find_path()
    assert unquote(path) == f"{config.SERVICE_PREFIX}/health/live"
    return path


@pytest.mark.parametrize(
    ("prefix", "path"),
    [
        ("", "/health/live"),
        ("/", "/health/live"),
        ("//team/example/", "/team/example/health/live"),
        ("example\n", "/example/health/live"),
        (" /example/\r\n", "/example/health/live"),
        ("größe", "/gr%C3%B6%C3%9Fe/health/live"),
        ("日本/a@b", "/%E6%97%A5%E6%9C%AC/a%40b/health/live"),
    ],
)
@pytest.mark.parametrize("name", ["SERVICE_PREFIX", "service_prefix"])
def test_encodes_the_prefix_of_the_environment(
    name: str, prefix: str, path: str, env_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, prefix)

    assert assert_same_path(env_file) == path


@pytest.mark.parametrize(
    ("environment", "path"), [("", "/of-the-file/health/live"), ("/", "/health/live"), ("other", "/other/health/live")]
)
def test_reads_a_mounted_file_as_the_service_does(
    environment: str, path: str, env_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env_file.write_text("SERVICE_PREFIX=of-the-file\n", encoding="utf-8")
    monkeypatch.setenv("SERVICE_PREFIX", environment)

    assert assert_same_path(env_file) == path
