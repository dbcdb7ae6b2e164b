import re
from inspect import signature
from itertools import pairwise
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from pydantic import Field, SecretBytes, SecretStr, ValidationError
from quart.sessions import SecureCookieSessionInterface

from chassis.config import ROOT, ChassisConfig
from chassis.domain.exceptions import ConfigurationError
from chassis.persistence import url
from chassis.tests.sample.create_app import create_app

SETTING = re.compile("(?:# )?([A-Z][A-Z_]+)=")
URL = "postgresql://user:secret@host/database"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ChassisConfig.model_fields:
        monkeypatch.delenv(name, raising=False)


def _load(**settings: Any) -> ChassisConfig:
    return ChassisConfig.load(**{"_env_file": None, "SQLALCHEMY_DATABASE_URI": URL, **settings})


def test_example_file_explains_every_setting_of_the_chassis() -> None:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    explained = {
        setting[1]
        for above, line in pairwise(lines)
        if (setting := SETTING.match(line)) and above.startswith("# ") and not SETTING.match(above)
    }

    assert ChassisConfig.model_fields.keys() - explained == set()


def test_prefers_the_environment_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / ".env"
    file.write_text(f"SQLALCHEMY_DATABASE_URI={URL}\nLOG_LEVEL=ERROR\nLOG_FORMAT=console\n")
    monkeypatch.setenv("LOG_LEVEL", "WARNING")

    config = ChassisConfig.load(_env_file=file)

    assert (config.LOG_LEVEL, config.LOG_FORMAT) == ("WARNING", "console")


def test_explains_how_to_set_a_missing_database_url() -> None:
    with pytest.raises(ConfigurationError, match=r"^SQLALCHEMY_DATABASE_URI is not set: .*make run"):
        ChassisConfig.load(_env_file=None)


def test_treats_an_empty_value_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQLALCHEMY_DATABASE_URI", "")

    with pytest.raises(ConfigurationError, match="is not set"):
        ChassisConfig.load(_env_file=None)


def test_strips_white_space_around_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret that was made from a file ends with a line break."""
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

    assert config == _load(**{name: value.strip() for name, value in settings.items()})
    assert config.maintenance_token == "0123456789abcdef"


def test_runs_in_production_by_default() -> None:
    assert _load().APP_ENV == "production"


@pytest.mark.parametrize(
    ("value", "expected"),
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
def test_translates_common_database_urls(value: str, expected: str) -> None:
    url = _load(SQLALCHEMY_DATABASE_URI=value).SQLALCHEMY_DATABASE_URI

    assert url.render_as_string(hide_password=False) == expected


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
        ("timeout=5", "timeout, which is not understood: known are"),  # the engine would overwrite it
        ("pgbuncer=true", "pgbuncer, which is not understood: known are"),
    ],
)
def test_refuses_a_url_parameter_that_no_connection_would_accept(query: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        _load(SQLALCHEMY_DATABASE_URI=f"postgresql://u:hidden@h/d?{query}")

    message = str(raised.value)
    assert message.startswith(f"SQLALCHEMY_DATABASE_URI has the parameter {sentence}")
    assert "hidden" not in message


def test_knows_only_url_parameters_of_the_driver() -> None:
    translated = {"sslmode", "pgbouncer", "prepared_statement_cache_size"}  # by the chassis or by SQLAlchemy

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
def test_describes_a_wrong_setting_in_one_sentence_without_its_value(name: str, value: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        _load(**{name: value})

    message = str(raised.value)
    assert message.startswith(f"{name} {sentence}")
    assert message.endswith(".")
    assert message.count("\n") == 0
    assert "hidden" not in message


def test_names_a_driver_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(url, "find_spec", lambda _name: None)

    with pytest.raises(ConfigurationError, match="needs the package aiosqlite, which is not installed"):
        _load(SQLALCHEMY_DATABASE_URI="sqlite:///x.db")


def test_describes_all_wrong_settings_at_once() -> None:
    with pytest.raises(ConfigurationError, match=r"SERVICE_PREFIX .*\. LOG_LEVEL .*\."):
        _load(LOG_LEVEL="LOUD", SERVICE_PREFIX="a b")


@pytest.mark.parametrize("value", ["example", "/example", "example/", "//example//"])
def test_ignores_slashes_around_the_prefix(value: str) -> None:
    assert _load(SERVICE_PREFIX=value).SERVICE_PREFIX == "/example"


@pytest.mark.parametrize(("value", "prefix"), [("", ""), ("/", ""), ("/a//b/", "/a/b")])
def test_accepts_no_prefix_and_a_prefix_of_several_segments(value: str, prefix: str) -> None:
    assert prefix == _load(SERVICE_PREFIX=value).SERVICE_PREFIX


@pytest.mark.parametrize(
    ("app_env", "value", "served"),
    [
        ("development", "", True),
        ("testing", "", True),
        ("production", "", False),
        ("production", "true", True),
        ("development", "false", False),
    ],
)
def test_serves_docs_except_in_production_unless_a_setting_says_otherwise(
    app_env: str, value: str, *, served: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_DOCS", value)

    assert _load(APP_ENV=app_env).serves_docs is served


def test_splits_origins_at_commas() -> None:
    assert _load(CORS_ORIGINS="https://a.example, https://b.example,").CORS_ORIGINS == (
        "https://a.example",
        "https://b.example",
    )


@pytest.mark.parametrize(
    "value", ["https://a.example/", "a.example", "https://a.example/x", "https://*.example", "null"]
)
def test_refuses_a_value_that_is_not_an_origin(value: str) -> None:
    with pytest.raises(ConfigurationError, match=r"CORS_ORIGINS has '.*', which is not an origin such as https://"):
        _load(CORS_ORIGINS=f"https://b.example,{value}")


def test_refuses_a_misspelt_name_in_the_file(tmp_path: Path) -> None:
    settings = tmp_path / ".env"
    settings.write_text(f"SQLALCHEMY_DATABASE_URI={URL}\nMAINTENACE_TOKEN=0123456789abcdef\n", encoding="utf-8")

    with pytest.raises(
        ConfigurationError, match="MAINTENACE_TOKEN, which is not a setting: do you mean MAINTENANCE_TOKEN"
    ):
        ChassisConfig.load(_env_file=settings)


def test_ignores_settings_of_other_programs_in_the_file(tmp_path: Path) -> None:
    settings = tmp_path / ".env"
    names = ["PORT=7001", "POSTGRES_PASSWORD=p", "COMPOSE_PROJECT_NAME=x", "log_level=ERROR", "AWS_SECRET_ACCESS_KEY=s"]
    settings.write_text("\n".join([f"SQLALCHEMY_DATABASE_URI={URL}", *names, "export APP_ENV=development"]), "utf-8")

    assert ChassisConfig.load(_env_file=settings).LOG_LEVEL == "ERROR"


def test_hides_the_password_when_it_is_printed() -> None:
    config = _load(SQLALCHEMY_DATABASE_URI="postgresql://user:hidden@host/database")

    assert "hidden" not in f"{config!r} {config}"


def test_is_immutable() -> None:
    with pytest.raises(ValidationError):
        _load().LOG_LEVEL = "ERROR"  # type: ignore[misc]


def test_a_service_adds_settings_by_inheritance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Config(ChassisConfig):
        MAIL_SENDER: str = "service@example.com"
        MAIL_TIMEOUT: float = 1.0

    file = tmp_path / ".env"
    file.write_text(f"SQLALCHEMY_DATABASE_URI={URL}\nMAIL_SENDER=file@example.com\n", encoding="utf-8")
    monkeypatch.setenv("MAIL_TIMEOUT", "2")

    config = Config.load(_env_file=file)

    assert (config.MAIL_SENDER, config.MAIL_TIMEOUT) == ("file@example.com", 2.0)


class SecretConfig(ChassisConfig):
    SECRET_KEY: SecretStr
    SECRET_KEY_FALLBACKS: tuple[SecretStr, ...] = ()
    AUTH_PIN: SecretStr | None = None
    LICENCES: dict[str, SecretBytes] = Field(default_factory=dict)


def test_quart_and_extensions_get_plain_values_of_secrets() -> None:
    config = SecretConfig.load(
        _env_file=None,
        SQLALCHEMY_DATABASE_URI=URL,
        SECRET_KEY="key",
        SECRET_KEY_FALLBACKS=["old"],
        LICENCES={"fonts": b"licence"},
    )

    app = create_app(config)

    names = ("SECRET_KEY", "SECRET_KEY_FALLBACKS", "AUTH_PIN", "LICENCES")
    assert [app.config[name] for name in names] == ["key", ("old",), None, {"fonts": b"licence"}]
    assert app.config["SQLALCHEMY_DATABASE_URI"] == config.SQLALCHEMY_DATABASE_URI
    assert "key'" not in repr(config)
    sessions = SecureCookieSessionInterface().get_signing_serializer(app)
    assert sessions is not None
    assert sessions.loads(sessions.dumps({"visits": 1})) == {"visits": 1}
