"""All errors have the same shape, whatever their status is."""

import json
import logging
import traceback

import pytest
from quart.typing import TestClientProtocol as Client
from sqlalchemy import text

from chassis.app import ChassisApp
from chassis.domain.exceptions import (
    ConflictError,
    DomainError,
    ForbiddenError,
    NotFoundError,
    UnauthenticatedError,
    UnavailableError,
    ValidationError,
)
from chassis.domain.ports import Readiness
from chassis.persistence.database import Database
from chassis.tests.sample.exceptions import DuplicateError, LimitError, LockedError, MonthlyLimitError


class FailingReadiness(Readiness):
    def __init__(self, error: Exception) -> None:
        self._error = error

    async def check(self) -> None:
        raise self._error


class FailingInsert(Readiness):
    def __init__(self, database: Database, value: str) -> None:
        self._database = database
        self._value = value

    async def check(self) -> None:
        statement = text("INSERT INTO service_context (id, message, version) VALUES (1, :message, NULL)")
        async with self._database.session() as session:
            await session.execute(statement, {"message": self._value})


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("get", "/nowhere", 404),
        ("put", "/health/live", 405),
        ("get", "/%2e%2e/health/live", 404),
        ("get", "/health/live/x", 404),
        ("delete", "/v1", 404),
    ],
)
async def test_answers_http_errors_in_the_shape_of_a_problem(
    client: Client, method: str, path: str, status: int
) -> None:
    response = await getattr(client, method)(path)

    problem = json.loads(await response.get_data(as_text=True))
    assert response.status_code == problem["status"] == status
    assert response.content_type == "application/problem+json"
    assert list(problem) == ["type", "title", "status", "detail", "instance", "error_message"]
    assert problem["error_message"] == problem["detail"]


async def test_lists_the_allowed_methods_for_a_wrong_one(client: Client) -> None:
    response = await client.put("/health/live")

    assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (DomainError("reason"), 400),
        (ValidationError("reason"), 400),
        (UnauthenticatedError("reason"), 401),
        (ForbiddenError("reason"), 403),
        (NotFoundError("reason"), 404),
        (ConflictError({"field": "reason"}), 409),
        (UnavailableError("reason"), 503),
    ],
)
async def test_gives_each_error_of_the_domain_its_status(
    app: ChassisApp, client: Client, error: Exception, status: int
) -> None:
    with app.container.readiness.override(FailingReadiness(error)):
        response = await client.get("/health/ready")

    problem = await response.get_json(force=True)
    assert (response.status_code, problem["status"]) == (status, status)
    assert problem["error_message"] in ("reason", {"field": "reason"})
    assert ("Retry-After" in response.headers) == (status == 503)
    assert ("WWW-Authenticate" in response.headers) == (status == 401)


@pytest.mark.parametrize(
    ("error_class", "status"), [(LimitError, 429), (MonthlyLimitError, 429), (LockedError, 423), (DuplicateError, 409)]
)
async def test_gives_an_error_of_the_service_the_status_of_its_nearest_base(
    app: ChassisApp, client: Client, error_class: type[DomainError], status: int
) -> None:
    with app.container.readiness.override(FailingReadiness(error_class("reason"))):
        response = await client.get("/health/ready")

    problem = await response.get_json(force=True)
    assert (response.status_code, problem["status"], problem["detail"]) == (status, status, "reason")


async def test_logs_an_unexpected_error_once_and_hides_its_reason(
    app: ChassisApp, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "the reason"
    with app.container.readiness.override(FailingReadiness(RuntimeError(secret))), caplog.at_level(logging.ERROR):
        response = await client.get("/health/ready", headers={"X-Request-ID": "abc"})

    assert response.status_code == 500
    assert secret not in await response.get_data(as_text=True)
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    event = record.msg
    assert isinstance(event, dict)
    assert (event["request_id"], str(event["exc_info"])) == ("abc", secret)


async def test_logs_an_unexpected_database_error_without_values(
    app: ChassisApp, client: Client, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with app.container.readiness.override(FailingInsert(database, "swordfish")), caplog.at_level(logging.ERROR):
        response = await client.get("/health/ready")

    assert response.status_code == 500
    (event,) = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
    traceback_text = "".join(traceback.format_exception(event["exc_info"]))
    assert 'null value in column "version"' in traceback_text
    assert "INSERT INTO service_context" in traceback_text
    assert "swordfish" not in traceback_text
