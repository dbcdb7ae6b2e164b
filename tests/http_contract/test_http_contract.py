"""The HTTP contract of the todo example, checked against a real Hypercorn."""

import json
import socket
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest

from support.postgres import Postgres
from support.service import Commands, Service

TODO = ["id", "title", "description", "completed", "created_at", "updated_at"]
PROBLEM = ["type", "title", "status", "detail", "instance", "error_message"]
JSON = {"Content-Type": "application/json"}
TEXT = {"Content-Type": "text/plain"}
LIMIT = 1024 * 1024  # bytes, MAX_CONTENT_LENGTH
NO_DATA = "No data provided"
NO_TODO = "The requested todo was not found"
NO_ROUTE = "The requested URL was not found on the server."
NO_METHOD = "The method is not allowed"
NO_JSON = "The body is not valid JSON"

# method, path, headers, body, status, and the start of the message or the names of the wrong fields
ERRORS: list[tuple[str, str, dict[str, str], bytes, int, str | list[str]]] = [
    ("POST", "/v1/todo", {}, b"", 400, NO_DATA),
    ("POST", "/v1/todo", JSON, b"", 400, NO_DATA),
    ("POST", "/v1/todo", JSON, b"{}", 400, NO_DATA),
    ("POST", "/v1/todo", JSON, b"null", 400, NO_DATA),
    ("PATCH", "/v1/todo/1", {}, b"", 400, NO_DATA),
    ("PATCH", "/v1/todo/1", JSON, b"{}", 400, NO_DATA),
    ("POST", "/v1/todo", JSON, b"[1]", 400, "The body must be a JSON object"),
    ("POST", "/v1/todo", JSON, b'{"title"', 400, NO_JSON),
    ("POST", "/v1/todo", JSON, b'{"title": "\xff"}', 400, NO_JSON),
    ("POST", "/v1/todo", JSON, b"[" * 100, 400, "The body has lists or objects in more than 64 levels"),
    ("POST", "/v1/todo", JSON, b"[" * 100_000, 400, "The body has lists or objects in more than 64 levels"),
    ("POST", "/v1/todo", JSON, b"[" + b"1," * 10_000 + b"1]", 413, "The body has more than 10000 values"),
    ("POST", "/v1/todo", JSON, b'{"title": "a", "colour": "red"}', 400, ["colour"]),
    ("POST", "/v1/todo", JSON, b'{"description": "b"}', 400, ["title"]),
    ("POST", "/v1/todo", JSON, b'{"title": 1, "completed": "yes"}', 400, ["title", "completed"]),
    ("POST", "/v1/todo", JSON, b'{"title": ""}', 400, ["title"]),
    ("POST", "/v1/todo", JSON, b'{"title": "a\\u0000"}', 400, ["title"]),
    ("POST", "/v1/todo", JSON, b'{"title": "\\ud800"}', 400, "The body has half of a surrogate pair"),
    ("POST", "/v1/todo", JSON, b'{"title": "a", "id": 7}', 400, ["id"]),
    ("PATCH", "/v1/todo/1", JSON, b'{"title": null}', 400, ["title"]),
    ("PATCH", "/v1/todo/1", JSON, b'{"updated_at": "2020-01-01T00:00:00Z"}', 400, ["updated_at"]),
    ("GET", "/v1/todo?title=%00", {}, b"", 400, ["title"]),
    ("GET", "/v1/todo/0", {}, b"", 404, NO_TODO),
    ("PATCH", "/v1/todo/0", JSON, b'{"title": "a"}', 404, NO_TODO),
    ("DELETE", "/v1/todo/0", {}, b"", 404, NO_TODO),
    ("GET", "/", {}, b"", 404, NO_ROUTE),
    ("GET", "/v1/todo/one", {}, b"", 404, NO_ROUTE),
    ("GET", "/v1/todo/-1", {}, b"", 404, NO_ROUTE),
    ("GET", "/v1/todo/%FF", {}, b"", 404, NO_ROUTE),
    ("GET", "/v1//todo", {}, b"", 404, NO_ROUTE),
    ("GET", "/v1/todos", {}, b"", 404, NO_ROUTE),
    ("PUT", "/v1/todo", JSON, b'{"title": "a"}', 405, NO_METHOD),
    ("POST", "/v1/todo/1", JSON, b'{"title": "a"}', 405, NO_METHOD),
    ("DELETE", "/health/live", {}, b"", 405, NO_METHOD),
    ("POST", "/v1/todo", JSON, b"x" * (LIMIT + 1), 413, "The data value transmitted exceeds"),
    ("POST", "/v1/todo", TEXT, b'{"title": "a"}', 415, "The body must be JSON"),
    ("POST", "/v1/todo", {}, b'{"title": "a"}', 415, "The body must be JSON"),
    ("PATCH", "/v1/todo/1", TEXT, b'{"title": "a"}', 415, "The body must be JSON"),
    ("GET", "/probe/failure", {}, b"", 500, "An unexpected error occurred."),
]


@pytest.fixture(name="uri", scope="module")
def _uri(postgres: Postgres) -> str:
    return postgres.create_database()


@pytest.fixture(name="service", scope="module")
def _service(probed_project: Path, commands: Commands, uri: str) -> Iterator[Service]:
    settings = {"APP_ENV": "production", "API_DOCS": "true", "LOG_FORMAT": "json"}
    with commands.serve(probed_project, SQLALCHEMY_DATABASE_URI=uri, **settings) as service:
        yield service


@pytest.fixture(name="client")
def _client(service: Service) -> httpx.Client:
    return service.http


@pytest.fixture(name="empty")
def _empty(postgres: Postgres, uri: str) -> None:
    postgres.execute(uri, "DELETE FROM todo")


def create_todo(client: httpx.Client, title: str = "a", **data: object) -> dict[str, Any]:
    response = client.post("/v1/todo", json={"title": title, **data})
    assert response.status_code == 201
    return dict(response.json())


def problem_of(response: httpx.Response) -> dict[str, Any]:
    assert response.headers["Content-Type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert list(problem) == PROBLEM
    assert problem["type"] == "about:blank"
    assert problem["status"] == response.status_code
    assert problem["title"]
    assert response.headers["X-Request-ID"]
    return problem


def test_returns_all_members_of_a_created_todo(client: httpx.Client) -> None:
    data = {"title": "Water the plants", "description": "all of them", "completed": True}

    response = client.post("/v1/todo", json=data)

    todo = response.json()
    assert (response.status_code, response.headers["Content-Type"]) == (201, "application/json")
    assert list(todo) == TODO
    assert data.items() <= todo.items()
    assert isinstance(todo["id"], int)


def test_description_and_completed_are_optional(client: httpx.Client) -> None:
    todo = create_todo(client, title="a")

    assert (todo["title"], todo["description"], todo["completed"]) == ("a", None, False)


def test_timestamps_are_iso_8601_with_an_offset(client: httpx.Client) -> None:
    todo = create_todo(client)

    assert datetime.fromisoformat(todo["created_at"]).utcoffset() is not None
    assert todo["updated_at"] is None


def test_returns_a_todo_by_its_id(client: httpx.Client) -> None:
    todo = create_todo(client, title="Zoë 🎉", description="one\ntwo")

    response = client.get(f"/v1/todo/{todo['id']}")

    assert (response.status_code, response.json()) == (200, todo)


@pytest.mark.parametrize("change", [{"title": "b"}, {"description": "b"}, {"completed": True}])
def test_an_update_changes_the_given_members_and_updated_at(client: httpx.Client, change: dict[str, object]) -> None:
    todo = create_todo(client)

    response = client.patch(f"/v1/todo/{todo['id']}", json=change)

    updated = response.json()
    assert response.status_code == 200
    assert updated == {**todo, **change, "updated_at": updated["updated_at"]}
    assert datetime.fromisoformat(updated["updated_at"]) > datetime.fromisoformat(todo["created_at"])
    assert client.get(f"/v1/todo/{todo['id']}").json() == updated


def test_returns_404_for_a_deleted_todo(client: httpx.Client) -> None:
    todo = create_todo(client)

    response = client.delete(f"/v1/todo/{todo['id']}")

    assert (response.status_code, response.content) == (204, b"")
    assert not {"content-type", "content-length"} & set(response.headers)
    assert client.get(f"/v1/todo/{todo['id']}").status_code == 404


@pytest.mark.usefixtures("empty")
def test_returns_a_list_in_pages_ordered_by_id(client: httpx.Client) -> None:
    ids = [create_todo(client, title=str(number))["id"] for number in range(12)]
    client.patch(f"/v1/todo/{ids[0]}", json={"completed": True})

    first = client.get("/v1/todo").json()
    second = client.get("/v1/todo?page=2&per_page=5").json()
    beyond = client.get("/v1/todo?page=9").json()

    assert list(first) == ["items", "total", "page", "per_page"]
    assert [list(todo) for todo in first["items"]] == [TODO] * 10
    assert [todo["id"] for todo in first["items"]] == ids[:10] == sorted(ids[:10])
    assert (first["total"], first["page"], first["per_page"]) == (12, 1, 10)
    assert [todo["id"] for todo in second["items"]] == ids[5:10]
    assert (second["total"], second["page"], second["per_page"]) == (12, 2, 5)
    assert (beyond["items"], beyond["total"]) == ([], 12)


@pytest.mark.parametrize(
    ("query", "page", "per_page"),
    [
        ("", 1, 10),
        ("page=x", 1, 10),
        ("page=0", 1, 10),
        ("page=-1&per_page=-1", 1, 10),
        ("page=&per_page=", 1, 10),
        ("per_page=100", 1, 100),
        ("per_page=101", 1, 100),
        ("page=99999999999999999999", 2**31, 10),
        ("itemized=false&page=2", 2, 10),
    ],
)
def test_replaces_invalid_page_parameters_by_valid_ones(
    client: httpx.Client, query: str, page: int, per_page: int
) -> None:
    response = client.get(f"/v1/todo?{query}")

    assert response.status_code == 200
    assert (response.json()["page"], response.json()["per_page"]) == (page, per_page)


def test_filters_a_list_by_title(client: httpx.Client) -> None:
    todo = create_todo(client, title="only this & that")
    create_todo(client, title="only")

    found = client.get("/v1/todo", params={"title": "only this & that"}).json()

    assert (found["items"], found["total"]) == ([todo], 1)


@pytest.mark.usefixtures("empty")
@pytest.mark.parametrize("parameter", ["itemized", "itemize"])
def test_an_itemized_list_has_no_pages(client: httpx.Client, parameter: str) -> None:
    ids = [create_todo(client)["id"] for _ in range(11)]

    response = client.get(f"/v1/todo?{parameter}=true")

    assert list(response.json()) == ["items"]
    assert [todo["id"] for todo in response.json()["items"]] == ids


@pytest.mark.usefixtures("empty")
def test_refuses_an_itemized_list_beyond_its_limit(client: httpx.Client, postgres: Postgres, uri: str) -> None:
    postgres.execute(uri, "INSERT INTO todo (title) SELECT n FROM generate_series(1, 1000) n")
    complete = client.get("/v1/todo?itemized=true")
    create_todo(client)
    refused = client.get("/v1/todo?itemized=true")

    assert (complete.status_code, len(complete.json()["items"])) == (200, 1000)
    assert refused.status_code == 400
    assert "ask for one page" in problem_of(refused)["error_message"]


def test_ignores_a_trailing_slash(client: httpx.Client) -> None:
    todo = client.post("/v1/todo/", json={"title": "a"}).json()
    path = f"/v1/todo/{todo['id']}/"

    assert client.get(path).json() == todo
    assert client.get("/v1/todo/").json() == client.get("/v1/todo").json()
    assert client.patch(path, json={"title": "b"}).json()["title"] == "b"
    assert client.delete(path).status_code == 204
    assert client.get("/health/live/").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status", "complaint"),
    ERRORS,
    ids=[f"{row[0]} {row[1]} {row[3][:24]!r} {row[4]}" for row in ERRORS],
)
def test_every_error_has_the_same_shape(
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    status: int,
    complaint: str | list[str],
    service: Service,
) -> None:
    response = service.request(method, path, headers=headers, content=body)

    problem = problem_of(response)
    message = problem["error_message"]
    assert response.status_code == status
    assert problem["instance"].lstrip("/") == unquote(path.partition("?")[0]).lstrip("/")
    if isinstance(complaint, list):
        assert sorted(message) == sorted(complaint)
        assert all(message.values())
        assert all(field in problem["detail"] for field in complaint)
    else:
        assert message.startswith(complaint)
        assert problem["detail"] == message


def test_names_the_allowed_methods_after_a_wrong_one(client: httpx.Client) -> None:
    response = client.put("/v1/todo")

    assert {"GET", "POST"} <= set(response.headers["Allow"].split(", "))
    assert "PUT" not in response.headers["Allow"]


def test_limits_the_size_of_a_chunked_body(service: Service) -> None:
    head = b"POST /v1/todo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as connection:
        connection.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(LIMIT // 0x10000 + 1):
            connection.sendall(chunk)

        assert connection.recv(12) == b"HTTP/1.1 413"


def test_logs_an_unexpected_error_once_and_hides_its_details(service: Service) -> None:
    reason = "a reason that is nobody's business"

    response = service.get("/probe/failure", headers={"X-Request-ID": "unexpected-1"})

    problem = problem_of(response)
    assert (response.status_code, problem["error_message"]) == (500, problem["detail"])
    for secret in (reason, "RuntimeError", "probe.py", "Traceback"):
        assert secret not in response.text
    (error,) = service.wait_for_events(level="error", request_id="unexpected-1")
    assert reason in json.dumps(error["exception"])
    assert "probe.py" in json.dumps(error["exception"])
    assert service.wait_for_events(event="request", request_id="unexpected-1")
    mentioned = [line for line in service.output.splitlines() if "unexpected-1" in line]
    assert [json.loads(line)["event"] for line in mentioned] == ["unexpected error", "request"]
    assert "Traceback (most recent call last)" not in service.output
    assert "HUNTER2" not in service.output  # the values of local variables are not logged


def test_logs_an_unexpected_error_readably_on_a_console(
    probed_project: Path, commands: Commands, postgres: Postgres
) -> None:
    uri = postgres.create_database()
    settings = {"APP_ENV": "development", "LOG_FORMAT": "console"}
    with commands.serve(probed_project, SQLALCHEMY_DATABASE_URI=uri, **settings) as service:
        response = service.get("/probe/failure")
        output = service.output

    assert response.status_code == 500
    assert output.count("RuntimeError: (") == 1
    assert "probe.py" in output
    assert "HUNTER2" not in output


@pytest.mark.parametrize("path", ["/health/live", "/v1/todo/0", "/nowhere", "/probe/failure"])
def test_returns_and_logs_the_request_id_of_the_caller(service: Service, path: str) -> None:
    identity = f"of-the-caller:{path}"

    response = service.get(path, headers={"X-Request-ID": identity})

    assert response.headers.get_list("X-Request-ID") == [identity]
    (line,) = service.wait_for_events(event="request", request_id=identity)
    assert (line["method"], line["path"], line["status"]) == ("GET", path, response.status_code)


@pytest.mark.parametrize("given", [None, "", "a b", "x" * 129, '"},{"level": "error'])
def test_creates_a_request_id_if_the_caller_sends_no_valid_one(service: Service, given: str | None) -> None:
    headers = {} if given is None else {"X-Request-ID": given}

    identity = service.get("/health/live", headers=headers).headers["X-Request-ID"]

    assert identity != given
    assert len(service.wait_for_events(event="request", request_id=identity)) == 1


def test_does_not_log_the_query_string(service: Service) -> None:
    service.get("/v1/todo?title=private", headers={"X-Request-ID": "query"})

    assert len(service.wait_for_events(event="request", request_id="query", path="/v1/todo")) == 1
    assert "private" not in service.output


@pytest.mark.parametrize("path", ["/v1/todo", "/nowhere", "/probe/failure"])
def test_every_answer_has_the_security_headers_of_an_api(service: Service, path: str) -> None:
    headers = service.get(path).headers

    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["Cache-Control"] == "no-store"
    assert "Server" not in headers


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
def test_is_alive_and_ready_with_its_database(client: httpx.Client, path: str) -> None:
    response = client.get(path)

    assert (response.status_code, response.json()["status"]) == (200, "ok")


def test_is_not_ready_before_its_migrations(probed_project: Path, commands: Commands, postgres: Postgres) -> None:
    uri = postgres.create_database(template="template1")
    with commands.serve(probed_project, SQLALCHEMY_DATABASE_URI=uri) as service:
        live, ready = service.get("/health/live"), service.get("/health/ready")

    assert (live.status_code, ready.status_code) == (200, 503)
    assert "quart db upgrade" in problem_of(ready)["error_message"]


def test_openapi_describes_routes_and_their_bodies(client: httpx.Client) -> None:
    response = client.get("/openapi.json")

    document = response.json()
    operations = {path: set(methods) for path, methods in document["paths"].items()}
    create = document["paths"]["/v1/todo"]["post"]
    body = create["requestBody"]["content"]["application/json"]["schema"]
    assert (response.status_code, document["openapi"][0]) == (200, "3")
    assert operations["/v1/todo"] == {"get", "post"}
    assert operations["/v1/todo/{todo_id}"] == {"get", "patch", "delete"}
    assert {"/health/live", "/health/ready"} <= set(operations)
    assert body == {"$ref": "#/components/schemas/TodoCreate"}
    assert "201" in create["responses"]
    assert document["servers"] == [{"url": "/"}]


def test_serves_a_page_to_try_the_api(client: httpx.Client) -> None:
    response = client.get("/docs")

    assert (response.status_code, response.headers["Content-Type"]) == (
        200,
        "text/html; charset=utf-8",
    )
    assert "/openapi.json" in response.text
