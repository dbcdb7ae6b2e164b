"""Uses a client that openapi-python-client has generated; `mypy --strict` checks it, and a service answers.

usage: python use_client.py URL TOKEN
"""

import sys
from http import HTTPStatus

from todo_client import AuthenticatedClient
from todo_client.api.service_context import update_service_context
from todo_client.api.todo import create_todo, delete_todo, list_todos, retrieve_todo, update_todo
from todo_client.models import (
    MaintenanceProblem,
    Problem,
    Reasons,
    ServiceContext,
    ServiceContextUpdate,
    Todo,
    TodoCreate,
    TodoPage,
    TodoUpdate,
)


def use_todos(client: AuthenticatedClient) -> None:
    created = create_todo.sync(client=client, body=TodoCreate(title="Buy milk", description=None))
    assert isinstance(created, Todo)
    assert (created.title, created.description, created.updated_at) == ("Buy milk", None, None)

    page = list_todos.sync(client=client, title="Buy milk", per_page=5)
    assert isinstance(page, TodoPage)
    assert (page.total + 0, page.items) == (1, [created])

    changed = update_todo.sync(created.id, client=client, body=TodoUpdate(completed=True))
    assert isinstance(changed, Todo)
    assert changed.completed
    assert changed.updated_at is not None
    assert changed.updated_at > created.created_at

    deleted = delete_todo.sync_detailed(created.id, client=client)
    assert deleted.status_code == HTTPStatus.NO_CONTENT


def meet_errors(client: AuthenticatedClient) -> None:
    missing = retrieve_todo.sync(1, client=client)
    assert isinstance(missing, Problem)
    assert (missing.status, missing.error_message) == (404, "The requested todo was not found")

    refused = create_todo.sync(client=client, body=TodoCreate(title=" "))
    assert isinstance(refused, Problem)
    assert isinstance(refused.error_message, Reasons)
    assert list(refused.error_message.additional_properties) == ["title"]

    for expected in (Todo, Problem):
        answer = create_todo.sync(client=client, body=TodoCreate(title="Water the plants"))
        assert isinstance(answer, expected)
    assert isinstance(answer, Problem)
    assert answer.status == HTTPStatus.CONFLICT


def meet_a_maintenance_window(client: AuthenticatedClient) -> None:
    opened = update_service_context.sync_detailed(client=client, body=ServiceContextUpdate(maintenance=True))
    assert isinstance(opened.parsed, ServiceContext)
    assert opened.headers["ETag"] == f'"{opened.parsed.version}"'

    refusal = list_todos.sync_detailed(client=client)
    assert refusal.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert isinstance(refusal.parsed, MaintenanceProblem)
    assert refusal.parsed.since == opened.parsed.since
    assert refusal.headers["X-Maintenance-Mode"] == "1"

    ended = update_service_context.sync(client=client, body=ServiceContextUpdate(maintenance=False))
    assert isinstance(ended, ServiceContext)
    assert not ended.maintenance


if __name__ == "__main__":
    with AuthenticatedClient(base_url=sys.argv[1], token=sys.argv[2]) as service:
        use_todos(service)
        meet_errors(service)
        meet_a_maintenance_window(service)
