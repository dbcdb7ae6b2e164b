"""SERVICE_PREFIX on a real Hypercorn, over HTTP and websockets."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from support.postgres import Postgres
from support.service import Commands, Service

OUTSIDE = "This url does not belong to the app."


@pytest.fixture(name="uri", scope="module")
def _uri(postgres: Postgres) -> str:
    return postgres.create_database()


@pytest.fixture(name="service", scope="module", params=["example", "/example/"])
def _service(request: pytest.FixtureRequest, probed_project: Path, commands: Commands, uri: str) -> Iterator[Service]:
    settings = {"SQLALCHEMY_DATABASE_URI": uri, "SERVICE_PREFIX": request.param}
    with commands.serve(probed_project, answers="/example/health/live", **settings) as service:
        yield service


@pytest.fixture(name="plain", scope="module")
def _plain(probed_project: Path, commands: Commands, uri: str) -> Iterator[Service]:
    with commands.serve(probed_project, SQLALCHEMY_DATABASE_URI=uri) as service:
        yield service


@pytest.mark.parametrize("path", ["/v1/todo", "/v1/todo/", "/health/live", "/health/ready", "/openapi.json", "/docs"])
def test_serves_every_route_under_the_prefix_only(service: Service, path: str) -> None:
    inside, outside = service.get(f"/example{path}"), service.get(path)

    assert (inside.status_code, outside.status_code) == (200, 404)


@pytest.mark.parametrize("path", ["/examples/v1/todo", "/", "/exampl", "/Example/v1/todo", "//example/v1/todo"])
def test_answers_404_in_plain_text_outside_of_the_prefix(service: Service, path: str) -> None:
    response = service.get(path)

    assert (response.status_code, response.text) == (404, OUTSIDE)
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"


def test_answers_404_to_any_method_and_body_outside_of_the_prefix(service: Service) -> None:
    response = service.request("POST", "/examples/v1/todo", content=b"x" * 100_000)

    assert (response.status_code, response.text) == (404, OUTSIDE)


@pytest.mark.parametrize("path", ["/example", "/example/", "/example/v1/nothing"])
def test_answers_an_unknown_path_under_the_prefix_with_a_problem(service: Service, path: str) -> None:
    response = service.get(path)

    assert (response.status_code, response.json()["status"]) == (404, 404)
    assert response.json()["instance"].rstrip("/") == path.rstrip("/")


def test_creates_a_todo_under_the_prefix(service: Service) -> None:
    response = service.http.post("/example/v1/todo", json={"title": "a"})

    todo = response.json()
    assert response.status_code == 201
    assert service.get(f"/example/v1/todo/{todo['id']}").json() == todo


def test_url_for_includes_the_prefix(service: Service) -> None:
    urls = service.get("/example/probe/urls").json()

    assert urls == {"path": "/example/v1/todo/1", "url": f"{service.url}/example/v1/todo/1"}


def test_openapi_names_the_prefix_as_the_server(service: Service) -> None:
    document = service.get("/example/openapi.json").json()

    assert document["servers"] == [{"url": "/example"}]
    assert "/v1/todo" in document["paths"]
    assert "/example/openapi.json" in service.get("/example/docs").text


def test_serves_a_websocket_under_the_prefix(service: Service) -> None:
    with connect(f"ws://127.0.0.1:{service.port}/example/probe/echo", proxy=None) as websocket:
        websocket.send("hello")

        assert websocket.recv(timeout=10) == "hello"


@pytest.mark.parametrize("path", ["/probe/echo", "/examples/probe/echo"])
def test_refuses_a_websocket_outside_of_the_prefix(service: Service, path: str) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        connect(f"ws://127.0.0.1:{service.port}{path}", proxy=None)

    response = refusal.value.response
    assert (response.status_code, response.body) == (404, OUTSIDE.encode())


def test_serves_without_a_prefix_if_none_is_set(plain: Service) -> None:
    with connect(f"ws://127.0.0.1:{plain.port}/probe/echo", proxy=None) as websocket:
        websocket.send("hello")

        assert websocket.recv(timeout=10) == "hello"
    assert plain.get("/v1/todo").status_code == 200
    assert plain.get("/example/v1/todo").status_code == 404
    assert plain.get("/probe/urls").json()["path"] == "/v1/todo/1"
    assert plain.get("/openapi.json").json()["servers"] == [{"url": "/"}]
