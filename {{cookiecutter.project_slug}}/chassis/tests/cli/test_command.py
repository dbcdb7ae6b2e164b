import asyncio
import errno
import logging
import socket

import click
import pytest
from click.testing import CliRunner, Result

from chassis.cli.command import AsyncCommand
from chassis.tests.command_line import one_line


def invoke(function: object) -> Result:
    return CliRunner().invoke(AsyncCommand("example", callback=function), [])  # type: ignore[arg-type]


def test_awaits_a_coroutine() -> None:
    async def echo_something() -> None:
        await asyncio.sleep(0)
        click.echo("something")

    result = invoke(echo_something)

    assert (result.exit_code, result.stdout) == (0, "something\n")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ECONNREFUSED, "Connect call failed"), "Connect call failed"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), "No route to host"),
        (OSError("Multiple exceptions: [Errno 111] Connect call failed"), "Multiple exceptions: [Errno 111]"),
        (OSError(errno.ENOENT, "No such file or directory"), "No such file or directory"),  # a Unix socket
        (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
        (TimeoutError(), "no answer in time"),
    ],
)
def test_reports_an_unreachable_database_in_one_line(error: Exception, message: str) -> None:
    async def fail() -> None:
        raise error

    result = invoke(fail)

    assert result.exit_code == 1
    assert one_line(result.stderr).startswith("Error: The database cannot be reached: ")
    assert message in result.stderr


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.EACCES, "Permission denied", "a.py"), "PermissionError: [Errno 13] Permission denied: 'a.py'"),
        (OSError(errno.ENOSPC, "No space left on device"), "OSError: [Errno 28] No space left on device"),
    ],
)
def test_does_not_take_an_error_of_a_file_for_one_of_the_database(error: Exception, message: str) -> None:
    def fail() -> None:
        raise error

    assert one_line(invoke(fail).stderr) == f"Error: {message} (LOG_LEVEL=DEBUG shows where)\n"


def test_reports_an_error_in_an_option_in_one_line() -> None:
    def fail() -> str:
        msg = "no default"
        raise KeyError(msg)

    command = AsyncCommand("example", params=[click.Option(["--by"], default=fail)])
    result = CliRunner().invoke(command, [])

    assert (result.exit_code, result.stderr) == (1, "Error: KeyError: 'no default' (LOG_LEVEL=DEBUG shows where)\n")


def test_reports_an_unexpected_error_in_one_line_and_logs_its_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail() -> None:
        msg = "first\nsecond"
        raise ValueError(msg)

    with caplog.at_level(logging.DEBUG):
        result = invoke(fail)

    assert result.exit_code == 1
    assert result.stderr == "Error: ValueError: first second (LOG_LEVEL=DEBUG shows where)\n"
    assert [record.exc_info is not None for record in caplog.records] == [True]


@pytest.mark.parametrize(("error", "code"), [(click.UsageError("wrong"), 2), (click.Abort(), 1)])
def test_leaves_errors_of_click_to_click(error: Exception, code: int) -> None:
    def fail() -> None:
        raise error

    assert invoke(fail).exit_code == code


def test_keeps_an_exit_code() -> None:
    def leave() -> None:
        click.get_current_context().exit(3)

    assert invoke(leave).exit_code == 3
