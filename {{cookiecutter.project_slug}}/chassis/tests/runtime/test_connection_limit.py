import logging
import sys
from math import inf
from unittest.mock import Mock

import pytest

import chassis.runtime.connection_limit
from chassis.runtime.connection_limit import (
    RESERVED_DESCRIPTORS,
    SECONDS_BETWEEN_WARNINGS,
    ConnectionLimit,
    RareWarning,
    find_maximum,
)


class Connection:
    is_closed = False

    def close_idle(self) -> None:
        self.is_closed = True


@pytest.fixture(name="connections")
def _connections() -> list[Connection]:
    return [Connection() for _ in range(4)]


def test_closes_the_connection_that_has_been_idle_for_longest(connections: list[Connection]) -> None:
    limit = ConnectionLimit(3)
    for connection in connections[:3]:
        limit.admit(connection)
    limit.mark(connections[0], idle=False)
    limit.mark(connections[1], idle=False)
    limit.mark(connections[1], idle=True)

    assert limit.admit(connections[3])
    assert [connection.is_closed for connection in connections] == [False, False, True, False]


def test_refuses_a_connection_when_no_other_one_is_idle(connections: list[Connection]) -> None:
    limit = ConnectionLimit(1)
    limit.admit(connections[0])
    limit.mark(connections[0], idle=False)

    assert not limit.admit(connections[1])

    limit.release(connections[0])
    assert limit.admit(connections[1])


def test_closes_no_connection_twice(connections: list[Connection]) -> None:
    limit = ConnectionLimit(1)
    limit.admit(connections[0])
    limit.admit(connections[1])
    limit.mark(connections[1], idle=False)

    assert not limit.admit(connections[2])


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
@pytest.mark.parametrize(
    ("descriptors", "connections"), [(1024, 1024 - RESERVED_DESCRIPTORS), (256, 128), (-1, inf)], ids=str
)
def test_leaves_descriptors_for_everything_else(
    descriptors: int, connections: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (descriptors, -1))

    assert find_maximum() == connections


def test_warns_once_a_minute(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    clock = Mock(monotonic=Mock(side_effect=[0.0, 1.0, SECONDS_BETWEEN_WARNINGS, SECONDS_BETWEEN_WARNINGS + 1]))
    monkeypatch.setattr(chassis.runtime.connection_limit, "time", clock)
    warning = RareWarning("too much")

    for number in range(4):
        warning.log(number=number)

    assert [vars(record)["number"] for record in caplog.records] == [0, 2]
    assert {(record.levelno, record.getMessage()) for record in caplog.records} == {(logging.WARNING, "too much")}
