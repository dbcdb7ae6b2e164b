"""A mistake in a database URL is one sentence at start-up, and the sentence shows no part of the URL."""

import re
from inspect import signature

import asyncpg
import pytest
from asyncpg.connect_utils import SessionAttribute, SSLMode

from chassis.config import ChassisConfig
from chassis.dev.testing.databases import choose_kind
from chassis.domain.exceptions import ConfigurationError
from chassis.persistence.url import PARAMETERS, VALUES, parse_url

SECRET = "hunter"  # in each URL below, in each part where the rest of a password may get to
ESCAPED = re.compile("write @ : / % # [?] in user and password as %40")
MISTAKES = [
    ("postgresql://u:p@hunter:hunter@h:5432/test", "has a port that is not a number"),
    ("postgresql://u:p@hunter@h:5432/test", "has an @ after the one before its host"),
    ("postgresql://u:p@hunter/hunter@h:5432/test", "has an @ after the one before its host"),
    ("postgresql://u:p@hunter?hunter@h:5432/test", "has an @ after the one before its host"),
    ("postgresql://u:p@hunter?hunter=hunter@h:5432/test", "has an @ after the one before its host"),
    ("postgresql://u:p@hunter#hunter@h:5432/test", "has an @ after the one before its host"),
    ("postgresql://hunter/hunter:p@h:5432/test", "has an @ after the one before its host"),
    ("postgresql://u:hunter/test", "has a port that is not a number"),
    ("postgresql://u:hunter%ff@h/test", "has a NUL byte, or a character behind a % that is not UTF-8"),
    ("postgresql://u:hunter%00@h/test", "has a NUL byte, or a character behind a % that is not UTF-8"),
    ("postgresql://u:hunter@h/test\0", "has a NUL byte, or a character behind a % that is not UTF-8"),
    ("postgresql://u:hunter@h:/test", "has a port that is not a number"),
    ("postgresql://u:hunter@h:54x/test", "has a port that is not a number"),
    ("postgresql://u:hunter@h:0/test", "has a port that is not between 1 and 65535"),
    ("postgresql://u:hunter@h:65536/test", "has a port that is not between 1 and 65535"),
    ("postgresql://u:hunter@:5432/test", "names no host"),
    ("postgresql://u:hunter@/test", "names no host"),
    ("postgresql://u:hunter@h hunter/test", "has a host that is not a name or an address"),
    ("postgresql://u:hunter@%2Fhunter/test", "has a host that is not a name or an address"),
    ("postgresql://u:hunter@h,hunter/test", "has a host that is not a name or an address"),
    ("postgresql://u:hunter@h..hunter/test", "has a host that is not a name or an address"),
    ("postgresql://u:hunter@[::hunter]/test", "has a host that is not a name or an address"),
    (f"postgresql://u:hunter@{'h' * 64}/test", "has a host that is not a name or an address"),
    ("postgresql://u:hunter@/test?host=h hunter", "has a host that is not a name or an address"),
    ("postgresql://u:hunter@/test?host=", "has a host that is not a name or an address"),
    ("postgresql://u:hunter@h/test?port=hunter", "has a value of host=, port= or prepared_statement_cache_size="),
    ("postgresql://u:hunter@h/test?port=65536", "has a value of host=, port= or prepared_statement_cache_size="),
    ("postgresql://u:hunter@h/test?host=a,b&port=1", "has a value of host=, port= or prepared_statement_cache_size="),
    ("postgresql://h/test?prepared_statement_cache_size=hunter", "has a value of host=, port= or prepared"),
    ("postgresql://u:hunter@h/test?sslmode=hunter", "has sslmode= with a value other than disable, allow, prefer,"),
    ("postgresql://u:hunter@h/test?ssl=true", "has ssl= with a value other than disable, allow, prefer,"),
    ("postgresql://u:hunter@h/test?sslmode=", "has sslmode= with a value other than disable, allow, prefer,"),
    ("postgresql://u:hunter@h/test?ssl=require&ssl=disable", "has the parameter ssl more than once"),
    ("postgresql://u:hunter@h/test?target_session_attrs=hunter", "has target_session_attrs= with a value other than"),
    ("postgresql://u:hunter@h/test?gsslib=hunter", "has gsslib= with a value other than gssapi, sspi"),
    ("postgresql://u:hunter@h/test?passfile=", "has the parameter passfile without a value"),
]


@pytest.mark.parametrize(("url", "sentence"), MISTAKES)
def test_a_wrong_url_stops_the_start_with_a_sentence_that_shows_no_part_of_it(url: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        ChassisConfig.load(_env_file=None, SQLALCHEMY_DATABASE_URI=url)

    message = str(caught.value)
    assert message.startswith(f"SQLALCHEMY_DATABASE_URI {sentence}")
    assert message.count("\n") == 0
    assert SECRET not in message
    assert not ({"number", "after", "NUL"} & set(sentence.split())) or ESCAPED.search(message)


@pytest.mark.parametrize(("url", "sentence"), [each for each in MISTAKES if "\0" not in each[0]])
def test_a_wrong_test_database_url_stops_the_tests_with_the_same_sentence(
    url: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TEST_DATABASE", raising=False)
    monkeypatch.setenv("TEST_DATABASE_URL", url)

    with pytest.raises(pytest.UsageError) as caught:
        choose_kind()

    message = str(caught.value)
    assert message.startswith(f"TEST_DATABASE_URL {sentence}")
    assert SECRET not in message


@pytest.mark.parametrize(
    "url",
    [
        "postgresql:///database",
        "postgresql://user@/database?service=billing",
        "postgresql://user@server:p:/?#&=ss@h.example:5432/database",
        "postgresql://user:p%40ss@[::1]:5432/database",
        "postgresql://user@[fe80::1%eth0]/database",
        "postgresql://user@under_score.example./database",
        "postgresql://user@database/database?host=/run/a b&port=5432",
        "postgresql://user@/database?host=a:1&host=b:2",
        "postgresql://user@/database?host=a,b&port=1,2&target_session_attrs=primary",
        "postgresql://user@h/database?ssl=verify-full&prepared_statement_cache_size=0",
    ],
)
def test_a_right_url_is_accepted(url: str) -> None:
    assert parse_url(url).drivername == "postgresql+asyncpg"


def test_the_values_are_those_of_the_driver() -> None:
    assert set(VALUES["ssl"]) == {mode.name.replace("_", "-") for mode in SSLMode}
    assert set(VALUES["target_session_attrs"]) == {each.value for each in SessionAttribute}
    assert set(VALUES) - {"sslmode"} <= signature(asyncpg.connect).parameters.keys()
    assert set(VALUES) <= set(PARAMETERS)
