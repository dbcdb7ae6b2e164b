"""Guessing MAINTENANCE_TOKEN: 567 wrong ones a second were answered, and no line said where they came from."""

import json
from typing import Any

import pytest
from quart.typing import TestClientProtocol as Client
from werkzeug.datastructures import Headers

from chassis.app import ChassisApp
from chassis.config import ChassisConfig
from chassis.domain.exceptions import TooManyAttemptsError, UnauthenticatedError
from chassis.maintenance.access import FORGET_SECONDS, MAX_ADDRESSES, MAX_FAILURES, FailedAttempts, MaintenanceAccess
from chassis.tests.sample.create_app import create_app

TOKEN = "a-token-of-some-length"
WRONG = "another-token"
PATH = "/v1/service-context"
ATTACKER, OPERATOR = "203.0.113.66", "192.0.2.1"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(name="clock")
def _clock() -> Clock:
    return Clock()


@pytest.fixture(name="access")
def _access(clock: Clock) -> MaintenanceAccess:
    return MaintenanceAccess(TOKEN, allow_without_token=False, clock=clock)


def guess(access: MaintenanceAccess, address: str | None, times: int = 1) -> None:
    for number in range(times):
        with pytest.raises(UnauthenticatedError):
            access.check(f"wrong-{number}", address)


def is_blocked(access: MaintenanceAccess, address: str | None, token: str = WRONG) -> bool:
    try:
        access.check(token, address)
    except TooManyAttemptsError:
        return True
    except UnauthenticatedError:
        return False
    return False


def test_blocks_an_address_after_some_wrong_tokens_until_it_has_been_quiet_for_a_while(
    access: MaintenanceAccess, clock: Clock
) -> None:
    guess(access, ATTACKER, MAX_FAILURES)

    with pytest.raises(TooManyAttemptsError) as blocked:
        access.check("wrong", ATTACKER)
    assert blocked.value.seconds == FORGET_SECONDS
    clock.now += FORGET_SECONDS - 0.5
    with pytest.raises(TooManyAttemptsError) as still_blocked:
        access.check("wrong", ATTACKER)
    assert still_blocked.value.seconds == 1
    clock.now += 0.5
    guess(access, ATTACKER, MAX_FAILURES)
    assert is_blocked(access, ATTACKER)


def test_does_not_compare_a_token_of_a_blocked_address(access: MaintenanceAccess) -> None:
    """Otherwise the answer to the right one would still tell it apart."""
    guess(access, ATTACKER, MAX_FAILURES)

    assert is_blocked(access, ATTACKER, TOKEN)


def test_the_right_token_from_another_address_is_never_blocked(access: MaintenanceAccess) -> None:
    for number in range(2 * MAX_ADDRESSES):
        address = f"203.0.{number // 256}.{number % 256}"
        guess(access, address, MAX_FAILURES)

    access.check(TOKEN, OPERATOR)


def test_the_right_token_forgives_earlier_mistakes(access: MaintenanceAccess) -> None:
    for _ in range(3):
        guess(access, OPERATOR, MAX_FAILURES - 1)
        access.check(TOKEN, OPERATOR)


def test_requests_without_a_token_are_not_counted(access: MaintenanceAccess) -> None:
    for _ in range(2 * MAX_FAILURES):
        with pytest.raises(UnauthenticatedError):
            access.check(None, OPERATOR)

    access.check(TOKEN, OPERATOR)


def test_one_client_has_a_whole_network_of_ipv6_addresses(access: MaintenanceAccess) -> None:
    for number in range(MAX_FAILURES):
        guess(access, f"2001:db8:0:1::{number:x}")

    assert is_blocked(access, "2001:db8:0:1:ffff::1")
    assert not is_blocked(access, "2001:db8:0:2::1")
    assert not is_blocked(access, "::ffff:192.0.2.1")


@pytest.mark.parametrize("address", [None, "", "<local>"])
def test_clients_of_a_unix_socket_share_one_count(address: str | None, access: MaintenanceAccess) -> None:
    guess(access, address, MAX_FAILURES)

    assert is_blocked(access, address)


def test_remembers_a_limited_number_of_addresses(clock: Clock) -> None:
    attempts = FailedAttempts(clock)

    for number in range(3 * MAX_ADDRESSES):
        attempts.add(f"10.{number // 65536}.{number // 256 % 256}.{number % 256}")

    assert len(attempts) == MAX_ADDRESSES


def create_client(app: ChassisApp, config: ChassisConfig) -> Client:
    """A client of an application behind one proxy, which writes JSON to the stderr of this moment."""
    settings: dict[str, Any] = {"MAINTENANCE_TOKEN": TOKEN, "PROXY_HOPS": 1, "LOG_LEVEL": "INFO", "LOG_FORMAT": "json"}
    served = create_app(
        ChassisConfig.load(_env_file=None, SQLALCHEMY_DATABASE_URI=config.SQLALCHEMY_DATABASE_URI, **settings)
    )
    served.container.database.override(app.container.database())
    return served.test_client()


def headers_of(address: str, token: str) -> Headers:
    return Headers({"X-Forwarded-For": address, "Authorization": f"Bearer {token}"})


async def test_answers_429_and_logs_the_address(
    app: ChassisApp, config: ChassisConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    served = create_client(app, config)

    answers = [
        await served.patch(PATH, json={}, headers=headers_of(ATTACKER, f"wrong-{number}"))
        for number in range(MAX_FAILURES + 20)
    ]
    operator = await served.patch(PATH, json={}, headers=headers_of(OPERATOR, TOKEN))

    statuses = [answer.status_code for answer in answers]
    assert statuses == [401] * MAX_FAILURES + [429] * 20
    assert 0 < int(answers[-1].headers["Retry-After"]) <= FORGET_SECONDS
    assert answers[-1].content_type == "application/problem+json"
    assert operator.status_code == 400  # it got through to the body, which is empty

    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    warnings = [line for line in lines if line["event"] == "wrong maintenance token"]
    assert [(line["client"], line["failures"]) for line in warnings] == [
        (ATTACKER, number + 1) for number in range(MAX_FAILURES)
    ]
    assert [line["blocked"] for line in warnings] == [False] * (MAX_FAILURES - 1) + [True]
    requests = [line for line in lines if line["logger"] == "access"]
    assert [line["client"] for line in requests] == [ATTACKER] * len(answers) + [OPERATOR]
    assert "wrong-" not in json.dumps(lines)
    assert TOKEN not in json.dumps(lines)


async def test_an_address_that_the_client_sends_itself_is_not_logged(
    app: ChassisApp, config: ChassisConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    served = create_client(app, config)

    await served.get(PATH, headers={"X-Forwarded-For": f"6.6.6.6, {ATTACKER}", "Remote-Addr": "6.6.6.6"})

    (line,) = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert line["client"] == ATTACKER
