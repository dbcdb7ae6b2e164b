from datetime import datetime

import pytest
from quart.typing import TestClientProtocol as Client

from tests.factories.todo import create_todo


async def test_creates_a_todo(client: Client) -> None:
    todo = await create_todo(client, title="a", description="b", completed=True)

    assert list(todo) == ["id", "title", "description", "completed", "created_at", "updated_at"]
    assert (todo["title"], todo["description"], todo["completed"]) == ("a", "b", True)
    assert datetime.fromisoformat(todo["created_at"]).utcoffset() is not None
    assert todo["updated_at"] is None


async def test_creates_a_todo_from_a_title_alone(client: Client) -> None:
    todo = await create_todo(client)

    assert (todo["description"], todo["completed"]) == (None, False)


async def test_retrieves_a_todo(client: Client) -> None:
    todo = await create_todo(client)

    response = await client.get(f"/v1/todo/{todo['id']}")

    assert (response.status_code, await response.get_json()) == (200, todo)


async def test_updates_the_sent_fields_and_the_time(client: Client) -> None:
    todo = await create_todo(client, description="b")

    response = await client.patch(f"/v1/todo/{todo['id']}", json={"completed": True})

    updated = await response.get_json()
    assert response.status_code == 200
    assert updated == {**todo, "completed": True, "updated_at": updated["updated_at"]}
    assert datetime.fromisoformat(updated["updated_at"]) > datetime.fromisoformat(todo["created_at"])


async def test_clears_a_description(client: Client) -> None:
    todo = await create_todo(client, description="b")

    response = await client.patch(f"/v1/todo/{todo['id']}", json={"description": None})

    assert (await response.get_json())["description"] is None


async def test_deletes_a_todo(client: Client) -> None:
    todo = await create_todo(client)

    response = await client.delete(f"/v1/todo/{todo['id']}")

    assert (response.status_code, await response.get_data()) == (204, b"")
    assert (await client.get(f"/v1/todo/{todo['id']}")).status_code == 404


async def test_lists_pages(client: Client) -> None:
    for number in range(12):
        await create_todo(client, title=str(number))

    first = await (await client.get("/v1/todo")).get_json()
    second = await (await client.get("/v1/todo?page=2&per_page=5")).get_json()

    assert [todo["title"] for todo in first["items"]] == [str(number) for number in range(10)]
    assert (first["total"], first["page"], first["per_page"]) == (12, 1, 10)
    assert [todo["title"] for todo in second["items"]] == ["5", "6", "7", "8", "9"]


async def test_treats_a_page_that_is_not_a_number_as_the_first(client: Client) -> None:
    page = await (await client.get("/v1/todo?page=x&per_page=1000")).get_json()

    assert (page["page"], page["per_page"]) == (1, 100)


async def test_lists_todos_with_a_title(client: Client) -> None:
    for title in ("a", "b"):
        await create_todo(client, title=title)

    page = await (await client.get("/v1/todo?title=b")).get_json()

    assert ([todo["title"] for todo in page["items"]], page["total"]) == (["b"], 1)


@pytest.mark.parametrize("parameter", ["itemized", "itemize"])
async def test_lists_all_todos(client: Client, parameter: str) -> None:
    for number in range(11):
        await create_todo(client, title=str(number))

    listed = await (await client.get(f"/v1/todo?{parameter}=true")).get_json()

    assert list(listed) == ["items"]
    assert len(listed["items"]) == 11


@pytest.mark.parametrize("path", ["/v1/todo/", "/v1/todo/{id}/"])
async def test_ignores_a_trailing_slash(client: Client, path: str) -> None:
    todo = await create_todo(client)

    assert (await client.get(path.format(id=todo["id"]))).status_code == 200


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_returns_404_for_a_todo_that_does_not_exist(client: Client, method: str) -> None:
    response = await client.open("/v1/todo/0", method=method, json={"title": "a"})

    problem = await response.get_json()
    assert response.status_code == 404
    assert problem["error_message"] == problem["detail"] == "The requested todo was not found"


@pytest.mark.parametrize("body", ["", "{}", "[]", "null"])
@pytest.mark.parametrize(("method", "path"), [("post", "/v1/todo"), ("patch", "/v1/todo/1")])
async def test_refuses_a_body_without_data(client: Client, method: str, path: str, body: str) -> None:
    response = await getattr(client, method)(path, data=body, headers={"Content-Type": "application/json"})

    assert (response.status_code, (await response.get_json())["error_message"]) == (400, "No data provided")


@pytest.mark.parametrize("body", [b'{"title": "\xff"}', b"[" * 60, b"{", b"NaNs"])
async def test_refuses_a_body_that_cannot_be_read(client: Client, body: bytes) -> None:
    response = await client.post("/v1/todo", data=body, headers={"Content-Type": "application/json"})

    assert (await response.get_json())["error_message"] == "The body is not valid JSON"


@pytest.mark.parametrize("method", ["post", "patch"])
async def test_refuses_a_description_that_is_too_long(client: Client, method: str) -> None:
    todo = await create_todo(client, description="é" * 10_000)
    path = "/v1/todo" if method == "post" else f"/v1/todo/{todo['id']}"

    response = await getattr(client, method)(path, json={"title": "a", "description": "é" * 10_001})

    assert response.status_code == 400
    assert list((await response.get_json())["error_message"]) == ["description"]


async def test_refuses_a_body_that_is_nested_too_deeply(client: Client) -> None:
    response = await client.post("/v1/todo", data=b"[" * 100_000, headers={"Content-Type": "application/json"})

    assert response.status_code == 400
    assert (await response.get_json())["error_message"] == "The body has lists or objects in more than 64 levels"


@pytest.mark.parametrize("method", ["post", "patch"])
async def test_refuses_a_missing_body(client: Client, method: str) -> None:
    response = await getattr(client, method)("/v1/todo" if method == "post" else "/v1/todo/1")

    assert (response.status_code, (await response.get_json())["error_message"]) == (400, "No data provided")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "title"),
        ({"title": ""}, "title"),
        ({"title": " "}, "title"),
        ({"title": None}, "title"),
        ({"title": 1}, "title"),
        ({"title": "x" * 256}, "title"),
        ({"title": "a\x00"}, "title"),
        ({"title": "a", "description": 1}, "description"),
        ({"title": "a", "completed": "true"}, "completed"),
        ({"title": "a", "completed": None}, "completed"),
        ({"title": "a", "id": 1}, "id"),
        ({"title": "a", "updated_at": "2026-01-01T00:00:00Z"}, "updated_at"),
    ],
)
async def test_refuses_a_bad_field_by_name(client: Client, body: dict[str, object], field: str) -> None:
    response = await client.post("/v1/todo", json={"completed": True, **body})

    assert response.status_code == 400
    assert list((await response.get_json())["error_message"]) == [field]


@pytest.mark.parametrize("body", [[1], 1, "title", True])
async def test_refuses_a_body_that_is_not_an_object(client: Client, body: object) -> None:
    response = await client.post("/v1/todo", json=body)

    assert (await response.get_json())["error_message"] == "The body must be a JSON object"


@pytest.mark.parametrize("number", ["2147483648", "99999999999999999999"])
async def test_returns_404_for_an_id_beyond_the_integer_range(client: Client, number: str) -> None:
    assert (await client.get(f"/v1/todo/{number}")).status_code == 404
    assert (await client.patch(f"/v1/todo/{number}", json={"title": "a"})).status_code == 404
    assert (await client.delete(f"/v1/todo/{number}")).status_code == 404


@pytest.mark.parametrize("field", ["title", "completed"])
async def test_refuses_null_for_a_field_that_cannot_be_null(client: Client, field: str) -> None:
    todo = await create_todo(client)

    response = await client.patch(f"/v1/todo/{todo['id']}", json={field: None})

    assert (response.status_code, list((await response.get_json())["error_message"])) == (400, [field])


async def test_splits_a_todo(client: Client) -> None:
    todo = await create_todo(client, title="a and b")

    response = await client.post(f"/v1/todo/{todo['id']}/split", json={"titles": ["a", "b"]})

    assert response.status_code == 201
    assert [part["title"] for part in (await response.get_json())["items"]] == ["a", "b"]


async def test_changes_nothing_if_a_part_is_refused(client: Client) -> None:
    todo = await create_todo(client, title="a and b")

    response = await client.post(f"/v1/todo/{todo['id']}/split", json={"titles": ["a", " "]})

    assert (response.status_code, (await response.get_json())["error_message"]) == (400, {"title": "must not be blank"})
    assert (await (await client.get("/v1/todo?itemized=true")).get_json()) == {"items": [todo]}
