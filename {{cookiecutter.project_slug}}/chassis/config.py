"""The settings that every service has: from the environment first, then from `.env`."""

import re
import sys
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, Secret, SecretBytes, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from sqlalchemy import URL

from chassis.cli.offline import NO_DATABASE, NOT_SET, runs_offline
from chassis.domain.exceptions import ConfigurationError
from chassis.persistence.url import parse_url
from chassis.runtime.env_file import ENCODING, check_env_file, read_env_file, restore_values

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

Value = Any  # anything that the environment or a test sets
DatabaseURL = Annotated[
    URL, NoDecode, BeforeValidator(lambda value: value if isinstance(value, URL) else parse_url(value))
]
Seconds = Annotated[float, Field(gt=0)]
_HOST = re.compile(r"(?:\*\.)?[\w-]+(?:\.[\w-]+)*|[0-9a-f]*:[0-9a-f:.]+", re.ASCII | re.IGNORECASE)  # no port
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[a-z0-9.:\[\]-]+")


class EnvFileSource(DotEnvSettingsSource):
    """Reads `.env` without replacing `${NAME}`, which pydantic-settings cannot be told."""

    def _read_env_file(self, file_path: Path) -> Mapping[str, str | None]:
        return {name.lower(): value for name, value in read_env_file(file_path).items() if value}


class ChassisConfig(BaseSettings):
    """`.env.example` explains each setting. Inherit this class to add settings of the service, in upper case."""

    model_config = SettingsConfigDict(
        env_file=ROOT / ".env",
        env_file_encoding=ENCODING,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        arbitrary_types_allowed=True,
        hide_input_in_errors=True,
    )

    APP_ENV: Literal["development", "testing", "production"] = "production"
    SERVICE_NAME: str = Field(default=PROJECT["name"], min_length=1)
    SQLALCHEMY_DATABASE_URI: DatabaseURL
    DATABASE_POOL_SIZE: int = Field(default=10, ge=1)
    DATABASE_POOL_TIMEOUT: Seconds = 5.0
    DATABASE_CONNECT_TIMEOUT: Seconds = 2.0
    DATABASE_STATEMENT_TIMEOUT: Seconds = 10.0
    SERVICE_PREFIX: str = ""
    API_DOCS: bool | None = None
    PROXY_HOPS: int = Field(default=0, ge=0)
    TRUSTED_HOSTS: Annotated[tuple[str, ...], NoDecode] = ()
    LOG_LEVEL: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    LOG_FORMAT: Literal["console", "json"] = "json"
    ACCESS_LOG: bool = True
    CORS_ORIGINS: Annotated[tuple[str, ...], NoDecode] = ()
    MAINTENANCE_TOKEN: SecretStr | None = None
    MAINTENANCE_POLL_SECONDS: Seconds = 2.0
    MAINTENANCE_RETRY_AFTER: int = Field(default=60, ge=1)
    MAINTENANCE_ON_UNKNOWN: Literal["closed", "open"] = "closed"
    SHUTDOWN_DRAIN_SECONDS: float = Field(default=5.0, ge=0)
    DRAIN_SEND_TIMEOUT: Seconds = 5.0
    MAX_CONTENT_LENGTH: int = Field(default=1024 * 1024, ge=1)
    BODY_TIMEOUT: Seconds = 60.0

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], *sources: PydanticBaseSettingsSource, **named: PydanticBaseSettingsSource
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return tuple(
            EnvFileSource(settings_cls, env_file=source.env_file)
            if isinstance(source, DotEnvSettingsSource)
            else source
            for source in (*sources, *named.values())
        )

    @field_validator("*", mode="before")
    @classmethod
    def _strip(cls, value: Value) -> Value:
        """Remove white space, because a secret that was made from a file ends with a line break."""
        return value.strip() if isinstance(value, str) else value

    @field_validator("MAINTENANCE_TOKEN")
    @classmethod
    def _require_header_value(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch("[!-~]{16,}", value.get_secret_value()):
            msg = "must be at least 16 characters, printable ASCII without spaces, because it is sent in a header"
            raise ValueError(msg)
        return value

    @field_validator("SERVICE_PREFIX")
    @classmethod
    def _normalize_prefix(cls, value: str) -> str:
        """Return `/example` for `example` as well as for `/example/`."""
        path = "/".join(part for part in value.split("/") if part)
        if any(character.isspace() or character in "?#%" for character in path):
            msg = "must be a plain path such as example or team/example"
            raise ValueError(msg)
        return f"/{path}" if path else ""

    @field_validator("CORS_ORIGINS", "TRUSTED_HOSTS", mode="before")
    @classmethod
    def _split_list(cls, value: Value) -> Value:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("CORS_ORIGINS")
    @classmethod
    def _require_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """Refuse a value that no browser sends; an origin is scheme, host and port: RFC 6454, section 6.1."""
        for origin in value:
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                msg = f"has {origin!r}, which is not an origin such as https://app.example.com"
                raise ValueError(msg)
        return value

    @field_validator("TRUSTED_HOSTS")
    @classmethod
    def _require_hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for host in value:
            if host != "*" and not _HOST.fullmatch(host):
                msg = f"has {host!r}, which is not a host such as api.example.com, *.example.com, 10.0.0.1 or *"
                raise ValueError(msg)
        return value

    @property
    def trusted_hosts(self) -> tuple[str, ...]:
        """In production any host by default, because the proxy in front has chosen the requests of this service."""
        return self.TRUSTED_HOSTS or (("*",) if self.APP_ENV == "production" else ())

    @property
    def serves_docs(self) -> bool:
        """API_DOCS decides; if it is not set, the API is documented everywhere except in production."""
        return self.APP_ENV != "production" if self.API_DOCS is None else self.API_DOCS

    @property
    def served_prefix(self) -> str:
        """The prefix, or nothing in tests, which request paths without it."""
        return "" if self.APP_ENV == "testing" else self.SERVICE_PREFIX

    @property
    def open_when_unknown(self) -> bool:
        return self.MAINTENANCE_ON_UNKNOWN == "open"

    @property
    def maintenance_token(self) -> str | None:
        return self.MAINTENANCE_TOKEN.get_secret_value() if self.MAINTENANCE_TOKEN else None

    @property
    def allows_maintenance_without_token(self) -> bool:
        """Outside production, anybody may switch the maintenance window if no token is set."""
        return self.APP_ENV != "production"

    @classmethod
    def load(cls, **settings: Value) -> Self:
        """Read the environment and `.env`; arguments take precedence.

        Raises:
            ConfigurationError: a setting is missing, wrong or misspelt, with one sentence for each;
                or `.env` cannot be read.
        """
        env_file = settings.get("_env_file", cls.model_config["env_file"])
        if env_file is not None:
            check_env_file(Path(env_file))
            restore_values(Path(env_file))
        cls._refuse_misspelt_names(env_file)
        try:
            return cls(**settings)
        except ValidationError as error:
            if runs_offline(sys.argv) and "SQLALCHEMY_DATABASE_URI" not in settings and _lacks_database(error):
                return cls.load(SQLALCHEMY_DATABASE_URI=NO_DATABASE, **settings)
            raise ConfigurationError(" ".join(_describe(dict(details)) for details in error.errors())) from None

    @classmethod
    def _refuse_misspelt_names(cls, env_file: Value) -> None:
        """Refuse a name in `.env` that is almost a setting; other names may belong to other programs."""
        for name in map(str.upper, DotEnvSettingsSource(cls, env_file=env_file).env_vars):
            near = get_close_matches(name, cls.model_fields, n=1, cutoff=0.85)
            if near and name not in cls.model_fields:
                msg = f".env has {name}, which is not a setting: do you mean {near[0]}?"
                raise ConfigurationError(msg)


def reveal(value: Value) -> Value:
    """Return a setting with its secrets as plain text, also those in a list, tuple, set or mapping."""
    if isinstance(value, (Secret, SecretBytes, SecretStr)):
        return value.get_secret_value()
    if type(value) in (list, tuple, set, frozenset):
        return type(value)(reveal(item) for item in value)
    return {key: reveal(item) for key, item in value.items()} if type(value) is dict else value


def _lacks_database(error: ValidationError) -> bool:
    return any(
        details["type"] == "missing" and details["loc"] == ("SQLALCHEMY_DATABASE_URI",) for details in error.errors()
    )


def _describe(details: Mapping[str, Any]) -> str:
    name = ".".join(str(part) for part in details["loc"])
    if details["type"] == "missing" and name == "SQLALCHEMY_DATABASE_URI":
        return NOT_SET
    if details["type"] == "missing":
        return f"{name} is not set: put it into the environment or into .env."
    return f"{name} {details['msg'].removeprefix('Value error, ').replace('Input should', 'should')}."
