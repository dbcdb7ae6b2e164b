import re
from inspect import signature
from itertools import pairwise
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from pydantic import ValidationError

from chassis.config import ROOT, ChassisConfig
from chassis.domain.exceptions import ConfigurationError
from chassis.persistence import url

SETTING = re.compile(r"^(?:# )?([A-Z][A-Z_]+)=(.*)$", re.MULTILINE)
URL = "postgresql://user:secret@host/database"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ChassisConfig.model_fields:
        monkeypatch.delenv(name, raising=False)


def load(**settings: Any) -> ChassisConfig:
    return ChassisConfig.load(**{"_env_file": None, "SQLALCHEMY_DATABASE_URI": URL, **settings})


def shown_in_the_example() -> dict[str, str]:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    return dict(SETTING.findall(text))


def test_the_example_names_every_setting_and_no_other() -> None:
    assert sorted(shown_in_the_example()) == sorted(ChassisConfig.model_fields)


def test_the_example_gives_every_setting_a_comment() -> None:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()

    for above, line in pairwise(lines):
        if SETTING.match(line):
            assert above.startswith("# "), f"{line} has no comment above"
            assert not SETTING.match(above), f"{line} has no comment above"


def test_the_example_shows_the_defaults() -> None:
    own = {"SERVICE_NAME", "SQLALCHEMY_DATABASE_URI"}
    shown = {name: value for name, value in shown_in_the_example().items() if name not in own and value}

    assert load(**shown) == load()


def test_the_example_can_be_taken_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text((ROOT / ".env.example").read_text(encoding="utf-8").replace("# SQLALCHEMY", "SQLALCHEMY"))

    config = ChassisConfig.load(_env_file=file)

    assert config.SQLALCHEMY_DATABASE_URI.drivername == "postgresql+asyncpg"


def test_the_environment_goes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / ".env"
    file.write_text(f"SQLALCHEMY_DATABASE_URI={URL}\nLOG_LEVEL=ERROR\nLOG_FORMAT=console\n")
    monkeypatch.setenv("LOG_LEVEL", "WARNING")

    config = ChassisConfig.load(_env_file=file)

    assert (config.LOG_LEVEL, config.LOG_FORMAT) == ("WARNING", "console")


def test_says_what_to_do_without_a_database() -> None:
    with pytest.raises(ConfigurationError, match=r"^SQLALCHEMY_DATABASE_URI is not set: .*make run"):
        ChassisConfig.load(_env_file=None)


def test_what_is_empty_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQLALCHEMY_DATABASE_URI", "")

    with pytest.raises(ConfigurationError, match="is not set"):
        ChassisConfig.load(_env_file=None)


def test_white_space_around_a_value_is_none_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Secret that was made from a file ends with a line break."""
    settings = {
        "SQLALCHEMY_DATABASE_URI": f"{URL}\n",
        "MAINTENANCE_TOKEN": " 0123456789abcdef\r\n",
        "SERVICE_NAME": "billing\n",
        "SERVICE_PREFIX": "team/example\n",
        "LOG_LEVEL": "ERROR\n",
        "CORS_ORIGINS": "https://a.example\n",
        "DATABASE_POOL_SIZE": "5\n",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)

    config = ChassisConfig.load(_env_file=None)

    assert config == load(**{name: value.strip() for name, value in settings.items()})
    assert config.maintenance_token == "0123456789abcdef"


def test_is_in_production_unless_somebody_says_otherwise() -> None:
    assert load().APP_ENV == "production"


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("postgres://u:p@h/d", "postgresql+asyncpg://u:p@h/d"),
        ("postgresql://u:p@h/d", "postgresql+asyncpg://u:p@h/d"),
        ("postgresql+asyncpg://u:p@h/d", "postgresql+asyncpg://u:p@h/d"),
        ("postgresql://u:p@h/d?sslmode=require&port=1", "postgresql+asyncpg://u:p@h/d?port=1&ssl=require"),
        ("postgresql://u:50%25%40@h/d", "postgresql+asyncpg://u:50%25%40@h/d"),
        ("postgresql://u@/d?host=/run/postgresql", "postgresql+asyncpg://u@/d?host=%2Frun%2Fpostgresql"),
        ("postgresql://u@h/d?pgbouncer=true", "postgresql+asyncpg://u@h/d?pgbouncer=true"),
        ("sqlite:///x.db", "sqlite+aiosqlite:///x.db"),
        ("sqlite:///x.db?cached_statements=1", "sqlite+aiosqlite:///x.db?cached_statements=1"),
    ],
)
def test_takes_the_database_urls_that_are_around(given: str, taken: str) -> None:
    url = load(SQLALCHEMY_DATABASE_URI=given).SQLALCHEMY_DATABASE_URI

    assert url.render_as_string(hide_password=False) == taken


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("sslmode=require&channel_binding=require", "channel_binding, which is not understood: leave it out"),
        ("connect_timeout=5", "connect_timeout, which is not understood: set DATABASE_CONNECT_TIMEOUT"),
        ("application_name=hidden", "application_name, which is not understood: set SERVICE_NAME"),
        ("options=-c%20a%3Dhidden", "options, which is not understood: give settings to the role"),
        (
            "sslrootcert=/hidden",
            "sslrootcert, which is not understood: put the path into the environment variable PGSSL",
        ),
        ("password=hidden", "password, which is not understood: known are host, port, ssl, sslmode,"),
        ("timeout=5", "timeout, which is not understood: known are"),  # which would be overwritten
        ("pgbuncer=true", "pgbuncer, which is not understood: known are"),
    ],
)
def test_a_parameter_that_would_fail_each_connection_fails_the_start(query: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        load(SQLALCHEMY_DATABASE_URI=f"postgresql://u:hidden@h/d?{query}")

    message = str(raised.value)
    assert message.startswith(f"SQLALCHEMY_DATABASE_URI has the parameter {sentence}")
    assert "hidden" not in message


def test_the_parameters_that_are_known_are_those_of_the_driver() -> None:
    translated = {"sslmode", "pgbouncer", "prepared_statement_cache_size"}  # by us, by SQLAlchemy

    assert set(url.PARAMETERS) - translated <= signature(asyncpg.connect).parameters.keys()


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("SQLALCHEMY_DATABASE_URI", "oracle://u:hidden@h/d", "has the scheme oracle://, expected postgresql://"),
        ("SQLALCHEMY_DATABASE_URI", "postgresql+psycopg://u:hidden@h/d", "has the scheme postgresql+psycopg://"),
        ("SQLALCHEMY_DATABASE_URI", "u:hidden@h", "is not a database URL, expected postgresql://"),
        ("SQLALCHEMY_DATABASE_URI", "postgresql://u:hidden@h/d?pgbouncer=no", "has pgbouncer= with a value other than"),
        ("LOG_LEVEL", "LOUD", "should be 'DEBUG', 'INFO', 'WARNING' or 'ERROR'."),
        ("APP_ENV", "staging", "should be 'development', 'testing' or 'production'."),
        ("DATABASE_POOL_SIZE", "0", "should be greater than or equal to 1."),
        ("DATABASE_CONNECT_TIMEOUT", "soon", "should be a valid number"),
        ("SERVICE_PREFIX", "a b", "must be a plain path such as example"),
        ("API_DOCS", "perhaps", "should be a valid boolean"),
        ("MAINTENANCE_TOKEN", "hidden hidden hidden", "must be at least 16 characters, printable ASCII"),
        ("MAINTENANCE_TOKEN", "hidden-\N{LATIN SMALL LETTER E WITH ACUTE}" * 4, "must be at least 16 characters"),
        ("MAINTENANCE_TOKEN", "hidden\n" + "x" * 16, "must be at least 16 characters, printable ASCII"),
        ("MAINTENANCE_TOKEN", "hidden" + " " * 10, "must be at least 16 characters"),
    ],
)
def test_a_wrong_setting_is_one_sentence_without_its_value(name: str, value: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(**{name: value})

    message = str(caught.value)
    assert message.startswith(f"{name} {sentence}")
    assert message.endswith(".")
    assert message.count("\n") == 0
    assert "hidden" not in message


def test_a_driver_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(url, "find_spec", lambda _name: None)

    with pytest.raises(ConfigurationError, match="needs the package aiosqlite, which is not installed"):
        load(SQLALCHEMY_DATABASE_URI="sqlite:///x.db")


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(ConfigurationError, match=r"SERVICE_PREFIX .*\. LOG_LEVEL .*\."):
        load(LOG_LEVEL="LOUD", SERVICE_PREFIX="a b")


@pytest.mark.parametrize("given", ["example", "/example", "example/", "//example//"])
def test_slashes_around_the_prefix_do_not_matter(given: str) -> None:
    assert load(SERVICE_PREFIX=given).SERVICE_PREFIX == "/example"


@pytest.mark.parametrize(("given", "taken"), [("", ""), ("/", ""), ("/a//b/", "/a/b")])
def test_a_prefix_may_be_missing_or_deep(given: str, taken: str) -> None:
    assert taken == load(SERVICE_PREFIX=given).SERVICE_PREFIX


@pytest.mark.parametrize(
    ("app_env", "given", "served"),
    [
        ("development", "", True),
        ("testing", "", True),
        ("production", "", False),
        ("production", "true", True),
        ("development", "false", False),
    ],
)
def test_the_api_is_documented_except_in_production(
    app_env: str, given: str, *, served: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_DOCS", given)

    assert load(APP_ENV=app_env).serves_docs is served


def test_origins_are_separated_by_commas() -> None:
    assert load(CORS_ORIGINS="https://a.example, https://b.example,").CORS_ORIGINS == (
        "https://a.example",
        "https://b.example",
    )


@pytest.mark.parametrize(
    "given", ["https://a.example/", "a.example", "https://a.example/x", "https://*.example", "null"]
)
def test_what_is_no_origin_is_refused(given: str) -> None:
    with pytest.raises(ConfigurationError, match=r"CORS_ORIGINS has '.*', which is not an origin such as https://"):
        load(CORS_ORIGINS=f"https://b.example,{given}")


def test_a_misspelt_name_in_the_file_is_refused(tmp_path: Path) -> None:
    settings = tmp_path / ".env"
    settings.write_text(f"SQLALCHEMY_DATABASE_URI={URL}\nMAINTENACE_TOKEN=0123456789abcdef\n", encoding="utf-8")

    with pytest.raises(
        ConfigurationError, match="MAINTENACE_TOKEN, which is not a setting: do you mean MAINTENANCE_TOKEN"
    ):
        ChassisConfig.load(_env_file=settings)


def test_what_others_keep_in_the_file_is_left_to_them(tmp_path: Path) -> None:
    settings = tmp_path / ".env"
    names = ["PORT=7001", "POSTGRES_PASSWORD=p", "COMPOSE_PROJECT_NAME=x", "log_level=ERROR", "AWS_SECRET_ACCESS_KEY=s"]
    settings.write_text("\n".join([f"SQLALCHEMY_DATABASE_URI={URL}", *names, "export APP_ENV=development"]), "utf-8")

    assert ChassisConfig.load(_env_file=settings).LOG_LEVEL == "ERROR"


def test_can_be_printed_without_giving_the_password_away() -> None:
    config = load(SQLALCHEMY_DATABASE_URI="postgresql://user:hidden@host/database")

    assert "hidden" not in f"{config!r} {config}"


def test_does_not_change() -> None:
    with pytest.raises(ValidationError):
        load().LOG_LEVEL = "ERROR"  # type: ignore[misc]
